"""How uncertain is a mean over paths that share images? A jackknife over images, with all paths of one together."""

import numpy as np


def ratio_standard_error(
    numerator: np.ndarray, denominator: np.ndarray, first: np.ndarray, second: np.ndarray
) -> float | None:
    """Return the standard error of sum(numerator) / sum(denominator), all (P,), over paths from image to image.

    `first` and `second` (P,) name the two images of each path: see `standard_errors`. Where the denominator is 0 there
    is none either.
    """
    if denominator.sum() <= 0:
        return None
    ratio = numerator.sum() / denominator.sum()
    errors = standard_errors((numerator - ratio * denominator)[None] / denominator.sum(), first, second)
    return None if errors is None else float(errors[0])


def standard_errors(influences: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
    """Return the standard errors (n,) of statistics to which each of P paths, from image to image, adds (n, P).

    `first` and `second` (P,) name the two images of each path. The infinitesimal jackknife: what the statistic owes to
    an image is the sum over all paths that use it. A path's own noise is met twice so, once at each end, and taken off
    once: the variance is that over images less that over paths (Aronow, Samii and Assenova 2015, "Cluster-robust
    variance estimation for dyadic data"), and at least that over paths. For the mean of paths that share no image it is
    the textbook's. Classes count as drawn, like images: where they differ and are fixed, this errs on the large side.
    None for fewer than two paths, or where one image is in all of them.
    """
    paths = influences.shape[1]
    _, ends = np.unique(np.concatenate([first, second]), return_inverse=True)
    if paths < 2 or np.bincount(ends).max() >= paths:
        return None
    of_images = np.array([np.square(np.bincount(ends, np.tile(each, 2))).sum() for each in influences])
    of_paths = np.square(influences).sum(axis=1)
    return np.sqrt(paths / (paths - 1) * np.maximum(of_images - of_paths, of_paths))

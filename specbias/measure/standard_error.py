"""How uncertain is a mean over paths that share images? A jackknife over images, with all paths of one together."""

import numpy as np


def ratio_standard_error(
    numerator: np.ndarray, denominator: np.ndarray, first: np.ndarray, second: np.ndarray
) -> float | None:
    """Return the standard error of sum(numerator) / sum(denominator), all (P,), over paths from image to image.

    `first` and `second` (P,) name the two images of each path. The infinitesimal jackknife: what the statistic owes to
    an image is the sum over all paths that use it. A path's own noise is met twice so, once at each end, and taken off
    once: the variance is that over images less that over paths (Aronow, Samii and Assenova 2015, "Cluster-robust
    variance estimation for dyadic data"), and at least that over paths. For the mean of paths that share no image it is
    the textbook's. Classes count as drawn, like images: where they differ and are fixed, this errs on the large side.
    None for fewer than two paths, or where one image is in all of them.
    """
    paths = len(numerator)
    _, ends = np.unique(np.concatenate([first, second]), return_inverse=True)
    if paths < 2 or np.bincount(ends).max() >= paths or denominator.sum() <= 0:
        return None
    influence = (numerator - numerator.sum() / denominator.sum() * denominator) / denominator.sum()
    of_images, of_paths = (np.square(x).sum() for x in (np.bincount(ends, np.tile(influence, 2)), influence))
    return float(np.sqrt(paths / (paths - 1) * max(of_images - of_paths, of_paths)))

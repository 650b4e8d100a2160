"""How uncertain is a mean over paths that share images? A jackknife over images, with all paths of one together."""

import numpy as np


def ratio_standard_error(
    numerator: np.ndarray, denominator: np.ndarray, first: np.ndarray, second: np.ndarray
) -> float | None:
    """Return the standard error of sum(numerator) / sum(denominator), all (P,), over paths from image to image.

    `first` and `second` (P,) name the two images of each path. The statistic is computed again without one image at a
    time, that is without all paths that use it. A path's own noise is met twice so, once at each end; the jackknife
    over single paths takes it off once: the variance is that over images less that over paths (Aronow, Samii and
    Assenova 2015, "Cluster-robust variance estimation for dyadic data"), and at least that over paths. For paths that
    share no image this is the usual standard error of a mean. None for fewer than two paths, or where one image is in
    all of them.
    """
    _, ends = np.unique(np.concatenate([first, second]), return_inverse=True)
    ends = ends.reshape(2, -1)
    own = np.where(ends[0] == ends[1], 0.5, 1.0)  # a path from an image to itself is one path of that image
    without_image = [
        values.sum() - sum(np.bincount(end, own * values, minlength=ends.max(initial=0) + 1) for end in ends)
        for values in (numerator, denominator)
    ]
    without_path = [values.sum() - values for values in (numerator, denominator)]
    variances = [_jackknife_variance(*without) for without in (without_image, without_path)]
    if variances[0] is None or variances[1] is None:
        return None
    return float(np.sqrt(max(variances[0] - variances[1], variances[1])))


def _jackknife_variance(numerators: np.ndarray, denominators: np.ndarray) -> float | None:
    count = len(numerators)
    if count < 2 or not (denominators > 0).all():
        return None
    values = numerators / denominators
    return (count - 1) / count * float(((values - values.mean()) ** 2).sum())

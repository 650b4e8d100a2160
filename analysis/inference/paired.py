"""Does one network's function vary more than another's? Compared path by path, on the probes that both share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from specbias.measure.standard_error import ratio_standard_error


class Difference(NamedTuple):
    """Second less first: the mean over paths, its standard error (None: undefined), and the number of paths."""

    statistic: float
    standard_error: float | None
    n: int


def paired_difference(
    first: Mapping[str, np.ndarray],
    second: Mapping[str, np.ndarray],
    *,
    kind: str,
    scalar: str = "share",
    both_correct: bool = False,
) -> Difference:
    """Return the mean difference of a path's `scalar` between two measurements, the arrays of their npz files.

    `kind` is within_class or between_class; `scalar` any array of a value per path: share, mirror/share,
    total_variation, ... What the images have in common drops out, so that far smaller differences show than the
    standard errors of the two means suggest. The error resamples images, with all paths of one together. With
    `both_correct`, over the paths whose ends both networks classify correctly: a difference there is not one of
    accuracy. Raises ValueError if the two were not measured on the same paths, or no path is left.
    """
    prefix = f"frequency/{kind}"
    ends = [f"{prefix}/{name}" for name in ("first_image", "second_image", "samples")]
    if not all(np.array_equal(first[name], second[name]) for name in ends):
        raise ValueError(f"{kind}: not measured on the same paths")
    chosen = np.ones(len(first[ends[0]]), dtype=bool)
    if both_correct:
        for arrays in (first, second):
            chosen &= arrays[f"{prefix}/first_correct"] & arrays[f"{prefix}/second_correct"]
    if not chosen.any():
        raise ValueError(f"{kind}: no path has both its ends classified correctly by both networks")
    difference = (second[f"{prefix}/{scalar}"] - first[f"{prefix}/{scalar}"])[chosen]
    images = (first[name][chosen] for name in ends[:2])
    error = ratio_standard_error(difference, np.ones(len(difference)), *images)
    return Difference(float(difference.mean()), error, len(difference))

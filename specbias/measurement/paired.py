"""Does one network's function vary more than another's? Compared path by path, on the probes that both share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from specbias.measurement.alike import refuse_unlike
from specbias.measurement.correction import column
from specbias.measurement.path_values import SCALARS
from specbias.measurement.standard_error import standard_errors

Arrays = Mapping[str, np.ndarray]  # those of a measurement's npz
WEIGHTS = dict(SCALARS.values())  # scalar of a path -> what weighs a path in its mean; None: all paths count the same


class Difference(NamedTuple):
    """Second less first: of the means over paths, its standard error (None: undefined), and the number of paths.

    `degrees` of freedom: one less than the paths, or than the images at their ends where these are fewer.
    """

    statistic: float
    standard_error: float | None
    n: int
    degrees: int = 0

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% interval, by Student's t; None without a standard error."""
        from scipy.stats import t

        if self.standard_error is None:
            return None
        spread = float(t.ppf(0.975, max(self.degrees, 1))) * self.standard_error
        return self.statistic - spread, self.statistic + spread


def paired_difference(
    first: Arrays,
    second: Arrays,
    *,
    kind: str,
    scalar: str = "share",
    both_correct: bool = False,
    classes: tuple[int, int] | None = None,
) -> Difference:
    """Return the difference of the means of a path's `scalar` between two measurements, the arrays of their npz files.

    `kind` is within_class or between_class; `scalar` any array of a value per path: share, fixed_band,
    total_variation, ...; a mean frequency is pooled, as in the record. What the images have in common drops out, so
    that far smaller differences show than the standard errors of the two means suggest. The error resamples images,
    with all paths of one together. With `both_correct`, over the paths whose ends both networks classify correctly: a
    difference there is not one of accuracy; with `classes`, over those between these two. Paths that only one was
    measured on are left out, and those where `scalar` has no value in one; ValueError if no path is left, or they
    measured different signals, or `scalar` above different bands or by different versions of the measure.
    """
    _refuse(first, second, scalar)
    rows = shared_paths(first, second, kind)
    prefix = f"frequency/{kind}"
    if both_correct:
        for arrays, side in ((first, 0), (second, 1)):
            right = arrays[f"{prefix}/first_correct"] & arrays[f"{prefix}/second_correct"]
            rows = rows[right[rows[:, side]]]
    if classes is not None:
        rows = rows[between(first, kind, classes)[rows[:, 0]]]
    sums = [_sums(arrays, kind, scalar)[:, rows[:, side]] for side, arrays in enumerate((first, second))]
    known = np.isfinite(sums).all(axis=(0, 1))
    rows, sums = rows[known], [each[:, known] for each in sums]
    if not len(rows):
        raise ValueError(f"{kind}: no path {'that both get right' if both_correct else 'on which both were measured'}")
    means, influences = zip(*(_mean(*each) for each in sums), strict=True)
    ends = [first[f"{prefix}/{name}"][rows[:, 0]] for name in ("first_image", "second_image")]
    return _difference(means[1] - means[0], influences[1] - influences[0], *ends)


def unpaired_difference(
    first: Arrays, second: Arrays, *, kind: str, scalar: str = "share", classes: tuple[int, int] | None = None
) -> Difference:
    """Return the same difference of measurements on different images, as if they shared none: a wider interval.

    Over all paths of each; `n` and `degrees` are of the smaller measurement. ValueError as of paired_difference.
    """
    _refuse(first, second, scalar)
    found = [mean_over_paths(arrays, kind=kind, scalar=scalar, classes=classes) for arrays in (first, second)]
    errors = [each.standard_error for each in found]
    error = None if errors[0] is None or errors[1] is None else float(np.hypot(errors[0], errors[1]))
    fewest = min(found, key=lambda each: each.degrees)
    return Difference(found[1].statistic - found[0].statistic, error, fewest.n, fewest.degrees)


def mean_over_paths(
    arrays: Arrays, *, kind: str, scalar: str = "share", classes: tuple[int, int] | None = None
) -> Difference:
    """Return the mean of a path's `scalar` in one measurement: its difference from 0. ValueError if no path has one."""
    prefix = f"frequency/{kind}"
    sums = _sums(arrays, kind, scalar)
    chosen = np.isfinite(sums).all(axis=0)
    if classes is not None:
        chosen &= between(arrays, kind, classes)
    rows = np.flatnonzero(chosen)
    if not len(rows):
        raise ValueError(f"{kind}: no path has a {scalar}")
    mean, influences = _mean(*sums[:, rows])
    ends = [arrays[f"{prefix}/{name}"][rows] for name in ("first_image", "second_image")]
    return _difference(mean, influences, *ends)


def shared_paths(first: Arrays, second: Arrays, kind: str) -> np.ndarray:
    """Return the rows (n, 2), in the first and in the second, of the paths that are the same in both.

    The same rows of a split, as many samples, and where it is kept the same distance: images with the same numbers in
    two data sets, or in two spaces, are not the same.
    """
    prefix = f"frequency/{kind}"
    names = [f"{prefix}/{name}" for name in ("first_image", "second_image", "samples")]
    paths = [[tuple(path) for path in np.stack([arrays[name] for name in names], 1)] for arrays in (first, second)]
    place = {path: row for row, path in enumerate(paths[1])}
    rows = [(row, place[path]) for row, path in enumerate(paths[0]) if path in place]
    found = np.array(rows, dtype=int).reshape(-1, 2)
    if all(f"{prefix}/distance" in arrays for arrays in (first, second)):
        one, other = (arrays[f"{prefix}/distance"][found[:, side]] for side, arrays in enumerate((first, second)))
        found = found[np.isclose(one, other, rtol=1e-5)]
    return found


def between(arrays: Arrays, kind: str, classes: tuple[int, int]) -> np.ndarray:
    """Return which paths (P,) run from an image of the first of two classes to one of the second."""
    ends = [arrays[f"frequency/{kind}/{name}"] for name in ("first_class", "second_class")]
    return (ends[0] == classes[0]) & (ends[1] == classes[1])


def _refuse(first: Arrays, second: Arrays, scalar: str) -> None:
    try:
        refuse_unlike(first, second, scalar=scalar)
    except ValueError as refused:
        raise ValueError(f"{scalar}: {refused}") from None


def _sums(arrays: Arrays, kind: str, scalar: str) -> np.ndarray:
    """Return what each path adds to a mean, above the line and below it: (2, P), NaN where it has no value."""
    prefix, weight = f"frequency/{kind}", WEIGHTS.get(scalar)
    above = column(arrays, prefix, scalar, weight=weight).astype(float)
    return np.stack([above, np.ones(len(above)) if weight is None else column(arrays, prefix, weight)])


def _mean(above: np.ndarray, below: np.ndarray) -> tuple[float, np.ndarray]:
    """Return a mean, and what each path (n,) adds to it: its influence."""
    total = below.sum()
    if total <= 0:
        return 0.0, np.zeros(len(above))
    mean = above.sum() / total
    return float(mean), (above - mean * below) / total


def _difference(statistic: float, influences: np.ndarray, first: np.ndarray, second: np.ndarray) -> Difference:
    errors = standard_errors(influences[None], first, second)
    images = len(np.unique(np.concatenate([first, second])))
    error = None if errors is None else float(errors[0])
    return Difference(float(statistic), error, len(influences), min(len(influences), images) - 1)

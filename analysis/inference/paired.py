"""Does one network's function vary more than another's? Compared path by path, on the probes that both share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from analysis.inference.measured_alike import HOW, refuse_unlike
from specbias.measurement.standard_error import ratio_standard_error


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

    `kind` is within_class or between_class; `scalar` any array of a value per path: share, fixed_band,
    total_variation, ... What the images have in common drops out, so that far smaller differences show than the
    standard errors of the two means suggest. The error resamples images, with all paths of one together. With
    `both_correct`, over the paths whose ends both networks classify correctly: a difference there is not one of
    accuracy. Paths that only one was measured on are left out, and those where `scalar` has no value in one;
    ValueError if no path is left, or they measured different signals, or `scalar` above different bands or by
    different versions of the measure.
    """
    try:
        refuse_unlike(first, second, scalar=scalar)
    except ValueError as refused:
        raise ValueError(f"{scalar}: {refused}") from None
    prefix = f"frequency/{kind}"
    names = [f"{prefix}/{name}" for name in ("first_image", "second_image", "samples")]
    paths = [[tuple(path) for path in np.stack([arrays[name] for name in names], 1)] for arrays in (first, second)]
    place = {path: row for row, path in enumerate(paths[1])}
    rows = np.array([(row, place[path]) for row, path in enumerate(paths[0]) if path in place], dtype=int).reshape(
        -1, 2
    )
    if both_correct:
        for arrays, side in ((first, 0), (second, 1)):
            right = arrays[f"{prefix}/first_correct"] & arrays[f"{prefix}/second_correct"]
            rows = rows[right[rows[:, side]]]
    difference = second[f"{prefix}/{scalar}"][rows[:, 1]] - first[f"{prefix}/{scalar}"][rows[:, 0]]
    rows, difference = rows[np.isfinite(difference)], difference[np.isfinite(difference)]
    if not len(rows):
        raise ValueError(f"{kind}: no path {'that both get right' if both_correct else 'on which both were measured'}")
    images = (first[name][rows[:, 0]] for name in names[:2])
    error = ratio_standard_error(difference, np.ones(len(difference)), *images)
    return Difference(float(difference.mean()), error, len(difference))


class RightByAll(NamedTuple):
    """The mean of a scalar per trial over the paths, of a value in all, whose ends every one classifies correctly."""

    means: dict[Hashable, float]
    paths: int
    of: int  # paths that they were measured on
    left_out: list[Hashable]  # trials that were measured on other paths than most


def right_by_all(
    measurements: Iterable[tuple[Hashable, Mapping[str, np.ndarray]]], *, kinds: Sequence[str], scalar: str = "share"
) -> dict[str, RightByAll]:
    """Return, by kind of path, the means of `scalar` over the paths that all trials get right; none where none is.

    `measurements` are (trial, arrays of its npz file), looked at once, one at a time. A trial that errs more has more
    paths with a wrong end, whose frequency is another: over these paths trials are compared on the same images, and at
    the same accuracy, 1. Paths without a value in one are in no mean. A kind that no trial was measured on is left out.
    ValueError where `scalar` of two trials is of different signals, bands or versions of the measure.
    """
    seen: dict[str, list[tuple[Hashable, int, np.ndarray, np.ndarray]]] = {kind: [] for kind in kinds}
    first: tuple[str, dict[str, np.ndarray]] | None = None
    for trial, arrays in measurements:
        own = {f"frequency/{name}": arrays[f"frequency/{name}"] for name in HOW if f"frequency/{name}" in arrays}
        there = [kind for kind in kinds if f"frequency/{kind}/{scalar}" in arrays]
        if there:
            first = first or (str(trial), own)
            refuse_unlike(first[1], own, names=(f"trial {first[0]}", f"trial {trial}"), scalar=scalar)
        for kind in there:
            prefix = f"frequency/{kind}"
            names = (f"{prefix}/{name}" for name in ("first_image", "second_image", "samples"))
            paths = hash(np.stack([arrays[name] for name in names]).astype(np.int64).tobytes())
            right = arrays[f"{prefix}/first_correct"] & arrays[f"{prefix}/second_correct"]
            seen[kind].append((trial, paths, right, arrays[f"{prefix}/{scalar}"]))
    return {kind: _over_common(rows) for kind, rows in seen.items() if rows}


def _over_common(rows: list[tuple[Hashable, int, np.ndarray, np.ndarray]]) -> RightByAll:
    most, _ = Counter(paths for _, paths, _, _ in rows).most_common(1)[0]
    compared = [row for row in rows if row[1] == most]
    everyone = np.logical_and.reduce([right & np.isfinite(values) for _, _, right, values in compared])
    means = {trial: float(values[everyone].mean()) for trial, _, _, values in compared} if everyone.any() else {}
    return RightByAll(means, int(everyone.sum()), len(everyone), [row[0] for row in rows if row[1] != most])

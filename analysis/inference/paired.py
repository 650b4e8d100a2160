"""Does one network's function vary more than another's? Compared path by path, on the probes that both share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
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
    accuracy. Paths that only one was measured on are left out; ValueError if no path is left, or they
    measured different signals.
    """
    signals = [str(arrays["frequency/signal"]) for arrays in (first, second)]
    if signals[0] != signals[1]:
        raise ValueError(f"one is of {signals[0]}, the other of {signals[1]}")
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
    if not len(rows):
        raise ValueError(f"{kind}: no path {'that both get right' if both_correct else 'on which both were measured'}")
    difference = second[f"{prefix}/{scalar}"][rows[:, 1]] - first[f"{prefix}/{scalar}"][rows[:, 0]]
    images = (first[name][rows[:, 0]] for name in names[:2])
    error = ratio_standard_error(difference, np.ones(len(difference)), *images)
    return Difference(float(difference.mean()), error, len(difference))


class RightByAll(NamedTuple):
    """The mean of a scalar per trial over the paths whose ends every one of them classifies correctly."""

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
    the same accuracy, 1. A kind that no trial was measured on is left out.
    """
    seen: dict[str, list[tuple[Hashable, int, np.ndarray, np.ndarray]]] = {kind: [] for kind in kinds}
    for trial, arrays in measurements:
        for kind in kinds:
            prefix = f"frequency/{kind}"
            if f"{prefix}/{scalar}" in arrays:
                names = (f"{prefix}/{name}" for name in ("first_image", "second_image", "samples"))
                paths = hash(np.stack([arrays[name] for name in names]).astype(np.int64).tobytes())
                right = arrays[f"{prefix}/first_correct"] & arrays[f"{prefix}/second_correct"]
                seen[kind].append((trial, paths, right, arrays[f"{prefix}/{scalar}"]))
    return {kind: _over_common(rows) for kind, rows in seen.items() if rows}


def _over_common(rows: list[tuple[Hashable, int, np.ndarray, np.ndarray]]) -> RightByAll:
    most, _ = Counter(paths for _, paths, _, _ in rows).most_common(1)[0]
    compared = [row for row in rows if row[1] == most]
    everyone = np.logical_and.reduce([right for _, _, right, _ in compared])
    means = {trial: float(values[everyone].mean()) for trial, _, _, values in compared} if everyone.any() else {}
    return RightByAll(means, int(everyone.sum()), len(everyone), [row[0] for row in rows if row[1] != most])

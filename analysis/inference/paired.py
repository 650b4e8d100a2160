"""How do trials compare on the paths whose ends all of them classify correctly? Their means over these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from specbias.measurement.alike import HOW, refuse_unlike
from specbias.measurement.correction import column


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
            seen[kind].append((trial, paths, right, column(arrays, prefix, scalar)))
    return {kind: _over_common(rows) for kind, rows in seen.items() if rows}


def _over_common(rows: list[tuple[Hashable, int, np.ndarray, np.ndarray]]) -> RightByAll:
    most, _ = Counter(paths for _, paths, _, _ in rows).most_common(1)[0]
    compared = [row for row in rows if row[1] == most]
    everyone = np.logical_and.reduce([right & np.isfinite(values) for _, _, right, values in compared])
    means = {trial: float(values[everyone].mean()) for trial, _, _, values in compared} if everyone.any() else {}
    return RightByAll(means, int(everyone.sum()), len(everyone), [row[0] for row in rows if row[1] != most])

"""May the values of two measurements be compared? Only those of one signal, one measure and one band."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

UNCHANGED = ("share", "mean_frequency", "total_variation", "amplitude")  # the same in all versions of the measure
HOW = {"signal": "signal", "band": "band above", "measure_version": "measure's version"}  # one for all paths


def refuse_unlike(
    first: Mapping[str, np.ndarray],
    second: Mapping[str, np.ndarray],
    *,
    names: tuple[object, object] = ("the first", "the second"),
    scalar: str | None = None,
) -> None:
    """Raise ValueError, with what differs, unless two measurements, arrays of their npz files, are alike.

    With a `scalar`, in what that depends on: the band for shares above it, the version for what is not in UNCHANGED.
    """
    banded = scalar is None or scalar.endswith("fixed_band")
    for name, arrays in zip(names, (first, second), strict=True):
        if banded and int(arrays.get("frequency/measure_version", 1)) > 1 and "frequency/band" not in arrays:
            raise ValueError(f"{name} was measured before the band was kept: measure again")
    unknown = {"measure_version": "1"}  # what it is where the arrays lack it
    ignored = {"band": not banded, "measure_version": scalar in UNCHANGED}
    for key, what in HOW.items():
        one, other = (str(arrays.get(f"frequency/{key}", unknown.get(key, "not known"))) for arrays in (first, second))
        if one != other and not ignored.get(key):
            raise ValueError(f"{names[0]} is of the {what} {one}, {names[1]} of the {what} {other}")

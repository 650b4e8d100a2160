"""What does a study's analysis take and give? Trials with their settings and arrays in; claims and figures out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.inference.rows import setting_text
from analysis.tables.table import RecordError

BY_RUN = {  # arrays that have the runs first, beside curves
    *("targets", "majority_share", "noised_spectrum", "pure_spectrum"),  # targets where they are (runs, N)
    *("ratio", "map", "neighbour_maps", "radial_spectrum", "neighbour_radial_spectrum"),
    *("held_out_accuracy", "neighbour_accuracy"),
}


class StudyError(RecordError):
    """These trials cannot be analysed: one line that says what is missing or does not fit."""


@dataclass(frozen=True)
class Trial:
    """A finished trial: the batch of its runs."""

    label: str
    settings: dict[str, Any]
    arrays: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        """Return an array; StudyError where the trial has none of that name."""
        if name not in self.arrays:
            raise StudyError(f"trial {self.label!r} has no array {name!r}; it has: {', '.join(sorted(self.arrays))}")
        return self.arrays[name]

    def is_by_run(self, name: str) -> bool:
        """Say whether an array has the runs first: a curve (runs, points, ...), or one of BY_RUN."""
        array = self[name]
        points = [len(self.arrays[axis]) for axis in ("steps", "measured_steps") if axis in self.arrays]
        if name == "targets":
            return array.ndim == 2
        return name in BY_RUN or (name != "inputs" and array.ndim >= 2 and array.shape[1] in points)

    def setting(self, name: str) -> Any:
        """Return a setting; StudyError where the trial has none of that name."""
        if name not in self.settings:
            raise StudyError(f"trial {self.label!r} has no setting {name!r}")
        return self.settings[name]


def by_settings(trials: list[Trial], *names: str) -> dict[Any, Trial]:
    """Return the trials by these settings, in their order, None first; trials that differ in the seed are one.

    The keys are values where one name is given, else tuples; values that differ by rounding are the first of them.
    StudyError if trials of one key differ in anything else.
    """
    found: dict[tuple, Trial] = {}
    keys: dict[tuple, tuple] = {}  # by the texts of their values
    for trial in trials:
        values = tuple(trial.setting(name) for name in names)
        key = keys.setdefault(tuple(map(setting_text, values)), values)
        found[key] = _together(found[key], trial) if key in found else trial
    ordered = sorted(found, key=lambda key: [(value is not None, value) for value in key])
    return {key[0] if len(names) == 1 else key: found[key] for key in ordered}


def _together(first: Trial, second: Trial) -> Trial:
    """Return the runs of both trials as one's; what is not by run is the first's."""
    ignored = {"seed", "threads", "device"}
    texts, others = ({k: setting_text(v) for k, v in trial.settings.items()} for trial in (first, second))
    differ = [k for k in texts if k not in ignored and texts[k] != others.get(k)]
    if differ:
        raise StudyError(f"trials {first.label!r} and {second.label!r} also differ in {', '.join(differ)}")
    arrays = {
        name: np.concatenate([array, second[name]]) if first.is_by_run(name) else array
        for name, array in first.arrays.items()
    }
    return Trial(first.label, first.settings, arrays)


def as_columns(rows: list[tuple]) -> str:
    """Return rows of cells, the first a name, as aligned text; numbers with two decimals."""
    texts = [[cell if isinstance(cell, str) else f"{cell:.2f}" for cell in row] for row in rows]
    first, *others = (max(map(len, column)) for column in zip(*texts, strict=True))
    return "\n".join(
        "  " + name.ljust(first) + "".join(f"  {cell:>{width}}" for cell, width in zip(cells, others, strict=True))
        for name, *cells in texts
    )

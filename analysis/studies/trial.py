"""What does a study's analysis take and give? Trials with their settings and arrays in; claims and figures out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analysis.inference.claim import Claim

SHARED = {"steps", "measured_steps", "frequencies", "amplitudes", "inputs", "deltas", "neighbours"}  # not by run


class StudyError(ValueError):
    """These trials cannot be analysed: one line that says what is missing or does not fit."""


@dataclass(frozen=True)
class Trial:
    """A finished trial: the batch of its runs."""

    label: str
    settings: dict[str, Any]
    arrays: dict[str, np.ndarray]  # (runs, ...), but those SHARED

    def __getitem__(self, name: str) -> np.ndarray:
        """Return an array; StudyError where the trial has none of that name."""
        if name not in self.arrays:
            raise StudyError(f"trial {self.label!r} has no array {name!r}; it has: {', '.join(sorted(self.arrays))}")
        return self.arrays[name]

    def setting(self, name: str) -> Any:
        """Return a setting; StudyError where the trial has none of that name."""
        if name not in self.settings:
            raise StudyError(f"trial {self.label!r} has no setting {name!r}")
        return self.settings[name]


@dataclass
class Findings:
    """What a study found."""

    claims: list[Claim] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)  # name of the file -> matplotlib's figure
    tables: list[str] = field(default_factory=list)  # for people
    numbers: dict[str, Any] = field(default_factory=dict)  # for JSON


def by_settings(trials: list[Trial], *names: str) -> dict[Any, Trial]:
    """Return the trials by these settings, in their order; trials that differ in the seed alone are put together.

    The keys are values where one name is given, else tuples. StudyError if trials of one key differ in anything else.
    """
    found: dict[Any, Trial] = {}
    for trial in trials:
        values = tuple(trial.setting(name) for name in names)
        key = values if len(names) > 1 else values[0]
        found[key] = _together(found[key], trial) if key in found else trial
    return dict(sorted(found.items()))


def _together(first: Trial, second: Trial) -> Trial:
    ignored = {"seed", "threads", "device"}
    differ = [k for k in first.settings if k not in ignored and first.settings[k] != second.settings.get(k)]
    if differ:
        raise StudyError(f"trials {first.label!r} and {second.label!r} also differ in {', '.join(differ)}")
    arrays = {
        name: array if name in SHARED else np.concatenate([array, second[name]]) for name, array in first.arrays.items()
    }
    return Trial(first.label, first.settings, arrays)


def plain(values: np.ndarray) -> list:
    """Return an array for JSON, which has no NaN and no infinity: those are None."""
    return [plain(v) if np.ndim(v) else float(v) if math.isfinite(v) else None for v in np.asarray(values)]

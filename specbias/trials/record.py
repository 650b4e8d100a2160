"""What is in a record of a trial? The columns of a row, and the tags of a run in MLflow.

Who writes records and who reads them takes the names from here. A record is a row: a trial at a step. It has where it
is from, the step, every setting and every metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Origin(NamedTuple):
    """Where a row is from: the first columns of it."""

    sweep_id: str
    trial_id: str
    run_id: str  # in MLflow
    label: str  # of the trial, for people
    study: str
    intervention: str  # the one setting that differs from the baseline, a name that the study gave, or "baseline"
    search: str  # how the sweep's trials were chosen


STEP = "epoch"  # the column of a measurement's step, whether that is an epoch, an update or the number of a class
FIXED = (*Origin._fields, STEP)
KEYS = ("trial_id", STEP)  # no two rows have both alike
TEXTS = ("label", "study", "intervention", "search")
STOPS = ("stop_accuracy", "stop_loss")  # the settings whose levels end a training before its `epochs`; 0: it has none
TRAINING = "training"  # the `part` of a study that a trial without one is
WITHOUT_SLASH = {"jacobian_norm"}  # the one metric whose name has none


def make_row(origin: Origin, step: int, settings: Mapping[str, Any], metrics: Mapping[str, float]) -> dict[str, Any]:
    """Return a record: one flat dict from column to value."""
    return {**origin._asdict(), STEP: step, **settings, **metrics}


def is_text(name: str) -> bool:
    """Tell whether a column's cells are text, even where they look like numbers."""
    return name in TEXTS or name.endswith("_id")


def is_metric(name: str) -> bool:
    """Tell whether a column is a metric, and no setting."""
    return "/" in name or name in WITHOUT_SLASH


class Tag:
    """The tags in MLflow that carry meaning here: of a sweep's run, of a trial's, or of both."""

    SWEEP_ID = "specbias.sweep_id"
    STUDY = "specbias.study"
    SEARCH = "specbias.search"
    COMMAND_LINE = "specbias.command_line"
    FRESH = "specbias.fresh"  # what other sweeps have finished is not reused
    OPENED = "specbias.opened"  # when a driver last took the sweep up
    DRIVER = "specbias.driver"  # which driver that was; of an experiment, with a sweep's id after a dot: who makes it
    JOURNALS = "specbias.journals"  # the folder of the sweep's journals
    TRIALS = "specbias.trials_page"  # where MLflow's pages show the trials

    TRIAL_ID = "specbias.trial_id"
    INTERVENTION = "specbias.intervention"
    SUGGESTION = "specbias.suggestion"  # what a search chose the trial by, as JSON
    ATTEMPTS = "specbias.attempts"
    OUTCOME = "specbias.outcome"
    FAILURE = "specbias.failure"
    CODE = "specbias.code"  # the identity of the code that made it
    GIT_DIRTY = "specbias.git_dirty"

"""Under which settings was a trial, its repeats with other seeds alike? Names for people, relative to the baseline."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from analysis.table import Records

BASELINE = "baseline"


class Change(NamedTuple):
    """A setting's value, and the baseline's; None where there is no baseline."""

    value: object
    baseline: object


Changes = dict[str, Change]  # by the setting's name


def changes(records: Records, *, without: tuple[str, ...] = ()) -> dict[str, Changes]:
    """Return trial_id -> the settings in which it differs from the baseline.

    The baseline is the sweep's first trial called so; a sweep without one has no reference, and each trial gets every
    setting that varies. `without` are settings that do not count.
    """
    last, names = records.last, [name for name in records.varied if name not in without]
    reference = last[last["intervention"] == BASELINE]
    known = reference.iloc[0] if len(reference) else None
    return {
        row["trial_id"]: {
            name: Change(row[name], None if known is None else known[name])
            for name in names
            if known is None or str(row[name]) != str(known[name])
        }
        for _, row in last.iterrows()
    }


def setting_names(records: Records, *, without: tuple[str, ...] = ()) -> dict[str, str]:
    """Return trial_id -> what it changes in words, the baseline's name where that is nothing."""
    return {trial_id: setting_name(changed) for trial_id, changed in changes(records, without=without).items()}


def setting_name(changed: Changes) -> str:
    return ", ".join(f"{name}={_said(change.value)}" for name, change in changed.items()) or BASELINE


def data_and_model(records: Records) -> str:
    """Return the data sets and models of the trials, for a caption."""
    return f"data set {records.said('dataset')}, model {records.said('model')}"


def seeds_of(records: Records) -> pd.Series:
    """Return trial_id -> seed; where the records have none, trials of equal settings are numbered in their order."""
    last, units = records.last, records.units
    known = "seed" in last and last["seed"].notna().all()
    return (last["seed"] if known else units.groupby(units).cumcount()).set_axis(last["trial_id"])


def _said(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

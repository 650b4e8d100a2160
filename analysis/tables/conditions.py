"""Which settings does a trial change from the baseline? A name for that, the same for repeats with other seeds."""

from __future__ import annotations

import re
from typing import NamedTuple

import pandas as pd

from analysis.inference.rows import setting_text
from analysis.tables.table import Records

BASELINE = "baseline"
FILES = ("weights", "checkpoint")  # settings that say which file a network's weights are from
HASH = r"(:\w+)#[0-9a-f]{12}"  # of the file that a network of one's own is defined in


class Change(NamedTuple):
    """A setting's value, and the baseline's; None where there is no baseline."""

    value: object
    baseline: object


Changes = dict[str, Change]  # by the setting's name


def changes(records: Records, *, without: tuple[str, ...] = ()) -> dict[str, Changes]:
    """Return trial_id -> the settings in which it differs from the baseline.

    The baseline is the first trial of that name in the sweep. In a sweep without one, or of several settings that are
    all called so, as of a list of networks, each trial gets every setting that varies. Settings in `without` are
    ignored.
    """
    last, names = records.last, [name for name in records.varied if name not in without]
    reference = last[last["intervention"] == BASELINE]
    known = reference.iloc[0] if 0 < len(reference) < len(last) else None
    return {
        row["trial_id"]: {
            name: Change(row[name], None if known is None else known[name])
            for name in names
            if known is None or setting_text(row[name]) != setting_text(known[name])
        }
        for _, row in last.iterrows()
    }


def setting_names(records: Records, *, without: tuple[str, ...] = ()) -> dict[str, str]:
    """Return trial_id -> the settings that it changes, as text; "baseline" where it changes none.

    Files of weights, and hashes of files, are in it only where nothing else tells trials apart.
    """
    changed = changes(records, without=without)
    for file in FILES:
        fewer = {trial_id: {n: each for n, each in own.items() if n != file} for trial_id, own in changed.items()}
        if _distinct(fewer) == _distinct(changed):
            changed = fewer
    names = {trial_id: setting_name(own) for trial_id, own in changed.items()}
    plain = {trial_id: re.sub(HASH, r"\1", name) for trial_id, name in names.items()}
    return plain if len({*plain.values()}) == len({*names.values()}) else names


def _distinct(changed: dict[str, Changes]) -> int:
    return len({setting_name(each) for each in changed.values()})


def setting_name(changed: Changes) -> str:
    return ", ".join(f"{name}={setting_text(change.value)}" for name, change in changed.items()) or BASELINE


def data_and_model(records: Records) -> str:
    """Return the data sets and models of the trials, for a caption."""
    return f"data set {records.values_of('dataset')}, model {records.values_of('model')}"


def seeds_of(records: Records) -> pd.Series:
    """Return trial_id -> seed; where the records have none, trials of equal settings are numbered in their order."""
    last, units = records.last, records.units
    known = "seed" in last and last["seed"].notna().all()
    return (last["seed"] if known else units.groupby(units).cumcount()).set_axis(last["trial_id"])

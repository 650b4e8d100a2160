"""What is a table of records? A row per trial and epoch, with a count of what was left out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from analysis.inference.rows import equate, setting_text
from specbias.settings.masking import Refusal
from specbias.trials.record import FIXED, STEP, TRAINING, is_metric

DIFFERENCES = {"generalization/gap": 1.0}  # metrics that are differences, with the size of what they are made from
MEASURE = "measure_version"  # the setting's column; records without it are of version 1
FOLLOWING = ("seed", "measurement_epochs", "teacher", MEASURE)  # what makes a repeat, or follows from other settings
UNSELECTED = ("grid", "random", "list")  # ways to choose trials that do not look at what they give
VIEW = "?workflowType=machine_learning"  # and not the one for language models, which MLflow 3 may open


class RecordError(Refusal):
    """Records that do not exist, or cannot be analysed; the message is one line with the reason, and what there is."""


@dataclass(frozen=True)
class Records:
    """The finished trials of one sweep: a row per (trial, epoch), what was left out, and where it is from.

    Columns of `table`: FIXED, every setting under its own name, every metric. `intervention` is the one setting that
    differs from the sweep's baseline, a name that the study gave, "several settings", or "baseline".
    """

    table: pd.DataFrame
    left_out: dict[str, int]  # why not -> number of the sweep's trials without a place in the table
    source: str  # for people: the experiment or the file
    uri: str | None = None  # MLflow's store; None: a file, which takes no results
    parent_run_id: str | None = None  # to attach results to
    other_sweeps: list[str] = field(default_factory=list)  # in the same experiment
    trials: list[dict] = field(default_factory=list)  # of all, also those left out: trial_id, label, outcome, failure
    about: dict[str, str] = field(default_factory=dict)  # tags and settings of the parent run
    take_selected: bool = False  # analyse a selected sample all the same
    arrays: Path | None = None  # of a file: where its arrays are, if they were exported too
    defaulted: tuple[str, ...] = ()  # settings that some trials have no value of, which have the default there

    @property
    def sweep_id(self) -> str:
        return ", ".join(dict.fromkeys(self.table["sweep_id"]))

    @property
    def study(self) -> str:
        return ", ".join(dict.fromkeys(self.table["study"]))

    @property
    def metrics(self) -> list[str]:
        """The columns that are metrics."""
        return [name for name in self.table.columns if is_metric(name)]

    @property
    def settings(self) -> list[str]:
        """The columns that are settings of the trials."""
        return [name for name in self.table.columns if name not in FIXED and not is_metric(name)]

    @cached_property
    def last(self) -> pd.DataFrame:
        """A row per trial, its last epoch, in the sweep's order."""
        return self.table.sort_values(STEP, kind="stable").groupby("trial_id", sort=False).tail(1).sort_index()

    @cached_property
    def texts(self) -> pd.DataFrame:
        """A row per trial, its settings as text (`setting_text`), but for FOLLOWING and identities."""
        names = [name for name in self.settings if name not in FOLLOWING and not name.endswith("_id")]
        return self.last[names].map(setting_text)

    @property
    def varied(self) -> list[str]:
        """The settings that trials differ in, without FOLLOWING."""
        return [name for name in self.texts if self.texts[name].nunique() > 1]

    @property
    def units(self) -> pd.Series:
        """The number of each last row's unit, a trial with its repeats under other seeds, by the row's index."""
        names = [*self.texts]
        return self.texts.groupby(names, sort=False).ngroup() if names else self.last[STEP] * 0

    def of_part(self, part: str) -> Records:
        """Return the trials of one part of a study that has several, else all; RecordError where none is.

        Metrics that only the other parts have are no columns of it: a row of these may be a class and no epoch.
        """
        if "part" not in self.table:
            return self
        table = self.table[self.table["part"].fillna(TRAINING) == part]
        if table.empty:
            there = ", ".join(map(str, self.table["part"].fillna(TRAINING).unique()))
            raise RecordError(
                f"the finished trials of {self.source} are part={there}; this takes part={part}: run those of the sweep"
            )
        others = [name for name in self.metrics if table[name].isna().all()]
        return replace(self, table=table.drop(columns=others))

    @property
    def measure_versions(self) -> pd.Series:
        """By which version of the measure each row's paths were measured, by index; rows without paths have none."""
        paths = [name for name in self.metrics if name.startswith("frequency/")]
        measured = self.table[paths].notna().any(axis="columns")
        column = self.table.get(MEASURE, pd.Series(1, self.table.index))
        return pd.to_numeric(column, errors="coerce").fillna(1).astype(int)[measured]

    def of_one_measure(self, version: int | None) -> Records:
        """Return the records whose paths were measured by one version of the measure; RecordError if there are more.

        Their shares are of other definitions. With a `version` the trials of the others are left out, and counted.
        """
        versions = self.measure_versions
        there = sorted(versions.unique())
        if version is None and len(there) > 1:
            said = " and ".join(map(str, there))
            raise RecordError(
                f"{self.source} holds paths measured by versions {said} of the measure, which are not to be compared: "
                f"choose one by --measure-version, or run the sweep again for all by version {there[-1]}"
            )
        if version is None or there == [version]:
            return self
        if version not in there:
            said = ", ".join(map(str, there)) or "none"
            raise RecordError(f"{self.source} holds no paths of version {version} of the measure; there are: {said}")
        others = self.table["trial_id"].isin(self.table.loc[versions[versions != version].index, "trial_id"])
        count = self.table.loc[others, "trial_id"].nunique()
        table = self.table[~others].reset_index(drop=True)
        return replace(self, table=table, left_out=self.left_out | {"measured by another version": count})

    def url(self, run_id: str) -> str:
        """Return where MLflow shows a run: on its server, or where `mlflow ui` serves a data base by default."""
        server = self.uri if self.uri and self.uri.startswith("http") else "http://127.0.0.1:5000"
        server = re.sub("//.*@", "//", server)  # a link holds no password
        return f"{server.rstrip('/')}/#/experiments/{self.about.get('experiment_id', '0')}/runs/{run_id}{VIEW}"

    def values_of(self, setting: str) -> str:
        """Return the values of a setting as text, "not known" where the records have none."""
        return ", ".join(self.texts[setting].unique()) if setting in self.texts else "not known"

    def need(self, *metrics: str) -> None:
        """Raise RecordError if a metric is missing, or has no value in any trial."""
        missing = [name for name in metrics if name not in self.table or self.table[name].isna().all()]
        if missing:
            raise RecordError(f"the trials of {self.source} have no {', '.join(missing)}")

    def refuse_selected(self) -> None:
        """Raise RecordError if trials were chosen, or stopped, by how well they did.

        A search crowds the good trials and a scheduler stops the poor ones: a relation over what is left is one over a
        selected sample, whose sign may be another than over all.
        """
        if self.take_selected:
            return
        searches = [name for name in dict.fromkeys(self.table["search"]) if name]
        chosen = [name for name in searches if name not in UNSELECTED]
        stopped = self.left_out.get("stopped early", 0)
        why = [f"its trials were chosen by {' and '.join(chosen)}"] if chosen else []
        why += [f"{stopped} of its trials were stopped early"] if stopped else []
        if why:
            raise RecordError(
                f"{self.source} is a selected sample ({'; '.join(why)}): a relation fitted to it is not that of all"
                " trials; take a grid or random sweep, or say --selected to see it all the same"
            )


def normal(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its columns in order, numbers as numbers, settings that are None as None.

    Of DIFFERENCES those are one that differ by no more than the rounding of what they were made from.
    """
    metrics = sorted(name for name in table.columns if is_metric(name))
    settings = [name for name in table.columns if name not in FIXED and not is_metric(name)]
    table = table[[*FIXED, *settings, *metrics]].reset_index(drop=True)
    for name in metrics:
        numbers = pd.to_numeric(table[name], errors="coerce")
        words = table[name][numbers.isna() & table[name].notna()]
        if len(words):
            raise RecordError(f"{name} is no number: {words.iloc[0]!r}")
        table[name] = numbers.astype(float)
        if name in DIFFERENCES:
            table[name] = equate(table[name].to_numpy(), size=DIFFERENCES[name])
    return table

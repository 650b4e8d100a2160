"""What is a table of records? A row per trial and epoch; read from a file, or written to one."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from specbias.masking import Refusal

FIXED = ("sweep_id", "trial_id", "run_id", "label", "study", "intervention", "search", "epoch")
LEFT_OUT = "left_out"  # column of a file: the trials of the sweep that have no row
FOLLOWING = ("seed", "measurement_epochs", "teacher")  # what makes a repeat, or follows from other settings
UNSELECTED = ("grid", "random", "list")  # ways to choose trials that do not look at what they give
WITHOUT_SLASH = {"jacobian_norm"}  # the one metric whose name has none


class RecordError(Refusal):
    """The records asked for are not there, or cannot be analysed so: one line that says why, and what there is."""


@dataclass(frozen=True)
class Records:
    """The finished trials of one sweep: a row per (trial, epoch), what was left out, and where it is from.

    Columns of `table`: FIXED, every setting under its own name, every metric. `intervention` is the one setting that
    differs from the sweep's baseline, a name that the study gave, "several settings", or "baseline".
    """

    table: pd.DataFrame
    left_out: dict[str, int]  # why not -> number of the sweep's trials without a place in the table
    source: str  # for people: the experiment or the file
    uri: str | None = None  # MLflow's store; None: a file, which has no arrays and takes no results
    parent_run_id: str | None = None  # to attach results to
    other_sweeps: list[str] = field(default_factory=list)  # in the same experiment
    trials: list[dict] = field(default_factory=list)  # of all, also those left out: trial_id, label, outcome, failure
    about: dict[str, str] = field(default_factory=dict)  # tags and settings of the parent run
    take_selected: bool = False  # analyse a selected sample all the same

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
        return self.table.sort_values("epoch", kind="stable").groupby("trial_id", sort=False).tail(1).sort_index()

    @cached_property
    def texts(self) -> pd.DataFrame:
        """A row per trial, its settings as text, but for FOLLOWING and identities."""
        names = [name for name in self.settings if name not in FOLLOWING and not name.endswith("_id")]
        return self.last[names].map(str)

    @property
    def varied(self) -> list[str]:
        """The settings that trials differ in, without FOLLOWING."""
        return [name for name in self.texts if self.texts[name].nunique() > 1]

    @property
    def units(self) -> pd.Series:
        """The number of each last row's unit, a trial with its repeats under other seeds, by the row's index."""
        names = [*self.texts]
        return self.texts.groupby(names, sort=False).ngroup() if names else self.last["epoch"] * 0

    def of_part(self, part: str) -> Records:
        """Return the trials of one part of a study that has several, else all; RecordError where none is.

        Metrics that only the other parts have are no columns of it: a row of these may be a class and no epoch.
        """
        if "part" not in self.table:
            return self
        table = self.table[self.table["part"] == part]
        if table.empty:
            there = ", ".join(map(str, self.table["part"].unique()))
            raise RecordError(
                f"the finished trials of {self.source} are part={there}; this takes part={part}: run those of the sweep"
            )
        others = [name for name in self.metrics if table[name].isna().all()]
        return replace(self, table=table.drop(columns=others))

    def url(self, run_id: str) -> str:
        """Return where MLflow shows a run: on its server, or where `mlflow ui` serves a data base by default."""
        server = self.uri if self.uri and self.uri.startswith("http") else "http://127.0.0.1:5000"
        server = re.sub("//.*@", "//", server)  # a link holds no password
        return f"{server.rstrip('/')}/#/experiments/{self.about.get('experiment_id', '0')}/runs/{run_id}"

    def said(self, setting: str) -> str:
        """Return a setting's values for people: those there are, or that it is not said."""
        return ", ".join(self.texts[setting].unique()) if setting in self.texts else "not said"

    def need(self, *metrics: str) -> None:
        """Raise RecordError if a metric is missing, or has no value in any trial."""
        missing = [name for name in metrics if name not in self.table or self.table[name].isna().all()]
        if missing:
            raise RecordError(f"the trials of {self.source} have no {', '.join(missing)}")

    def refuse_selected(self) -> None:
        """Raise RecordError if the trials were chosen, or ended, by how well they did.

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


def is_metric(name: str) -> bool:
    return "/" in name or name in WITHOUT_SLASH


def read_records(file: Path, study: str | None = None) -> Records:
    """Read a file that analysis/export.py, or a study run in blocks, wrote: at least trial_id, epoch and metrics.

    Columns that a file does not have: `label` is the trial_id, the others are empty. Of a file with the trials of
    several studies one is read, and named. Raises RecordError.
    """
    try:
        table = pd.read_csv(file, keep_default_na=False, na_values=["", "nan"], dtype=_texts(file), low_memory=False)
        missing = [name for name in ("trial_id", "epoch") if name not in table]
        if missing:
            raise RecordError(f"{file}: no column {', '.join(missing)}; a row of records is a trial at an epoch")
        if table.empty:
            raise RecordError(f"{file}: no rows")
        for name in FIXED:
            empty = table["trial_id"] if name == "label" else ""
            table[name] = table[name].fillna(empty) if name in table else empty
        table = _of_study(table, study, file)
        for name in table.columns:
            if not is_metric(name) and name not in FIXED and not pd.api.types.is_numeric_dtype(table[name]):
                cells = [text if pd.isna(text) or name.endswith("_id") else value_of(text) for text in table[name]]
                table[name] = pd.Series(cells, table.index, dtype=object if None in cells else None)
        epochs = pd.to_numeric(table["epoch"], errors="coerce")
        if table["trial_id"].eq("").any() or not (epochs % 1 == 0).all():
            raise RecordError(f"{file}: every row needs a trial_id and a whole epoch")
        if twice := int(table.duplicated(["trial_id", "epoch"]).sum()):
            raise RecordError(f"{file}: {twice} of {len(table)} rows repeat a trial_id and epoch")
        said = table.pop(LEFT_OUT).dropna().unique() if LEFT_OUT in table else []
        return Records(normal(table.assign(epoch=epochs.astype(int))), _counted(said), str(file))
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise RecordError(f"{file}: {str(error).splitlines()[0]}") from None


def _of_study(table: pd.DataFrame, study: str | None, file: Path) -> pd.DataFrame:
    """Return the rows of a study, all of a file with one; columns in which only the other studies have a value go."""
    there = [name for name in table["study"].unique() if name]
    if study is None and len(there) > 1:
        raise RecordError(f"{file} holds trials of {', '.join(there)}: choose one by --study")
    if study is None:
        return table
    if study not in there:
        raise RecordError(f"{file} holds trials of {', '.join(there) or 'no named study'}, none of {study!r}")
    return table[table["study"] == study].dropna(axis="columns", how="all")


def write_records(records: Records, file: Path) -> None:
    """Write the table as CSV, every value so that `read_records` reads it back; what was left out is in every row."""
    table = records.table.copy()
    for name in records.settings:
        if table[name].dtype == object:
            table[name] = table[name].map(str)
    if records.left_out:
        table[LEFT_OUT] = ", ".join(f"{count} {why}" for why, count in records.left_out.items())
    table.to_csv(file, index=False)


def _counted(said: Iterable[str]) -> dict[str, int]:
    """Return why -> number of what the rows of a file say was left out, as "3 stopped early, 1 failed"."""
    found = Counter[str]()
    for text in said:
        for part in text.split(", "):
            count, _, why = part.partition(" ")
            found[why] += int(count) if count.isdigit() else 0
    return dict(found)


def normal(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its columns in order, numbers as numbers, settings that are None as None."""
    metrics = sorted(name for name in table.columns if is_metric(name))
    settings = [name for name in table.columns if name not in FIXED and not is_metric(name)]
    table = table[[*FIXED, *settings, *metrics]].reset_index(drop=True)
    for name in metrics:
        numbers = pd.to_numeric(table[name], errors="coerce")
        words = table[name][numbers.isna() & table[name].notna()]
        if len(words):
            raise RecordError(f"{name} is no number: {words.iloc[0]!r}")
        table[name] = numbers.astype(float)
    return table


def value_of(text: str) -> object:
    """Return what a setting's text says: a number, bool, None or list, else the text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _texts(file: Path) -> dict[str, type]:
    """Return the columns that are text whatever they look like: identities and names."""
    header = pd.read_csv(file, nrows=0).columns
    return {name: str for name in header if name.endswith("_id") or name in ("label", "study", "intervention")}

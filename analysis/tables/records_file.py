"""How are records read from a file, and written to one? As CSV, without trials that are incomplete."""

from __future__ import annotations

import ast
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from analysis.tables.older_trials import with_new_settings
from analysis.tables.table import RecordError, Records, normal
from specbias.trials.record import FIXED, KEYS, STEP, STOPS, TRAINING, is_metric, is_text

LEFT_OUT = "left_out"  # column of a file: the trials of the sweep that have no row
CUT_OFF, UNFINISHED = "cut off by the end of the file", "without the row of their last epoch"  # why trials are left out
DECIMAL_COMMA = r"-?\d+,\d+(?:[eE][-+]?\d+)?"


def read_records(file: Path, study: str | None = None) -> Records:
    """Read a file that analysis/export.py, or a study run in blocks, wrote: at least trial_id, epoch and metrics.

    Columns that a file does not have: `label` is the trial_id, the others are empty. Of a file with the trials of
    several studies one is read, and named. Values may be separated by semicolons or tabs, with decimal commas, as
    spreadsheets write them. A last line without its end is left out with its trial, and so is a trial in training whose
    last row is before its `epochs`, unless it has a level to stop at (`stop_accuracy`, `stop_loss`): that is whole
    wherever its last row is, as a study writes all rows of a trial or none. Both are counted in `left_out`. Raises
    RecordError.
    """
    try:
        table, cut = _parsed(file)
        missing = [name for name in KEYS if name not in table]
        if missing:
            raise RecordError(f"{file}: no column {', '.join(missing)}; a row of records is a trial at an epoch")
        table = table[table["trial_id"] != cut]
        if table.empty:
            raise RecordError(f"{file}: no rows" + (f" but of a trial {CUT_OFF}" if cut else ""))
        for name in FIXED:
            empty = table["trial_id"] if name == "label" else ""
            table[name] = table[name].fillna(empty) if name in table else empty
        table = _of_study(table, study, file)
        for name in table.select_dtypes(exclude=["number", "bool"]):
            if not is_metric(name) and name not in (*FIXED, LEFT_OUT):
                cells = [text if pd.isna(text) or is_text(name) else value_of(text) for text in table[name]]
                table[name] = pd.Series(cells, table.index, dtype=object if None in cells else None)
        epochs = pd.to_numeric(table[STEP], errors="coerce")
        if table["trial_id"].eq("").any() or not (epochs % 1 == 0).all():
            raise RecordError(f"{file}: every row needs a trial_id and a whole epoch")
        if twice := int(table.duplicated([*KEYS]).sum()):
            raise RecordError(f"{file}: {twice} of {len(table)} rows repeat a trial_id and epoch")
        left_out = _counted(table.pop(LEFT_OUT).dropna().unique() if LEFT_OUT in table else [])
        left_out |= {CUT_OFF: 1} if cut else {}
        table = normal(table.assign(**{STEP: epochs.astype(int)}))
        return with_new_settings(_whole_trials(Records(table, left_out, str(file), arrays=file.with_suffix(".npz"))))
    except (OSError, UnicodeDecodeError, csv.Error, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise RecordError(f"{file}: {str(error).splitlines()[0]}") from None


def _parsed(file: Path) -> tuple[pd.DataFrame, str]:
    """Return the whole lines of a file as a table, and the trial of a last line without its end, "" where it has one.

    A line too short to have a trial_id belongs to the trial before it. RecordError for a value beyond the last named
    column; empty cells there, as of separators at the end of lines, are nothing.
    """
    whole, _, torn = file.read_bytes().decode("utf-8-sig").rpartition("\n")
    header = whole.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    numbers = re.compile(f"(?m)(?:^|{separator}){DECIMAL_COMMA}(?:{separator}|\r?$)")
    decimal = "," if separator != "," and numbers.search(whole) else "."
    names = next(csv.reader([header], delimiter=separator), [])
    while names and not names[-1].strip():
        names.pop()
    lines = csv.reader(io.StringIO(whole, newline=""), delimiter=separator)
    if long := next((lines.line_num for line in lines if any(map(str.strip, line[len(names) :]))), 0):
        raise RecordError(f"{file}: line {long} has a value beyond the last of {len(names)} columns; mend it")
    texts = {name: str for name in names if is_text(name) or name == LEFT_OUT}
    how = {"sep": separator, "decimal": decimal, "dtype": texts, "keep_default_na": False, "na_values": ["", "nan"]}
    how |= {"index_col": False, "usecols": range(len(names))}
    table = pd.read_csv(io.StringIO(whole), low_memory=False, float_precision="round_trip", **how)
    for name in table.select_dtypes(exclude="number") if decimal == "," else ():
        table[name] = [_with_point(cell) if name not in texts else cell for cell in table[name]]
    if not torn.strip() or "trial_id" not in names:
        return table, ""
    begun, where = next(csv.reader([torn], delimiter=separator)), names.index("trial_id")
    if len(begun) > where + 1:
        return table, begun[where]
    return table, str(table["trial_id"].iloc[-1]) if len(table) else torn


def _with_point(cell: object) -> object:
    return cell.replace(",", ".") if isinstance(cell, str) and re.fullmatch(DECIMAL_COMMA, cell) else cell


def _whole_trials(records: Records) -> Records:
    """Return the records without the trials in training whose last row is before their `epochs`, which are counted.

    The end of a trial with a level to stop at is not in the file: it counts as whole.
    """
    table = records.table
    if "epochs" not in table:
        return records
    training = table["part"].fillna(TRAINING) == TRAINING if "part" in table else True
    last = table.groupby("trial_id")[STEP].transform("max")
    cut = training & (last < pd.to_numeric(table["epochs"], errors="coerce"))
    for name in STOPS:
        cut &= ~(pd.to_numeric(table[name], errors="coerce") > 0) if name in table else True
    if not cut.any():
        return records
    count = table.loc[cut, "trial_id"].nunique()
    if cut.all():
        raise RecordError(f"{records.source}: all {count} trials are {UNFINISHED}")
    left_out = records.left_out | {UNFINISHED: records.left_out.get(UNFINISHED, 0) + count}
    return replace(records, table=table[~cut].reset_index(drop=True), left_out=left_out)


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


def _counted(texts: Iterable[str]) -> dict[str, int]:
    """Return why -> number, of texts in a file that count what was left out, as "3 stopped early, 1 failed"."""
    found = Counter[str]()
    for text in texts:
        for part in text.split(", "):
            count, _, why = part.partition(" ")
            found[why or "for an unknown reason"] += int(count) if count.isdigit() else 0
    return dict(found)


def value_of(text: str) -> object:
    """Return the value that a setting's text stands for: a number, bool, None or list, else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # what it may raise of any text
        return text

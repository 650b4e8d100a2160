"""Where are the arrays of trials? In their runs in MLflow, or in an .npz beside a file of records.

Such a file has the arrays under TRIAL/EPOCH/NAME. Arrays that are the same in all measurements, for example the images
at the ends of paths, are there once, under all/NAME. Values of single paths are rounded to half precision, which moves
a mean over 200 of them by about a hundred thousandth of itself; other numbers with a fraction are in float32.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from analysis.tables.conditions import BASELINE, setting_names
from analysis.tables.measured import read_measurement
from analysis.tables.records import client_of
from analysis.tables.table import RecordError, Records
from specbias.trials.record import STEP

Arrays = dict[str, np.ndarray]
COMMON = "all"
# What a file of arrays leaves out, as no script reads it from there: example paths, values of paths, errors of scalars
LEFT_OUT = re.compile(
    r"examples/|frequency/.*(/|_)(mean_frequency|amplitude|width|step|through|margin|crossed_into|classes)$"
    r"|frequency/.*(ends_correct/|standard_error/(?!.*spectrum$))"
)
OF_PATHS = re.compile(r"frequency/\w+/(?!.*(spectrum|distance)$)")  # values in half precision


def arrays_of(records: Records, row: pd.Series, epoch: int | None = None) -> Arrays:
    """Return the arrays of a trial, by a row of its, at `epoch`, by default its last; RecordError if there are none."""
    if records.uri is not None:
        return load_arrays(row["run_id"], tracking_uri=records.uri, epoch=epoch)
    measured, trial_id = _beside(records), row["trial_id"]
    there = sorted(measured.get(trial_id, {}))
    if not there or epoch not in (None, *there):
        asked = "" if epoch is None else f" at epoch {epoch}"
        names = ", ".join(map(str, there)) or "none"
        raise RecordError(f"trial {trial_id} has no arrays{asked} beside {records.source}; there are: {names}")
    return measured[trial_id][there[-1] if epoch is None else epoch]


def last_arrays(records: Records) -> Iterator[tuple[pd.Series, Arrays]]:
    """Yield the last row, and the arrays of that measurement, of every trial that has them, one at a time.

    `note_on_missing` says how many have none. RecordError if all have none.
    """
    lost, found = "", 0
    if records.uri is None:
        _beside(records)
    for _, row in records.last.iterrows():
        try:
            arrays = arrays_of(records, row)
        except RecordError as error:
            lost = str(error)
            continue
        found += 1
        yield row, arrays
    if not found:
        raise RecordError(f"no trial of {records.source} has arrays: {lost}")


def note_on_missing(records: Records, found: int) -> list[str]:
    """Return a note on the trials that `last_arrays` left out, by how many it gave; none where it gave all."""
    lost = len(records.last) - found
    return [f"left out: {lost} trials whose arrays are gone"] * bool(lost)


def load_arrays(run_id: str, *, tracking_uri: str, epoch: int | None = None) -> Arrays:
    """Return the arrays of a run's measurement at `epoch`, by default its last; RecordError if there is none."""
    client = client_of(tracking_uri)
    try:
        paths = {int(Path(f.path).stem.split("_")[1]): f.path for f in client.list_artifacts(run_id, "measurements")}
        if not paths or epoch not in (None, *paths):
            there = ", ".join(map(str, sorted(paths))) or "none"
            asked = "" if epoch is None else f" at epoch {epoch}"
            raise RecordError(f"run {run_id} has no arrays{asked}; there are: {there}")
        with tempfile.TemporaryDirectory() as folder:
            file = client.download_artifacts(run_id, paths[max(paths) if epoch is None else epoch], folder)
            with np.load(file) as arrays:
                return dict(arrays)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise RecordError(f"{tracking_uri}: {str(error).splitlines()[0]}") from None


def write_arrays(records: Records, file: Path) -> int:
    """Write the arrays of each trial's last measurement, and all of the baseline's first trial; return how many.

    They are for the scripts that need arrays, which find them beside the file of records. RecordError without any.
    """
    measured: dict[str, Arrays] = {}
    for row, arrays in last_arrays(records):
        measured[f"{row['trial_id']}/{row[STEP]}"] = _written(arrays)
    row = first_of_baseline(records)
    for epoch in records.table.loc[records.table["trial_id"] == row["trial_id"], STEP]:
        place = f"{row['trial_id']}/{epoch}"
        measured[place] = measured.get(place) or _written(arrays_of(records, row, int(epoch)))
    first, *others = measured.values()
    common = {name for name in first if all(_same(first[name], each.get(name)) for each in others)}
    content = {f"{COMMON}/{name}": first[name] for name in common}
    for place, arrays in measured.items():
        content |= {f"{place}/{name}": value for name, value in arrays.items() if name not in common}
    np.savez_compressed(file, **content)  # type: ignore[arg-type]
    return len(measured)


def first_of_baseline(records: Records) -> pd.Series:
    """Return the last row of the baseline's first trial, or of the first there is."""
    names = setting_names(records)
    baseline = records.last[records.last["trial_id"].map(names) == BASELINE]
    return (baseline if len(baseline) else records.last).iloc[0]


def _beside(records: Records) -> dict[str, dict[int, Arrays]]:
    """Return what the file of arrays beside a file of records holds, by trial and epoch."""
    if records.arrays is None:
        raise RecordError(f"{records.source} is a file of scalars: what needs arrays is read with --experiment")
    if not records.arrays.exists():
        cure = f"read it with --experiment, or export it with --arrays, which writes {records.arrays.name} beside it"
        raise RecordError(f"{records.source} is a file of scalars, and this needs arrays: {cure}")
    return _read(records.arrays.resolve(), records.arrays.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _read(file: Path, changed: int) -> dict[str, dict[int, Arrays]]:
    """Return the arrays in a file that was last changed at that time: another content is read again."""
    common: Arrays = {}
    measured: dict[str, dict[int, Arrays]] = {}
    for key, value in read_measurement(file).items():
        place, _, rest = key.partition("/")
        epoch, _, name = rest.partition("/")
        if place == COMMON:
            common[rest] = value
        elif epoch.isdecimal():
            exact = value.astype(np.float32) if value.dtype == np.float16 else value
            measured.setdefault(place, {}).setdefault(int(epoch), {})[name] = exact
    for epochs in measured.values():
        for arrays in epochs.values():
            arrays |= common
    return measured


def _written(arrays: Arrays) -> Arrays:
    kept = {name: value for name, value in arrays.items() if not LEFT_OUT.match(name)}
    return {name: _rounded(name, value) if value.dtype.kind == "f" else value for name, value in kept.items()}


def _rounded(name: str, value: np.ndarray) -> np.ndarray:
    """Return numbers in float32, or in half precision those of paths, if the largest is well inside its range."""
    largest = np.abs(value, where=np.isfinite(value), out=np.zeros(value.shape)).max(initial=0)
    inside = OF_PATHS.match(name) and (not largest or 1e-3 <= largest <= np.finfo(np.float16).max)
    return value.astype(np.float16 if inside else np.float32)


def _same(first: np.ndarray, other: np.ndarray | None) -> bool:
    return other is not None and first.dtype == other.dtype and np.array_equal(first, other)

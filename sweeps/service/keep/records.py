"""Which trials are already in a file of records, and how are finished ones added? It is CSV that analysis/ reads.

A row per trial and epoch, with its origin, every setting and every metric. So a study can run in blocks, one after
the other or at the same time, on machines that share only this file.
"""

from __future__ import annotations

import ast
import csv
import fcntl
import io
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from specbias.settings import SettingError
from specbias.trials.record import KEYS, STEP, STOPS, TRAINING, Origin, is_text, make_row

if TYPE_CHECKING:
    from sweeps.service.ask.plan import Plan
from sweeps.service.screen import show

Row = dict[str, Any]


class Content(NamedTuple):
    """What is in a file: its columns, and the rows of its whole trials as they are written."""

    columns: list[str]
    rows: list[list[str]]
    lost: list[str]  # what else is in it, and is taken out when it is written next: for people

    @property
    def trial_ids(self) -> set[str]:
        where = self.columns.index("trial_id") if self.rows else 0
        return {row[where] for row in self.rows}


def finished_trials(file: str | Path) -> set[str]:
    """Return the trial_ids in a file of records; a file that is not there has none.

    A last line without its end was torn: it counts for nothing, with all of its trial, and so does a trial in training
    whose last row is before its `epochs`, unless it has a level to stop at (`stop_accuracy`, `stop_loss`): that is
    whole wherever its last row is, as all rows of a trial are written or none (`append_records`). SettingError if it is
    no file of records, or there is no folder to make it in.
    """
    if not Path(file).parent.is_dir():
        raise SettingError(f"--records {file}: there is no folder {Path(file).parent}; make it, or name another file")
    if not os.path.lexists(file):
        return set()
    with _locked(file, "rb") as handle:
        return _read(handle, file).trial_ids


def append_records(file: str | Path, rows: Iterable[Row]) -> None:
    """Put the rows of finished trials at the end of the file, which is made if need be; all of them or none.

    A row has at least trial_id and epoch. Of two for the same epoch the last counts; a trial that is in the file gets
    no rows. Settings are written so that they are read back with their type, floats to the last bit, metrics that are
    not finite as missing. Columns that the file does not have yet are added to all of it. SettingError, and the file
    as it was, if it is no file of records or cannot be written.
    """
    with _locked(file, "a+b") as handle:
        content = _read(handle, file)
        there = content.trial_ids
        new = [*{(row["trial_id"], row[STEP]): row for row in rows if row["trial_id"] not in there}.values()]
        columns = list(dict.fromkeys([*content.columns, *(name for row in new for name in row)]))
        columns.sort(key=lambda name: "/" in name)  # metrics last
        for what in content.lost:
            show(f"--records {file}: {what}", sys.stderr)
        lines = [[_written(name, row.get(name, "")) for name in columns] for row in new]
        if columns == content.columns and not content.lost:
            _append(handle, _as_text(lines))
        elif not content.columns:
            _append(handle, _as_text([columns, *lines]))
        else:
            places = [content.columns.index(name) if name in content.columns else None for name in columns]
            old = [["" if place is None else row[place] for place in places] for row in content.rows]
            _replace(file, _as_text([columns, *old, *lines]))


def rows_of(
    plan: Plan, config: Any, *, run_id: str, search: str, metrics: Mapping[int, Mapping[str, float]]
) -> list[Row]:
    """Return a trial's rows, from its metrics by epoch."""
    origin = Origin(
        sweep_id=plan.sweep_id,
        trial_id=config.trial_id,
        run_id=run_id,
        label=plan.label(config),
        study=plan.study.name,
        intervention=plan.intervention(config),
        search=search,
    )
    return [make_row(origin, epoch, config.as_record(), metrics[epoch]) for epoch in sorted(metrics)]


@contextmanager
def _locked(file: str | Path, mode: str) -> Iterator[IO[bytes]]:
    """Open the file, for one process at a time; what the system refuses is a SettingError.

    Who waited for a file that was replaced meanwhile has the lock of the old one, and asks again. (Not filelock: it
    would leave a second file beside the user's, and needs the right to write where one only reads.)
    """
    try:
        while True:
            with open(file, mode, buffering=0) as handle:
                fcntl.flock(handle, fcntl.LOCK_EX if "a" in mode else fcntl.LOCK_SH)
                if os.path.samestat(os.fstat(handle.fileno()), os.stat(file)):
                    yield handle
                    return
    except OSError as error:
        raise SettingError(f"--records {file}: {error.strerror or error}; mend that, or name another file") from None


def _read(handle: IO[bytes], file: str | Path) -> Content:
    handle.seek(0)
    whole, _, torn = handle.read().rpartition(b"\n")
    try:
        lines = list(csv.reader(io.StringIO(whole.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise SettingError(f"--records {file}: no file of records ({error}); name another") from None
    if not lines and not torn:
        return Content([], [], [])
    columns, *rows = lines or [[]]
    if missing := [name for name in KEYS if name not in columns]:
        other = next((mark for mark in (";", "\t") if mark in ",".join(columns)), "")
        why = f"its values are separated by {other!r} and not by commas" if other else f"it has no column {missing[0]}"
        raise SettingError(f"--records {file}: no file of records, {why}; name another")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(columns):
            raise SettingError(f"--records {file}: row {number} has {len(row)} values, not {len(columns)}; mend it")
    where, lost = columns.index("trial_id"), []
    begun = torn.decode(errors="replace").split(",")
    if torn:
        lost.append("its last line was torn; it is taken out, with its trial")
    if torn and rows:
        trial_id = begun[where] if len(begun) > where + 1 else rows[-1][where]  # too short to say: that before it
        rows = [row for row in rows if row[where] != trial_id]
    if cut := _unfinished(columns, rows):
        lost.append(f"{len(cut)} trials are without the row of their last epoch; they are taken out")
        rows = [row for row in rows if row[where] not in cut]
    return Content(columns, rows, lost)


def _unfinished(columns: list[str], rows: list[list[str]]) -> set[str]:
    """Return the trials in training whose last row is before their `epochs`: their file was cut off.

    Where a trial with a level to stop at was to end, nothing says: it counts as whole.
    """
    if "epochs" not in columns:
        return set()
    where, at, of = (columns.index(name) for name in (*KEYS, "epochs"))
    part = columns.index("part") if "part" in columns else None
    stops = [columns.index(name) for name in STOPS if name in columns]
    left: dict[str, int] = {}
    for row in rows:
        if any(_is_level(row[stop]) for stop in stops):
            continue
        if row[at].isdigit() and row[of].isdigit() and (part is None or row[part] in ("", TRAINING)):
            left[row[where]] = min(left.get(row[where], int(row[of])), int(row[of]) - int(row[at]))
    return {trial_id for trial_id, epochs in left.items() if epochs > 0}


def _is_level(cell: str) -> bool:
    """Return whether a setting's cell is a number above 0."""
    try:
        return float(cell) > 0
    except ValueError:
        return False


def _append(handle: IO[bytes], text: str) -> None:
    """Write the text at the end in one piece, onto the disk; if that fails the file is as long as it was."""
    size, data = handle.seek(0, os.SEEK_END), text.encode()
    try:
        if os.write(handle.fileno(), data) < len(data):
            raise OSError("no space left for all of it")
        os.fsync(handle.fileno())
    except BaseException:
        os.ftruncate(handle.fileno(), size)
        raise


def _replace(file: str | Path, text: str) -> None:
    """Write the text in the place of the file's content, which is whole, old or new, at every moment."""
    place = Path(file).resolve()
    with tempfile.NamedTemporaryFile("wb", dir=place.parent, prefix=f".{place.name}.", delete=False) as handle:
        try:
            handle.write(text.encode())
            handle.flush()
            os.fsync(handle.fileno())
            shutil.copymode(place, handle.name)
            os.replace(handle.name, place)
        except BaseException:
            os.unlink(handle.name)
            raise


def _as_text(lines: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _written(name: str, value: Any) -> str:
    """Return a value's cell: names are read as text, in all others Python's own notation."""
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    if not isinstance(value, str) or is_text(name):
        return str(value)
    try:
        ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # what it may raise of any text
        return value
    return repr(value)  # a text that would be read as a number

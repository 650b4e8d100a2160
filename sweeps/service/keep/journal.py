"""What has a trial measured so far? Its measurements and states on the storage; damaged ones count as missing.

<root>/<trial_id>/suggestion.json     the suggestion of the optimiser, if a search chose it
                  owner.json          the attempt at the trial that may write, and the machine it runs on
                  epoch_0005/         arrays.npz, and state/ with the trial's state then (kept for the newest two)
                             record.json    epoch, time, metrics, epochs so far, and the SHA-256 of each file beside it:
                                            written last
                  end.json            how the trial ended, once it has

All nodes and the driver see the same folder, through pyarrow: a path, or a URI such as s3://bucket/sweeps. Each of
these JSON files contains the SHA-256 of its content and of its place. Files that a killed process or a failing disk
left incomplete do not match their SHA-256 and are ignored. So are journals of an earlier version.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from pyarrow.fs import FileType, LocalFileSystem, copy_files

from specbias.trials.record import Tag
from sweeps.service.keep.storage import copy_and_hash, delete, file_system, list_files

FORMAT = 2  # of the JSON files; part of their sums
STATES_KEPT = 2  # the newest may turn out to be torn
COMPLETE, BROUGHT = "complete", "brought"  # ends: all was measured; there is only its last state, for its students
LATE = 10.0  # seconds that a file written on another node may take to be seen here


class Superseded(RuntimeError):
    """Another attempt at this trial has begun since (this node was given up for dead): this one may not write."""


class Damaged(OSError):
    """What a journal should hold is not there, or not as it was written."""


@dataclass(frozen=True)
class Record:
    """One measurement."""

    epoch: int  # the step of the measurement, under the name that journals have for it
    time: int  # when it was made, in ms since 1970: a metric that is logged twice with it is one
    metrics: dict[str, float]
    epochs: list[int]  # those measured so far, this one the last
    code: str  # the identity of the code that made it
    files: dict[str, str]  # name of a file beside it -> SHA-256

    def names(self, part: str) -> list[str]:
        """Return the files that are `part`: arrays.npz, or those in state."""
        return [name for name in self.files if name == part or name.startswith(f"{part}/")]


class Journal:
    """The journal of one trial under `root`. OSError where the storage cannot be read or written."""

    def __init__(self, root: str, trial_id: str) -> None:
        self.files, path = file_system(root)
        self.trial_id, self.folder = trial_id, f"{path}/{trial_id}"
        self.measured: list[int] = []  # epochs that this attempt found whole, or wrote
        self.code, self.begun_by = "", ""  # of this attempt, and of the record that it goes on from

    def start(self, facts: dict[str, str]) -> str:
        """Begin an attempt, with the facts to be known of it, and return its token; others may write no more."""
        owner = {"token": uuid.uuid4().hex, "attempt": self.owner.get("attempt", 0) + 1, "facts": facts}
        self._write_json("owner.json", owner)
        self.forget_end()
        self.code = facts.get(Tag.CODE, "")
        return owner["token"]

    @property
    def owner(self) -> dict[str, Any]:
        """The latest attempt: its token, its number from 1, and its facts; empty where none is known."""
        return self._read_json("owner.json") or {}

    def suggest(self, suggestion: dict[str, Any]) -> None:
        """Keep what the trial was chosen by, before it begins."""
        self._write_json("suggestion.json", suggestion)

    @property
    def suggestion(self) -> dict[str, Any] | None:
        """What the trial was chosen by, if a search chose it."""
        return self._read_json("suggestion.json")

    def write(self, token: str, measurement: Any, save: Callable[[str], None]) -> None:
        """Add a measurement (step, metrics, arrays) and the state that `save` puts into a folder.

        Of older states those but the newest are deleted. Superseded if another attempt has begun.
        """
        place = _place(measurement.step)
        with tempfile.TemporaryDirectory() as staging:
            np.savez_compressed(Path(staging) / "arrays.npz", **measurement.arrays)
            (Path(staging) / "state").mkdir()
            save(str(Path(staging) / "state"))
            files = {
                str(f.relative_to(staging)): copy_and_hash(f.open("rb"))
                for f in sorted(Path(staging).rglob("*"))
                if f.is_file()
            }
            self._refuse_superseded(token)
            if isinstance(self.files, LocalFileSystem):
                self.files.create_dir(f"{self.folder}/{place}")
            copy_files(staging, f"{self.folder}/{place}", LocalFileSystem(), self.files)
        self._refuse_superseded(token)
        before = [epoch for epoch in self.measured if epoch < measurement.step]
        epochs = [*before, measurement.step]
        made = int(time.time() * 1000)
        record = Record(measurement.step, made, measurement.metrics, epochs, self.code, files)
        self._write_json(f"{place}/record.json", asdict(record))
        self.measured = epochs
        for old in before[: max(0, len(epochs) - STATES_KEPT)][-1:]:
            delete(self.files, f"{self.folder}/{_place(old)}/state")

    def record(self, epoch: int) -> Record | None:
        """Return the record of an epoch, or None where there is none that is whole."""
        found = self._read_json(f"{_place(epoch)}/record.json")
        if found is None or any(".." in PurePosixPath(name).parts for name in found["files"]):
            return None
        return Record(**found)

    def records(self) -> list[Record]:
        """Return the records there are, by epoch."""
        return [record for epoch in self._epochs() if (record := self.record(epoch))]

    def last(self, last_epoch: int, *, patience: float = 0.0) -> Record | None:
        """Return the record that a complete trial ended with; None where it is not there within `patience` seconds.

        Its end names it; where the end is lost, or was another, it is that of the last epoch that the trial can have.
        """
        asked = time.monotonic()
        while True:
            ending = self.ending or {}
            epoch = ending["epoch"] if ending.get("outcome") in (COMPLETE, BROUGHT) else last_epoch
            found = None if epoch is None else self.record(epoch)
            if found is not None or time.monotonic() - asked >= patience:
                return found
            time.sleep(0.1)

    def fetch(self, record: Record, part: str, folder: str) -> str:
        """Copy arrays.npz or state of a record into `folder`, return where it is; Damaged if it is not as written."""
        copy = Path(folder) / part
        (copy if part == "state" else copy.parent).mkdir(parents=True, exist_ok=True)
        for name in record.names(part):
            file = Path(folder) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as copied:
                self._check(record, name, copied)
        return str(copy)

    def resume(self, folder: str) -> str | None:
        """Copy the newest state that is whole, like all that was measured up to it, into `folder`; None where none is.

        Whatever else was recorded is deleted: it is to be made again.
        """
        newest = self._newest()
        self.measured, self.begun_by = (newest.epochs, newest.code) if newest else ([], "")
        kept = {_place(epoch) for epoch in self.measured}
        for info in list_files(self.files, self.folder):
            if info.base_name.startswith("epoch_") and info.base_name not in kept:
                delete(self.files, f"{self.folder}/{info.base_name}")
        return self.fetch(newest, "state", folder) if newest else None

    def end(self, outcome: str, *, failure: str = "", traceback: str = "", token: str | None = None) -> None:
        """Write how the trial ended, and with what epoch; an attempt that says so itself gives its token."""
        if token is not None:
            self._refuse_superseded(token)
        last = {"epoch": self.measured[-1] if self.measured else None}
        self._write_json("end.json", {"outcome": outcome, "failure": failure, "traceback": traceback} | last)

    @property
    def ending(self) -> dict[str, Any] | None:
        """How the trial ended: outcome, failure, traceback, epoch. None while it has not."""
        return self._read_json("end.json")

    def forget_end(self) -> None:
        """Take back how it ended: it is to go on."""
        with contextlib.suppress(FileNotFoundError):
            self.files.delete_file(f"{self.folder}/end.json")

    def delete(self) -> None:
        """Delete the trial's folder, if there is one."""
        delete(self.files, self.folder)

    def drop_older_states(self, last: Record) -> None:
        """Delete the states that the trial had before its last."""
        for epoch in last.epochs[-STATES_KEPT:-1]:
            delete(self.files, f"{self.folder}/{_place(epoch)}/state")

    def holds(self, record: Record, part: str) -> bool:
        """Tell whether arrays.npz, or state (there must be one), of a record is there as it was written."""
        try:
            for name in (names := record.names(part)):
                self._check(record, name)
        except OSError:
            return False
        return bool(names)

    def _check(self, record: Record, name: str, copied: IO[bytes] | None = None) -> None:
        """Read a file of a record, into `copied` if that is given; Damaged if it is not as it was written."""
        place = f"{_place(record.epoch)}/{name}"
        try:
            found = copy_and_hash(self.files.open_input_stream(f"{self.folder}/{place}"), copied)
        except FileNotFoundError:
            raise Damaged(f"{place} is gone") from None
        if found != record.files[name]:
            raise Damaged(f"{place} is not what was written")

    def _epochs(self) -> list[int]:
        names = {i.base_name for i in list_files(self.files, self.folder) if i.type == FileType.Directory}
        numbers = {int(number) for name in names if (number := name.removeprefix("epoch_")).isdecimal()}
        return sorted(epoch for epoch in numbers if _place(epoch) in names)

    def _newest(self) -> Record | None:
        whole = {r.epoch: r for r in self.records() if self.holds(r, "arrays.npz")}
        newest_first = sorted(whole.values(), key=lambda record: -record.epoch)
        return next((r for r in newest_first if whole.keys() >= {*r.epochs} and self.holds(r, "state")), None)

    def _refuse_superseded(self, token: str) -> None:
        if self.owner.get("token") != token:
            raise Superseded("another attempt at this trial has begun: this one ends")

    def _read_json(self, name: str) -> dict[str, Any] | None:
        """Return what `_write_json` wrote; None where that is not there."""
        path = f"{self.folder}/{name}"
        try:
            with self.files.open_input_stream(path) as stream:
                found = json.loads(stream.read())
            return found if isinstance(found, dict) and found.pop("sha256", None) == self._sum(name, found) else None
        except (ValueError, RecursionError):  # cut off, or nothing of ours
            return None
        except OSError:
            if self.files.get_file_info(path).type == FileType.File:
                raise
            return None

    def _write_json(self, name: str, value: dict[str, Any]) -> None:
        path = f"{self.folder}/{name}"
        if isinstance(self.files, LocalFileSystem):
            self.files.create_dir(path.rpartition("/")[0])
        with self.files.open_output_stream(path) as stream:
            stream.write(json.dumps(value | {"sha256": self._sum(name, value)}, indent=1).encode())

    def _sum(self, name: str, value: dict[str, Any]) -> str:
        return hashlib.sha256(json.dumps([FORMAT, self.trial_id, name, value], sort_keys=True).encode()).hexdigest()


def _place(epoch: int) -> str:
    return f"epoch_{epoch:04d}"

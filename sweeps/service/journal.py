"""What has a trial given so far? Its measurements and states on storage, each whole or as if it were not there.

<root>/<trial_id>/suggestion.json     what chose it, if a search did
                  owner.json          the attempt at the trial that may write, and the machine it runs on
                  epoch_0005/         arrays.npz, and state/ with the trial's state then (kept for the newest two)
                             record.json    epoch, time, metrics, and the SHA-256 of each file beside it: written last
                  end.json            how the trial ended, once it has

Every node and the driver see the same folder, through pyarrow: a path, or a URI such as s3://bucket/sweeps. What a
killed process leaves behind has no record.json, or one whose hashes do not fit; both are passed over.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem, copy_files

STATES_KEPT = 2  # the newest may turn out to be torn


class Superseded(RuntimeError):
    """Another attempt at this trial has begun since (this node was given up for dead): this one may not write."""


@dataclass(frozen=True)
class Record:
    """One measurement."""

    epoch: int
    time: int  # when it was made, in ms since 1970: a metric that is logged twice with it is one
    metrics: dict[str, float]
    files: dict[str, str]  # name of a file beside it -> SHA-256


@cache
def _file_system(root: str) -> tuple[FileSystem, str]:
    return FileSystem.from_uri(root)


def list_folder(place: str) -> set[str]:
    """Return the names in a folder of the storage, by its path or URI; none if there is no such folder."""
    files, path = _file_system(place)
    return {info.base_name for info in files.get_file_info(FileSelector(path, allow_not_found=True))}


def delete_folder(place: str) -> None:
    """Delete a folder of the storage, by its path or URI, if there is one; what cannot be deleted is left."""
    _delete_folder(*_file_system(place))


def _delete_folder(files: FileSystem, path: str) -> None:
    with contextlib.suppress(OSError):
        files.delete_dir(path)


class Journal:
    """The journal of one trial under `root`. OSError where the storage cannot be read or written."""

    def __init__(self, root: str, trial_id: str) -> None:
        self.files, path = _file_system(root)
        self.folder = f"{path}/{trial_id}"

    def start(self, facts: dict[str, str]) -> str:
        """Begin an attempt, with the facts to be known of it, and return its token; others may write no more."""
        owner = {"token": uuid.uuid4().hex, "attempt": self.owner.get("attempt", 0) + 1, "facts": facts}
        self._write_json("owner.json", owner)
        self.forget_end()
        return owner["token"]

    @property
    def owner(self) -> dict[str, Any]:
        """The latest attempt: its token, its number from 1, and its facts; empty where there was none."""
        return self._read_json("owner.json") or {}

    def suggest(self, suggestion: dict[str, Any]) -> None:
        """Keep what the trial was chosen by, before it begins."""
        self._write_json("suggestion.json", suggestion)

    @property
    def suggestion(self) -> dict[str, Any] | None:
        """What the trial was chosen by, if a search chose it."""
        return self._read_json("suggestion.json")

    def write(self, token: str, measurement: Any, save: Callable[[str], None]) -> None:
        """Add a measurement (epoch, metrics, arrays) and the state that `save` puts into a folder.

        Of older states those but the newest two are deleted. Superseded if another attempt has begun.
        """
        place = f"epoch_{measurement.epoch:04d}"
        with tempfile.TemporaryDirectory() as staging:
            np.savez_compressed(Path(staging) / "arrays.npz", **measurement.arrays)
            (Path(staging) / "state").mkdir()
            save(str(Path(staging) / "state"))
            files = {
                str(f.relative_to(staging)): _hash(f.open("rb"))
                for f in sorted(Path(staging).rglob("*"))
                if f.is_file()
            }
            self._refuse_superseded(token)
            if isinstance(self.files, LocalFileSystem):
                self.files.create_dir(f"{self.folder}/{place}")
            copy_files(staging, f"{self.folder}/{place}", LocalFileSystem(), self.files)
        self._refuse_superseded(token)
        record = Record(measurement.epoch, int(time.time() * 1000), measurement.metrics, files)
        self._write_json(f"{place}/record.json", asdict(record))
        for old in [epoch for epoch in self._epochs() if epoch < record.epoch][-STATES_KEPT : 1 - STATES_KEPT]:
            self._delete(f"epoch_{old:04d}/state")

    def record(self, epoch: int) -> Record | None:
        """Return the record of an epoch, or None where there is none or it was cut off."""
        found = self._read_json(f"epoch_{epoch:04d}/record.json")
        return Record(**found) if found else None

    def records(self) -> list[Record]:
        """Return the records there are, by epoch."""
        return [record for epoch in self._epochs() if (record := self.record(epoch))]

    def fetch(self, record: Record, name: str, folder: str) -> str:
        """Copy arrays.npz or state of a record into `folder` and return where it is."""
        copy = Path(folder) / name
        (copy if name == "state" else copy.parent).mkdir(parents=True, exist_ok=True)
        copy_files(f"{self.folder}/epoch_{record.epoch:04d}/{name}", str(copy), self.files, LocalFileSystem())
        if name in record.files and _hash(copy.open("rb")) != record.files[name]:
            raise OSError(f"{self.folder}/epoch_{record.epoch:04d}/{name} is not what was written")
        return str(copy)

    def fetch_state(self, folder: str) -> str | None:
        """Copy the newest state that is whole, with nothing torn before it, into `folder`; None where there is none."""
        newest = self._newest()
        return self.fetch(newest, "state", folder) if newest else None

    def resume(self, folder: str) -> str | None:
        """The same for who goes on with the trial: what was recorded after that state is deleted, to be made again."""
        newest = self._newest()
        for epoch in self._epochs():
            if newest is None or epoch > newest.epoch:
                self._delete(f"epoch_{epoch:04d}")
        return self.fetch(newest, "state", folder) if newest else None

    def end(self, outcome: str, *, failure: str = "", traceback: str = "", token: str | None = None) -> None:
        """Write how the trial ended; an attempt that says so itself gives its token."""
        if token is not None:
            self._refuse_superseded(token)
        self._write_json("end.json", {"outcome": outcome, "failure": failure, "traceback": traceback})

    @property
    def ending(self) -> dict[str, str] | None:
        """How the trial ended: outcome, failure, traceback. None while it has not."""
        return self._read_json("end.json")

    def forget_end(self) -> None:
        """Take back how it ended: it is to go on."""
        if self.files.get_file_info(f"{self.folder}/end.json").type != FileType.NotFound:
            self.files.delete_file(f"{self.folder}/end.json")

    def delete(self) -> None:
        """Delete the trial's folder, if there is one."""
        self._delete("")

    def _epochs(self) -> list[int]:
        found = self.files.get_file_info(FileSelector(self.folder, allow_not_found=True))
        return sorted(int(info.base_name[6:]) for info in found if info.base_name.startswith("epoch_"))

    def _newest(self) -> Record | None:
        there = [self.record(epoch) for epoch in self._epochs()]
        whole = itertools.takewhile(lambda record: record and self._holds(record, state=False), there)
        return next((record for record in reversed([*whole]) if record and self._holds(record, state=True)), None)

    def _holds(self, record: Record, *, state: bool) -> bool:
        """Tell whether the state of a record, or else its other files, are there as they were written."""
        names = [name for name in record.files if name.startswith("state/") == state]
        place = f"{self.folder}/epoch_{record.epoch:04d}"
        try:
            hashes = [_hash(self.files.open_input_stream(f"{place}/{name}")) for name in names]
        except OSError:
            return False
        return bool(names) and hashes == [record.files[name] for name in names]

    def _refuse_superseded(self, token: str) -> None:
        if self.owner.get("token") != token:
            raise Superseded("another attempt at this trial has begun: this one ends")

    def _read_json(self, name: str) -> Any:
        try:
            with self.files.open_input_stream(f"{self.folder}/{name}") as stream:
                return json.loads(stream.read())
        except (FileNotFoundError, ValueError):  # not there, or cut off
            return None

    def _write_json(self, name: str, value: Any) -> None:
        path = f"{self.folder}/{name}"
        if isinstance(self.files, LocalFileSystem):
            self.files.create_dir(path.rpartition("/")[0])
        with self.files.open_output_stream(path) as stream:
            stream.write(json.dumps(value, indent=1).encode())

    def _delete(self, name: str) -> None:
        _delete_folder(self.files, f"{self.folder}/{name}".rstrip("/"))


def _hash(stream: Any) -> str:
    with stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

"""What does a sweep need of this machine? One check for each thing. A problem is reported with its cure."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import socket
import sqlite3
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Annotated, NamedTuple
from urllib.parse import urlparse

import tyro
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from specbias.data import data_directory
from sweeps.service.ask.options import Place
from sweeps.service.machines import preflight
from sweeps.service.study import execution_settings

OK, NONE, PROBLEM = "ok", "-", "problem"
LEAST = 2**30  # bytes that should be free where a sweep writes
FULL = 0.95  # of a disk; above it Ray writes nothing there
LATE = 10.0  # seconds by which two clocks may differ
FOLDERS = {  # of the data sets that are files, below the data directory
    "cifar10": "cifar-10-batches-py",
    "cifar100": "cifar-100-python",
    "tiny_imagenet": "tiny-imagenet-200",
    "imagenet": "imagenet",
}


class Finding(NamedTuple):
    """A line of the table."""

    state: str
    what: str
    message: str  # of a problem with its cure


@dataclass(frozen=True)
class Places:
    """Check what a sweep needs on this machine. Exit status: 0, or 1 if there is a problem."""

    storage_path: Place = None
    """Where trials save their progress; default SPECBIAS_STORAGE_PATH or ray_results here."""
    tracking_uri: Annotated[str | None, tyro.conf.arg(metavar="URI", help_behavior_hint="")] = None
    """MLflow's store; default MLFLOW_TRACKING_URI or sqlite:///mlflow.db here."""
    data_dir: Place = None
    """Folder of the data sets; default SPECBIAS_DATA_DIR or ~/.cache/specbias."""


def packages(places: Places) -> Iterator[Finding]:
    """Python and everything that is installed, held against what the project promises to work with."""
    try:
        promised, names = metadata("specbias")["Requires-Python"], requires("specbias") or []
    except PackageNotFoundError:
        yield Finding(PROBLEM, "specbias", "is not installed; python -m pip install -e . in its folder")
        return
    python = platform.python_version()
    fits = SpecifierSet(promised).contains(python, prereleases=True)
    yield Finding(OK if fits else PROBLEM, "Python", python if fits else f"{python}, not {promised}; take another")
    extra = "postgresql" if "postgresql" in preflight.absolute_tracking_uri(places.tracking_uri) else ""
    asked = [each for each in map(Requirement, names) if not each.marker or each.marker.evaluate({"extra": extra})]
    wrong = 0
    for each in asked:
        found = _version(each.name)
        if found is None or not each.specifier.contains(found, prereleases=True):
            wrong += 1
            yield Finding(PROBLEM, each.name, f"{found or 'not installed'}; python -m pip install '{each}'")
    if not wrong:
        named = ", ".join(f"{name} {version(name)}" for name in ("torch", "ray", "mlflow"))
        yield Finding(OK, "packages", f"{named}, and {len(asked) - 3} others, as promised")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def devices(places: Places) -> Iterator[Finding]:
    """Whether torch works, on the GPU too where there is one, and in which precision trials run."""
    try:
        import torch
        import torchvision  # noqa: F401  of another torch it breaks on import
    except Exception as error:  # of any class
        reason = str(error).splitlines()[0]
        yield Finding(PROBLEM, "torch", f"does not start ({reason}); python -m pip install --upgrade torch torchvision")
        return
    if not preflight.local_gpus():
        precision = execution_settings("cpu", threads=1)["precision"]
        yield Finding(NONE, "GPU", f"none that NVIDIA's driver shows: trials run on the CPU, in {precision}")
        return
    preflight.check_cuda()
    yield Finding(OK, "GPU", f"{'; '.join(preflight.cards())} (driver); torch {torch.__version__} computes on it")
    if torch.cuda.is_bf16_supported(including_emulation=False):
        yield Finding(OK, "half precision", "bf16")
    else:
        yield Finding(PROBLEM, "half precision", "this GPU has no bf16; give sweeps --set precision=float32")


def processors(places: Places) -> Iterator[Finding]:
    """How many CPUs there are, and how many of them this process may use."""
    there, allowed = os.cpu_count() or 1, preflight.processors_allowed()
    if allowed < there:
        yield Finding(OK, "CPUs", f"{allowed:g}, of the {there} there are (affinity, cgroup, Slurm)")
    else:
        yield Finding(OK, "CPUs", str(there))


def storage(places: Places) -> Iterator[Finding]:
    """Whether what trials write can be written whole, and how much of it."""
    place = preflight.absolute_storage_path(places.storage_path)
    if "://" in place:
        from sweeps.service.machines.nodes import marker

        with marker(place):
            yield Finding(OK, "storage", f"{place}: written, and deleted again")
        return
    preflight.check_places(storage_path=place, tracking_uri="")
    folder = _existing(place)
    with tempfile.TemporaryDirectory(dir=folder) as here:
        for name in ("whole", "part"):  # a state is a folder that is written under another name first
            (Path(here) / name).mkdir()
        try:
            os.rename(Path(here) / "part", Path(here) / "whole")
        except OSError as error:
            yield Finding(PROBLEM, "storage", f"{place}: folders cannot be renamed there ({error}); name another place")
            return
    yield _space("storage", place)


def _existing(place: str | Path) -> Path:
    """Return a folder, or the nearest above it that exists."""
    return next(path for path in (Path(place), *Path(place).parents) if path.is_dir())


def _space(what: str, place: str | Path) -> Finding:
    """Return whether enough is free on the disk of a folder that can be written."""
    found = shutil.disk_usage(_existing(place))
    said = f"{place}: {found.free / 2**30:.1f} GiB free"
    if found.free < LEAST or found.used / found.total > FULL:
        return Finding(PROBLEM, what, f"{said}, {found.used / found.total:.0%} used; delete something, or name another")
    return Finding(OK, what, said)


def temporary(places: Places) -> Iterator[Finding]:
    """Whether Ray's own files can be where they go: sockets, which must have a short path, and logs."""
    folder = preflight.temporary_folder()
    if reason := preflight.why_unwritable(Path(folder)):
        yield Finding(PROBLEM, "Ray's files", f"{folder}: cannot be written ({reason}); export TMPDIR=FOLDER, short")
        return
    yield _space("Ray's files", folder)


def tracking(places: Places) -> Iterator[Finding]:
    """Whether MLflow's store is there, is one, and has our time."""
    uri = preflight.absolute_tracking_uri(places.tracking_uri)
    preflight.check_places(storage_path="s3://elsewhere", tracking_uri=uri)
    preflight.check_tracking(uri)
    parts = urlparse(uri)
    if parts.scheme in ("http", "https"):
        yield from _server(uri, f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}/version")
    elif parts.scheme != "sqlite":
        yield Finding(OK, "tracking", f"{uri}: its server answers")
    elif not (file := Path(uri.removeprefix("sqlite:///"))).exists():
        yield Finding(OK, "tracking", f"{uri}: the first sweep makes it")
    else:
        try:
            with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as store:
                store.execute("SELECT version_num FROM alembic_version").fetchone()
            yield Finding(OK, "tracking", uri)
        except sqlite3.Error as error:
            yield Finding(PROBLEM, "tracking", f"{uri}: no store of MLflow's ({error}); name another")


def _server(uri: str, address: str) -> Iterator[Finding]:
    """Whether MLflow answers at an address, and when."""
    asked = time.time()
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            found, date = answer.read(40).decode(errors="replace").strip(), answer.headers["Date"]
    except OSError as error:
        yield Finding(PROBLEM, "tracking", f"{uri}: no MLflow answers there ({error}); start `mlflow server`")
        return
    yield Finding(OK, "tracking", f"{uri}: MLflow {found}")
    ahead = parsedate_to_datetime(date).timestamp() - (asked + time.time()) / 2 if date else 0.0
    if abs(ahead) > LATE:
        yield Finding(PROBLEM, "clocks", f"the server's is {ahead:+.0f} s off ours; have both set by NTP")


def data(places: Places) -> Iterator[Finding]:
    """Which data sets are there; those that are not may not be missed."""
    folder = data_directory()
    there = [name for name, below in FOLDERS.items() if (folder / below).is_dir()]
    missing = ", ".join(name for name in FOLDERS if name not in there)
    if there:
        yield Finding(OK, "data", f"{folder}: {', '.join(there)}")
    if missing:
        yield Finding(NONE, "data", f"not in {folder}: {missing}; CIFAR is downloaded, and see docs/imagenet.md")


def network(places: Places) -> Iterator[Finding]:
    """Whether Ray can listen on this machine, a cluster that is named answers, and the port of `mlflow ui` is free."""
    address = os.environ.get("RAY_ADDRESS")
    if address not in (None, "", "local"):
        preflight.check_address(address)
        yield Finding(OK, "RAY_ADDRESS", f"{address} answers")
    for port, use, taken in (
        (0, "Ray on 127.0.0.1", "nothing can listen there; see the firewall of this machine"),
        (5000, "mlflow ui", "taken; mlflow ui --port 5001"),
    ):
        try:
            socket.create_server(("127.0.0.1", port)).close()
            yield Finding(OK, "ports", f"{use}: {port or 'any'} is free")
        except OSError as error:
            yield Finding(NONE if port else PROBLEM, "ports", f"{use}: {port or 'any'}: {taken} ({error.strerror})")


CHECKS = {
    "packages": packages,
    "torch": devices,
    "CPUs": processors,
    "Ray's files": temporary,
    "storage": storage,
    "tracking": tracking,
    "data": data,
    "ports": network,
}

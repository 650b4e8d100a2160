"""Can this sweep run here, and on what? Checked before any trial; each refusal is one line that says what to do."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from specbias.settings import SettingError

SOCKET = "/ray/session_2026-01-31_12-00-00_000000_4194304/sockets/plasma_store"  # below TMPDIR, for the largest pid
LONGEST = 107 - len(SOCKET)  # bytes that TMPDIR may have: the path of a socket has 107 at most


class MachineError(SettingError):
    """What this machine, or what it reaches, lacks, in one line; `python -m sweeps doctor` looks for all such."""


def local_gpus() -> float:
    """Count this machine's NVIDIA GPUs, without torch or Ray: as many as CUDA_VISIBLE_DEVICES lets through.

    Good for a plan; what trials get is for Ray to say.
    """
    found, visible = len(cards()), os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return float(found)
    return float(min(found, len([v for v in visible.split(",") if v.strip() not in ("", "-1")])))


def cards() -> list[str]:
    """Return name, memory and driver of each of this machine's NVIDIA GPUs; none where no driver works."""
    import pynvml  # a tenth of a second: not for --help

    found = []
    with contextlib.suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        driver = pynvml.nvmlSystemGetDriverVersion()
        for i in range(pynvml.nvmlDeviceGetCount()):
            with contextlib.suppress(pynvml.NVMLError):  # one that is broken, or not for this container
                card = pynvml.nvmlDeviceGetHandleByIndex(i)
                found.append(f"{pynvml.nvmlDeviceGetName(card)}, {_memory(card)}, {driver}")
        pynvml.nvmlShutdown()
    return found


def _memory(card: Any) -> str:
    import pynvml

    try:
        return f"{pynvml.nvmlDeviceGetMemoryInfo(card).total >> 20} MiB"
    except pynvml.NVMLError:  # it has none of its own but shares the CPU's
        return "shared memory"


def processors_allowed(groups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float:
    """Return how many CPUs this process may use, by its affinity, control groups' quotas (version 1 or 2) and Slurm."""
    affinity = getattr(os, "sched_getaffinity", lambda pid: range(os.cpu_count() or 1))
    allowed = [float(len(affinity(0)))]
    lines = own.read_text().splitlines() if own.exists() else []
    for _, kinds, path in (line.split(":", 2) for line in lines):
        root = groups / "cpu" if "cpu" in kinds.split(",") else groups
        for folder in (root / path.lstrip("/"), *(root / path.lstrip("/")).parents):
            for names in (["cpu.max"], ["cpu.cfs_quota_us", "cpu.cfs_period_us"]):
                if all((folder / name).is_file() for name in names):
                    quota, period = " ".join((folder / name).read_text() for name in names).split()
                    allowed += [] if quota in ("max", "-1") else [max(1.0, float(quota) / float(period))]
    allowed += [float(os.environ["SLURM_CPUS_ON_NODE"])] if "SLURM_CPUS_ON_NODE" in os.environ else []
    return min(allowed)


def check_resources(plan: Any, *, cpus: float, gpus: float) -> None:
    """Refuse more CPUs or GPUs per trial than the largest machine has, and trials on a GPU that none reserves."""
    asked = plan.gpus_per_trial
    if asked > gpus:
        raise SettingError(f"--gpus-per-trial {asked:g}: there are {gpus:g} GPUs on one machine; ask for fewer")
    if plan.cpus_per_trial > cpus:
        said = f"there are {cpus:g} CPUs on one machine"
        raise SettingError(f"--cpus-per-trial {plan.cpus_per_trial}: {said}; ask for fewer")
    if any(config.device == "cuda" for config in plan.expected) and not asked:
        raise SettingError("device=cuda needs a GPU: give --gpus-per-trial, or --set device=cpu")


PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}  # unless another is named


def check_tracking(uri: str) -> None:
    """Refuse a tracking server that does not answer a connection; a data base is opened, and so checked, later."""
    parts = urlparse(uri)
    port = PORTS.get(parts.scheme.split("+")[0])
    if port is None or not parts.hostname:  # a file, or a socket of this machine
        return
    try:
        port = parts.port or port
        socket.create_connection((parts.hostname, port), timeout=10).close()
    except OSError as error:
        raise MachineError(f"--tracking-uri {uri}: no server answers ({error}); start one, or name another") from None


def check_address(address: str) -> None:
    """Refuse an address of a Ray where nothing listens: it would be tried for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except OSError as error:
            raise MachineError(
                f"RAY_ADDRESS={address}: nothing answers there ({error}); start that cluster, or unset RAY_ADDRESS"
            ) from None


def check_cuda() -> None:
    """Refuse a reserved GPU that torch cannot use; runs on a worker that holds it."""
    import torch

    try:
        torch.ones(8, device="cuda").sum().item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise MachineError(
            f"Ray reserves a GPU but torch {torch.__version__} cannot use it ({reason}); install a torch build for "
            "this GPU, or give --gpus-per-trial 0"
        ) from None


def check_places(*, storage_path: str, tracking_uri: str, records: str | None = None) -> None:
    """Refuse local storage, a file of records and a local data base where they cannot be written."""
    places = {} if "://" in storage_path else {f"--storage-path {storage_path}": Path(storage_path)}
    if tracking_uri.startswith("sqlite:///"):
        places[f"--tracking-uri {tracking_uri}"] = Path(tracking_uri.removeprefix("sqlite:///")).parent
    if records is not None:
        places[f"--records {records}"] = Path(records).resolve().parent
        if os.path.exists(records) and not os.access(records, os.W_OK):
            raise SettingError(f"--records {records}: cannot be written; change its mode, or name another file")
    for said, folder in places.items():
        if "--tracking-uri" in said and not folder.is_dir():
            raise MachineError(f"{said}: there is no folder {folder}; make it, or name another place")
        if reason := why_unwritable(folder):
            raise MachineError(f"{said}: cannot be written ({reason}); name another place")


def why_unwritable(folder: Path) -> str:
    """Return why nothing can be written to a folder, or to the nearest above it that exists; empty where it can."""
    try:
        tempfile.TemporaryFile(dir=next(path for path in (folder, *folder.parents) if path.exists())).close()
    except OSError as error:
        return str(error)
    return ""


def temporary_folder() -> str:
    """Return where a Ray that is started here keeps its files: in TMPDIR, or where that is too long in /tmp, if it can.

    Raises SettingError where neither can be.
    """
    chosen = next((name for name in ("RAY_TMPDIR", "TMPDIR") if os.environ.get(name)), "")
    place = os.environ.get(chosen, "/tmp")
    if len(os.fsencode(place)) <= LONGEST:
        return f"{place.rstrip('/')}/ray"
    if not os.access("/tmp", os.W_OK):
        raise MachineError(f"{chosen}={place}: Ray's sockets take at most {LONGEST} bytes; export a shorter {chosen}")
    return "/tmp/ray"


def absolute_storage_path(path: str | None) -> str:
    """Return where Tune keeps checkpoints, absolute or a URI; default SPECBIAS_STORAGE_PATH or ray_results, here."""
    path = path or os.environ.get("SPECBIAS_STORAGE_PATH")
    return path if path and "://" in path else str(Path(path or "ray_results").expanduser().resolve())


def absolute_tracking_uri(uri: str | None) -> str:
    """Return the tracking URI with an absolute path: workers run in other directories. Default sqlite, here."""
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    scheme, separator, place = uri.partition("://")
    if not separator or scheme.split("+")[0] not in ("sqlite", "http", "https", "postgresql", "mysql", "mssql"):
        raise SettingError(f"--tracking-uri {uri}: expected sqlite:///FILE, http://HOST:PORT or a data base")
    if scheme == "sqlite" and (set(place) & {"%", "?"} or not place.strip("/") or Path(place[1:]).is_dir()):
        raise SettingError(f"--tracking-uri {uri}: expected sqlite:///FILE, without % and ? in its path")
    if scheme == "sqlite" and not place.startswith("//"):
        return f"sqlite:///{Path(place.removeprefix('/')).resolve()}"
    return uri

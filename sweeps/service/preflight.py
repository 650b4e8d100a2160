"""Can this sweep run here, and on what? Asked before any trial; every refusal is one line with the mend."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from specbias.settings import SettingError


def local_gpus() -> float:
    """Count this machine's NVIDIA GPUs, without torch or Ray: as many as CUDA_VISIBLE_DEVICES lets through.

    Good for a plan; what trials get is for Ray to say.
    """
    found = 0
    if shutil.which("nvidia-smi"):
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
        found = sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return float(found)
    return float(min(found, len([v for v in visible.split(",") if v.strip() not in ("", "-1")])))


def execution_settings(device: str, *, threads: int) -> dict[str, Any]:
    """Return how trials compute on a device: read off the hardware, never timed.

    bf16 where the hardware has it (every GPU; CPUs that say so), channels last everywhere. Function frequencies are
    measured in float32: rounding to bf16 is itself a high frequency.
    """
    bf16 = device == "cuda" or _cpu_has_bf16()
    return {
        "device": device,
        "precision": "bf16" if bf16 else "float32",
        "memory_format": "channels_last",
        "threads": threads,
        "measure_batch": 2048 if device == "cuda" else 256,
        "measure_precision": "float32",
        "compile": False,
    }


def _cpu_has_bf16() -> bool:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return bool(re.search(r"^(flags|Features)\s*:.*\b(avx512_bf16|amx_bf16|bf16)\b", text, re.MULTILINE))


def check_resources(plan: Any, *, cpus: float, gpus: float) -> None:
    """Refuse more CPUs or GPUs per trial than there are, and trials on a GPU that none reserves."""
    asked = plan.gpus_per_trial
    if asked > gpus:
        raise SettingError(f"--gpus-per-trial {asked:g}: there are {gpus:g} GPUs; ask for fewer")
    if plan.cpus_per_trial > cpus:
        raise SettingError(f"--cpus-per-trial {plan.cpus_per_trial}: there are {cpus:g} CPUs; ask for fewer")
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
        raise SettingError(f"--tracking-uri {uri}: no server answers ({error}); start one, or name another") from None


def check_cuda() -> None:
    """Refuse a reserved GPU that torch cannot use; runs on a worker that holds it."""
    import torch

    try:
        torch.ones(8, device="cuda").sum().item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SettingError(
            f"Ray reserves a GPU but torch {torch.__version__} cannot use it ({reason}); install a torch build for "
            "this GPU, or give --gpus-per-trial 0"
        ) from None


def check_places(*, storage_path: str, tracking_uri: str) -> None:
    """Refuse local storage that cannot be written, and a local data base in a folder that is not there to write in."""
    places = {} if "://" in storage_path else {f"--storage-path {storage_path}": Path(storage_path)}
    if tracking_uri.startswith("sqlite:///"):
        places[f"--tracking-uri {tracking_uri}"] = Path(tracking_uri.removeprefix("sqlite:///")).parent
    for said, folder in places.items():
        if "--tracking-uri" in said and not folder.is_dir():
            raise SettingError(f"{said}: there is no folder {folder}; make it, or name another place")
        try:
            tempfile.TemporaryFile(dir=next(p for p in (folder, *folder.parents) if p.exists())).close()
        except OSError as error:
            raise SettingError(f"{said}: cannot be written ({error}); name another place") from None


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

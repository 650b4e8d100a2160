"""Which code made a number, and on which machine? Tags for a run in MLflow."""

from __future__ import annotations

import hashlib
import inspect
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from specbias.settings.masking import masked
from specbias.trials.record import Tag

PACKAGES = Path(__file__).parents[3]  # the folder that specbias and sweeps are in
CURE = "go back to that code, run all anew with --fresh, or let both make it with --accept-changed-code"


def code() -> dict[str, str]:
    """Return tags that say with what code, versions and command this process runs."""
    tags = {f"version.{name}": version(name) for name in ("specbias", "torch", "numpy", "ray", "mlflow")}
    tags |= {
        "version.python": platform.python_version(),
        "mlflow.source.name": sys.argv[0],
        "mlflow.source.type": "LOCAL",
        Tag.COMMAND_LINE: command_line(sys.argv)[:5000],
    }
    commit = _git("rev-parse", "HEAD")
    if commit:
        tags |= {"mlflow.source.git.commit": commit, Tag.GIT_DIRTY: str(bool(_git("status", "--porcelain")))}
    return tags


def study_sources(study: Any) -> str:
    """Return the hash of the file that a study's trials are defined in; empty where there is none."""
    file = Path(inspect.getsourcefile(study.kind.run) or "")
    return _hash(file) if file.is_file() else ""


def code_identity(study_code: str) -> str:
    """Return what makes a trial's numbers, 12 hex digits: this process's code, and that of the study as it is given.

    That is all of specbias and sweeps, and the versions of what they compute with.
    """
    versions = [version(name) for name in ("torch", "torchvision", "numpy")]
    sources = _hash(PACKAGES / "specbias", PACKAGES / "sweeps")
    return hashlib.sha256(" ".join([*versions, sources, study_code]).encode()).hexdigest()[:12]


@cache
def _hash(*places: Path) -> str:
    """Return the SHA-256 of files, and of the Python files in folders, as they are when this process first asks."""
    found = hashlib.sha256()
    for file in [file for place in places for file in (sorted(place.rglob("*.py")) if place.is_dir() else [place])]:
        found.update(f"{file.name}\n".encode() + file.read_bytes())
    return found.hexdigest()


def command_line(words: Sequence[str]) -> str:
    """Return the command `python WORDS` as one types it, without what is secret in it."""
    return shlex.join(["python", *shown(words)])


def shown(words: Sequence[str]) -> list[str]:
    """Return a command's words without passwords and without what --on-finish calls."""
    found = [masked(word) for word in words]
    for i, word in enumerate(found):
        flag, equals, _ = word.partition("=")
        if flag.replace("_", "-") == "--on-finish":  # the address of a messenger's hook is a secret too
            found[i : i + 1 + (not equals)] = [flag, "***"]
    return found


def hardware() -> dict[str, str]:
    """Return tags that say on what machine this process runs."""
    return {
        "hardware.host": platform.node(),
        "hardware.cpus": str(os.cpu_count()),
        "hardware.processor": _processor(),
    }


def _git(*arguments: str) -> str:
    here = Path(__file__).parent
    try:
        return subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, timeout=20, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""  # installed without its repository, or no git


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())

"""With what code, on what machine? Tags for a run, that say where its numbers come from."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from specbias.masking import masked


def code() -> dict[str, str]:
    """Return tags that say with what code, versions and command this process runs."""
    tags = {f"version.{name}": version(name) for name in ("specbias", "torch", "numpy", "ray", "mlflow")}
    tags |= {
        "version.python": platform.python_version(),
        "mlflow.source.name": sys.argv[0],
        "mlflow.source.type": "LOCAL",
        "specbias.command_line": command_line(sys.argv)[:5000],
    }
    commit = _git("rev-parse", "HEAD")
    if commit:
        tags |= {"mlflow.source.git.commit": commit, "specbias.git_dirty": str(bool(_git("status", "--porcelain")))}
    return tags


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

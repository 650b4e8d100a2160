"""Is the driver of a sweep to go on? It may be told to end; and it must not begin what another process drives."""

from __future__ import annotations

import os
import platform
import signal
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from specbias.settings import SettingError

SILENT = 180.0  # seconds after which a driver on another machine is taken for dead


class Interrupts:
    """While it is entered, Ctrl-C and a polite kill raise KeyboardInterrupt, and `asked` remembers.

    Libraries swallow it where it is raised in a callback of theirs: whoever comes by asks `raise_again`.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        self._before = {number: signal.signal(number, self._raise) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _raise(self, *received: Any) -> None:
        self.asked = True
        raise KeyboardInterrupt

    def raise_again(self) -> None:
        """Raise what was swallowed."""
        if self.asked:
            raise KeyboardInterrupt


def this_driver() -> str:
    """Return who this process is: machine, number, and when it started."""
    return f"{platform.node()}:{os.getpid()}:{_started(os.getpid())}"


def refuse_if_running(tags: Mapping[str, str], status: str) -> None:
    """Refuse a sweep whose driver lives: its process, on this machine, or its latest sign of life, on another."""
    host, pid, started = (tags.get("specbias.driver", "") + "::").split(":")[:3]
    if status != "RUNNING" or (host, pid) == (platform.node(), str(os.getpid())):
        return
    if host == platform.node():
        lives, place = bool(started) and _started(int(pid)) == started, ""
    else:
        heard = max(tags.get("specbias.alive", ""), tags.get("specbias.opened", ""))
        lives, place = bool(heard) and time.time() - datetime.fromisoformat(heard).timestamp() < SILENT, f" on {host}"
    if lives:
        raise SettingError(
            f"this very sweep is running, in process {pid}{place}: wait for it, or choose another --experiment"
        )


def _started(pid: int) -> str:
    """Return when a process started, in the kernel's ticks: with it, a number used again is not taken for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""  # it is gone, or this is no Linux

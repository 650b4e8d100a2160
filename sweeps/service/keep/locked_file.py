"""How does a process keep a file from others? It locks the file, and the system frees it when the process dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import IO


def lock_file(file: Path, *, patience: float) -> IO[str] | None:
    """Return the file, made if need be, open and locked until it is closed; None where there are no such locks.

    TimeoutError, with what is in it, if another process has it for `patience` seconds. Who has it may delete it.
    """
    # Not filelock: it has no shared lock to look at a claim with, and up to 3.19 at least, which torch and Ray allow,
    # it empties the file of whoever holds it.
    asked, content = now(), ""
    while now() - asked < patience:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            handle = file.open("a+")
        except OSError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle.fileno()), os.stat(file)):
                handle.seek(0)
                return handle
        except (BlockingIOError, FileNotFoundError):  # it is another's, or was deleted meanwhile
            handle.seek(0)
            content = handle.read()
            time.sleep(0.1)
        except OSError:
            handle.close()
            return None
        handle.close()
    raise TimeoutError(content)


def now() -> float:
    """Return seconds on a clock that never jumps, and goes on while the machine sleeps where the system has such."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()

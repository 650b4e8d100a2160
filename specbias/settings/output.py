"""How does a command print? With passwords masked, and without an error when its reader has gone.

The reader has gone when a pipe is closed, as by `| head`, or a terminal.
"""

import errno
import io
import os
import sys
from typing import Any

from specbias.settings.masking import masked

FULL = (errno.ENOSPC, errno.EDQUOT)  # a log on a full disk lacks lines; what is printed later is in it again


class Masked(io.TextIOWrapper):
    """A stream that masks passwords in all that is printed, also in a library's log or the traceback of a thread."""

    def write(self, text: str) -> int:
        super().write(masked(text))
        return len(text)


class Outlasting(io.FileIO):
    """A file descriptor whose output is discarded once its reader has gone."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno in FULL:
                return len(data)
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(data)


def guard_output() -> None:
    """Mask all that this command prints, and let it finish even if its reader has gone; the first call of a `main`.

    What the command does, and its exit status, are the same as if all had been read. A stream that was put in the place
    of the process's own (by a notebook, say) is left as it is.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and stream is getattr(sys, f"__{name}__"):
            at_once = stream.line_buffering or stream.write_through
            buffer = io.BufferedWriter(Outlasting(stream.fileno(), "w", closefd=False))
            kept: dict[str, Any] = {"encoding": stream.encoding, "errors": stream.errors, "line_buffering": at_once}
            setattr(sys, name, Masked(buffer, **kept))

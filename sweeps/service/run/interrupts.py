"""Should the driver of a sweep stop? It may be interrupted by a key, a signal or a closed terminal."""

from __future__ import annotations

import math
import signal
import time
from typing import Any

SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
APART = 2.0  # seconds between two requests to end that are not one


class Interrupts:
    """While it is entered, Ctrl-C, a polite kill and the end of the terminal raise KeyboardInterrupt.

    So does a further one, unless it comes at once (a key that is held down, a terminal that ends in several ways) or is
    not `heeded`, as when all that is left is to end. Libraries swallow it where it is raised in a callback of theirs:
    whoever comes by asks `raise_again`. The end of the terminal stays ignored where it was, as under nohup.
    """

    def __init__(self) -> None:
        self.asked, self.heeded = False, True
        self._raised = -math.inf
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
        self._before = {number: signal.signal(number, self._raise) for number in SIGNALS - ignored}
        return self

    def take_back(self) -> None:
        """Handle the signals once more: Ray, where it starts, ends the process on a polite kill (2.60, SIGABRT)."""
        for number in self._before:
            signal.signal(number, self._raise)

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _raise(self, *received: Any) -> None:
        self.asked = True
        if self.heeded and time.monotonic() - self._raised > APART:
            self._raised = time.monotonic()
            raise KeyboardInterrupt

    def raise_again(self) -> None:
        """Raise what was swallowed."""
        if self.asked:
            raise KeyboardInterrupt

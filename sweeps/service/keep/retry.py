"""When is MLflow asked again if it does not answer, and what is printed meanwhile?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

from specbias.settings.masking import masked
from sweeps.service.screen import show

FIRST, LONGEST = 0.5, 30.0  # seconds between two attempts
UNNOTICED = 5.0  # seconds of failing of which nothing is said
SILENCE = 60.0  # seconds between two lines; each time twice as many while it lasts

Result = TypeVar("Result")


class Trouble:
    """Attempts that fail: how long to wait for the next one, and a line that says so, at most once a minute."""

    def __init__(self, line: str) -> None:
        self.line, self.error = line, ""  # why the latest attempt failed
        self._shown, self._said = -math.inf, False
        self._begin()

    def _begin(self) -> None:
        self._since: float | None = None
        self._wait, self._silence = FIRST, SILENCE

    def note(self, error: Exception) -> None:
        """Take note of an attempt that failed."""
        self.error, now = first_line(error), time.monotonic()
        self._since = now if self._since is None else self._since
        if now - self._since >= UNNOTICED and now - self._shown >= self._silence:
            self._silence *= 2 if self._said else 1
            self._shown, self._said = now, True
            show(f"{self.line} ({self.error}); it is tried again")

    def rest(self, at_most: float = math.inf) -> None:
        """Wait for the next attempt."""
        time.sleep(max(min(self._wait, at_most), 0))
        self._wait = min(2 * self._wait, LONGEST)

    def over(self) -> None:
        """Take note of an attempt that succeeded."""
        if self._said:
            show("MLflow answers again")
        self._said = False
        self._begin()


def insist(
    attempt: Callable[[], Result],
    trouble: Trouble,
    *,
    patience: float,
    hopeless: Callable[[Exception], bool] = lambda error: False,
) -> Result:
    """Return what an attempt gives; one that fails is made again, for `patience` seconds and unless it is hopeless."""
    started = time.monotonic()
    while True:
        try:
            found = attempt()
        except Exception as error:
            left = patience - (time.monotonic() - started)
            if left <= 0 or hopeless(error):
                raise
            trouble.note(error)
            trouble.rest(left)
        else:
            trouble.over()
            return found


def first_line(error: Exception) -> str:
    """Return what an error says, in one line without passwords."""
    return masked(f"{type(error).__name__}: {error}".splitlines()[0])

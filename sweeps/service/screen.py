"""How do printed lines fit the terminal? They are folded between words; in a pipe or a file they stay whole."""

from __future__ import annotations

import shlex
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

WIDEST, NARROWEST = 48, 16  # characters of a label in a row
LAST = 12  # of what a row ends with


def width(stream: Any = None) -> int | None:
    """Return how many columns the terminal has that is printed to; None where it is none."""
    return shutil.get_terminal_size().columns if (stream or sys.stdout).isatty() else None


def show(text: str, stream: Any = None) -> None:
    """Print lines, each folded between words where the terminal is too narrow for it."""
    if (columns := width(stream)) is not None:
        fold = textwrap.TextWrapper(columns, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
        text = "\n".join("\n".join(fold.wrap(line)) for line in text.split("\n"))
    print(f"{text}\n", end="", file=stream, flush=True)  # at once: another thread may print too


def show_command(words: Sequence[str]) -> None:
    """Print a command, indented, that can be copied as it stands, also where it is folded."""
    columns, lines = width(), [" "]
    for word in map(shlex.quote, words):
        if columns is not None and lines[-1].strip() and len(f"{lines[-1]} {word} \\") > columns:
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += f" {word}"
    print("\n".join(lines), flush=True)


class Rows:
    """A table that grows by a row per report: a label, the epoch, numbers, and the time that is left.

    Where the terminal is narrow the label is shortened, and then the time left out.
    """

    def __init__(self, titles: Sequence[str], *, label: int, epoch: int) -> None:
        self.titles, self.label = titles, min(label, WIDEST)
        self.widths = [max(7, epoch), *(max(8, len(title)) for title in titles)]
        self.begun = False

    def show(self, label: str, epoch: str, values: Sequence[float | None], time_left: str) -> None:
        """Print a row, the first one below the titles."""
        if not self.begun:
            self._print("trial", ["epoch", *self.titles], "time left")
        self.begun = True
        self._print(label, [epoch, *("-" if value is None else f"{value:.4f}" for value in values)], time_left)

    def _print(self, label: str, cells: Sequence[str], last: str) -> None:
        numbers = "  ".join(f"{cell:>{size}}" for cell, size in zip(cells, self.widths, strict=True))
        room, columns = self.label, width()
        if columns is not None:
            room = min(room, columns - len(f"  {numbers}  ") - LAST)
        if room < min(self.label, NARROWEST):
            room, last = max(min(self.label, (columns or 0) - len(f"  {numbers}")), 3), ""
        label = label if len(label) <= room else f"...{label[3 - room :]}"[:room]  # labels differ at their end
        print(f"{label:<{room}}  {numbers}  {last}".rstrip() + "\n", end="", flush=True)

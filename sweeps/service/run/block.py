"""What does the terminal show while a sweep runs? A bar, and a row per running trial."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweeps.service.screen import NARROWEST

MOST = 12  # trials that have a row
LINE = 40  # columns of the bar
Row = tuple[str, Sequence[float | None], str]  # epoch as "2/20", values, time left


class Block:
    """The block below all else that is printed: what is printed meanwhile stands above it, and stays.

    It is drawn anew when something is reported, and by no thread. The cursor stays, whatever ends the process.
    """

    def __init__(self, titles: Sequence[str], *, console: Console | None = None) -> None:
        self.titles, self.rows = titles, dict[str, Row]()  # by label
        self.console = Console() if console is None else console
        self.done = self.total = 0
        self.time_left = ""
        self._live: Live | None = None

    def show(self, label: str, row: Row, *, done: int, total: int) -> None:
        """Show what a trial reports, and how many of all are done."""
        self.rows[label] = row
        self.done, self.total = done, total
        self._draw()

    def end(self, label: str, *, done: int, total: int, time_left: str) -> Row | None:
        """Take a trial off the block, and return its last row; none where it had none."""
        last = self.rows.pop(label, None)
        self.done, self.total, self.time_left = done, total, time_left
        if self._live is not None:
            self._draw()
        return last

    def close(self) -> None:
        """Take the block away."""
        self.rows.clear()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __rich__(self) -> Group:
        bar, trials = Table.grid(padding=(0, 1)), Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
        width = max(8, min(LINE, self.console.width - 34))
        parts = sum(_share(epoch) for epoch, *_ in self.rows.values())
        left = f", {self.time_left} left" if self.time_left else ""
        said = Text(f"{self.done} of {self.total} trials{left}", no_wrap=True, overflow="ellipsis")
        bar.add_row(ProgressBar(total=max(self.total, 1), completed=self.done + parts, width=width), said)
        numbers = ["epoch", *self.titles, "time left"]
        room = max(self.console.width - sum(max(9, len(title) + 1) for title in numbers) - 4, NARROWEST)
        trials.add_column("trial", no_wrap=True)
        for title in numbers:
            trials.add_column(title, justify="left" if title == "time left" else "right", no_wrap=True)
        for label, (epoch, values, time_left) in [*self.rows.items()][-MOST:]:
            short = label if len(label) <= room else f"...{label[3 - room :]}"  # labels differ at their end
            cells = ("-" if value is None else f"{value:.4f}" for value in values)
            trials.add_row(Text(short), epoch, *cells, time_left)
        more = [Text(f"and {len(self.rows) - MOST} more", style="dim")] * (len(self.rows) > MOST)
        return Group(bar, *[trials] * bool(self.rows), *more)

    def _draw(self) -> None:
        if self._live is None:
            self._live = Live(console=self.console, auto_refresh=False, transient=True, get_renderable=self.__rich__)
            self._live.start()
            self.console.show_cursor(True)
        self._live.refresh()


def _share(epoch: str) -> float:
    """Return how much of a trial is done, by "2/20"."""
    now, _, last = epoch.partition("/")
    return min(1.0, float(now) / max(float(last), 1.0))


def is_terminal() -> bool:
    """Tell whether what is printed is read at a terminal that can be drawn on."""
    return Console(file=sys.stdout).is_terminal and not Console(file=sys.stdout).is_dumb_terminal

"""How do two parts make up a difference? Two bars, the second beginning where the first ends, and where they lead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.figures.labels import wrapped
from analysis.figures.look import COLOURS, LOOK

PLACES = (0.25, 0.0, -0.25)  # above and below the middle of a row
THICK = 0.22
SHADES = (*COLOURS[:2], "0.25")  # of the two parts and the whole
LONGEST = 26  # characters of a row's label on a line
Bounds = tuple[float, float] | None  # of a 95% interval


class Bar(NamedTuple):
    """A row: two parts and the whole, their sum, with their intervals; a summary has a line above it.

    Without parts it keeps its place: another panel of its line has them.
    """

    label: str
    parts: tuple[float, float] | None = None
    intervals: tuple[Bounds, Bounds, Bounds] = (None, None, None)
    summary: bool = False


class Bars(NamedTuple):
    """A panel of rows from above."""

    title: str
    rows: Sequence[Bar]


def added_bars(panels: Sequence[Sequence[Bars]], *, parts: tuple[str, str], whole: str, x: str) -> Figure:
    """Draw lines of panels whose rows are the same: in each row two bars, one after the other, and their end."""
    heights = [max(1, len(line[0].rows)) for line in panels]
    size = (4.0 * len(panels[0]) + 1.2, sum(0.42 * height + 0.7 for height in heights) + 0.6)
    with plt.rc_context(LOOK):
        figure, places = plt.subplots(
            len(panels),
            len(panels[0]),
            figsize=size,
            layout="constrained",
            squeeze=False,
            sharey="row",
            height_ratios=[height + 0.8 for height in heights],
        )
        for line, row in zip(panels, places, strict=True):
            for panel, axes in zip(line, row, strict=True):
                _panel(axes, panel)
        for axes in places[-1]:
            axes.set_xlabel(x)
        keys = [Patch(color=colour, label=name) for name, colour in zip((*parts, whole), SHADES, strict=True)]
        figure.legend(handles=keys, loc="outside upper center", ncols=3)
    return figure


def _panel(axes: Axes, panel: Bars) -> None:
    axes.axvline(0, color="0.5", linewidth=0.8, zorder=1)
    for place, row in enumerate(reversed(panel.rows)):
        if row.parts is not None:
            _row(axes, place, row.parts, row.intervals)
        if row.summary:
            axes.axhline(place + 0.5, color="0.7", linewidth=0.8)
    axes.set_yticks(range(len(panel.rows)), [wrapped(row.label, LONGEST) for row in reversed(panel.rows)])
    axes.set_ylim(-0.6, len(panel.rows) - 0.4)
    axes.grid(axis="y", visible=False)
    axes.locator_params(axis="x", nbins=5)
    axes.set_title(panel.title, fontsize=9)


def _row(axes: Axes, place: float, parts: tuple[float, float], intervals: tuple[Bounds, Bounds, Bounds]) -> None:
    ends = (parts[0], sum(parts), sum(parts))
    for begin, end, interval, up, colour in zip((0.0, parts[0], 0.0), ends, intervals, PLACES, SHADES, strict=True):
        axes.barh(place + up, end - begin, THICK, left=begin, color=colour, zorder=2)
        if interval is not None:
            low, high = (begin + bound for bound in interval)
            axes.plot([low, high], [place + up] * 2, color="black", linewidth=0.9, zorder=3)
            axes.plot([low, high], [place + up] * 2, "|", color="black", markersize=4, zorder=3)
    axes.plot([parts[0]] * 2, [place + PLACES[0], place + PLACES[1]], color="0.5", linewidth=0.6, zorder=1)
    axes.plot([sum(parts)] * 2, [place + PLACES[1], place + PLACES[2]], color="0.5", linewidth=0.6, zorder=1)

"""How do several estimates compare? One line each with its interval, and their summary below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures.look import LOOK


class ForestRow(NamedTuple):
    """An estimate with the ends of its interval, NaN where there is none; a summary is bold and below the others."""

    label: str
    statistic: float
    low: float = math.nan
    high: float = math.nan
    summary: bool = False


def forest_plot(rows: Sequence[ForestRow], *, x: str) -> Figure:
    """Draw the rows from above in their order, summaries last, with their numbers at the right and a line at 0."""
    ordered = sorted(rows, key=lambda row: row.summary)
    with plt.rc_context(LOOK):
        figure, axes = plt.subplots(figsize=(6.4, 0.28 * len(ordered) + 0.9), layout="constrained")
        axes.axvline(0, color="0.5", linewidth=0.8, zorder=1)
        for place, row in enumerate(ordered):
            weight, marker = ("bold", "D") if row.summary else ("normal", "s")
            width = 2.4 if row.summary else 1.2
            axes.plot([row.low, row.high], [place, place], color="black", linewidth=width)
            axes.plot([row.statistic], [place], marker, color="black", markersize=6 if row.summary else 4)
            side: dict[str, Any] = {
                "transform": axes.get_yaxis_transform(),
                "va": "center",
                "fontsize": 8,
                "fontweight": weight,
            }
            axes.text(1.02, place, _numbers(row), **side)
        axes.set_yticks(range(len(ordered)), [row.label for row in ordered])
        for label, row in zip(axes.get_yticklabels(), ordered, strict=True):
            label.set_fontweight("bold" if row.summary else "normal")
        axes.set_ylim(len(ordered) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(x)
    return figure


def _numbers(row: ForestRow) -> str:
    if math.isnan(row.statistic):
        return "undefined"
    interval = "" if math.isnan(row.low) else f" [{row.low:.3g}, {row.high:.3g}]"
    return f"{row.statistic:.3g}{interval}"

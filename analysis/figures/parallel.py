"""Which settings go with which results? A line per trial across an axis per setting and metric; bars with intervals."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.labels import label
from analysis.figures.look import COLOURS, LOOK
from analysis.inference.rows import setting_text

LEVELS = 8  # of an axis that are named


def parallel_coordinates(last: pd.DataFrame, *, columns: list[str], colour: str) -> Figure:
    """Draw a line per row over an axis per column, each from its lowest to its highest value, coloured by one of them.

    An axis with up to LEVELS levels names them at equal distances; one with more is linear, with its ends named.
    """
    with plt.rc_context(LOOK | {"axes.grid": False}):
        width = max(6.0, 1.25 * len(columns) + 1.5)
        figure, axes = plt.subplots(figsize=(width, 4.2), layout="constrained")
        heights = np.stack([_axis(axes, place, last[name]) for place, name in enumerate(columns)], axis=1)
        shade = last[colour].to_numpy(dtype=float)
        norm = plt.Normalize(np.nanmin(shade), np.nanmax(shade))
        jitter = np.linspace(-0.012, 0.012, len(last))[:, None]  # lines through one level lie side by side
        for line, value in zip(heights + jitter, shade, strict=True):
            axes.plot(range(len(columns)), line, color=plt.get_cmap("viridis")(norm(value)), linewidth=0.9, alpha=0.8)
        axes.set(xlim=(-0.3, len(columns) - 0.4), ylim=(-0.06, 1.06), yticks=[])
        names = [label(name).replace(" (", "\n(") for name in columns]
        axes.set_xticks(range(len(columns)), names, rotation=30, ha="right", fontsize=8)
        axes.spines[:].set_visible(False)
        figure.colorbar(plt.cm.ScalarMappable(norm, "viridis"), ax=axes, label=label(colour), fraction=0.04)
    return figure


def bars(tables: dict[str, pd.DataFrame], *, x: str) -> Figure:
    """Draw a panel per metric with a bar per setting (importance), its interval (low, high) and a line at chance."""
    order = next(iter(tables.values()))["setting"].tolist()[::-1]
    with plt.rc_context(LOOK):
        size = (3.1 * len(tables) + 1, 0.26 * len(order) + 1.4)
        figure, panels = plt.subplots(1, len(tables), figsize=size, layout="constrained", sharey=True, squeeze=False)
        for number, (axes, (metric, table)) in enumerate(zip(panels[0], tables.items(), strict=True)):
            rows = table.set_index("setting").reindex(order)
            spread = [rows["importance"] - rows["low"], rows["high"] - rows["importance"]]
            look = {"color": COLOURS[number % len(COLOURS)], "ecolor": "0.3", "capsize": 2}
            axes.barh(order, rows["importance"], xerr=np.clip(spread, 0, None), **look)
            axes.vlines(rows["chance"], np.arange(len(order)) - 0.4, np.arange(len(order)) + 0.4, color="white", lw=2)
            axes.vlines(rows["chance"], np.arange(len(order)) - 0.4, np.arange(len(order)) + 0.4, color="black", lw=0.7)
            axes.set(xlabel=x, xlim=(0, 1))
            axes.set_title(label(metric), fontsize=9)
    return figure


def _axis(axes: plt.Axes, place: int, column: pd.Series) -> np.ndarray:
    """Draw an axis with its levels and return where each row crosses it, from 0 to 1."""
    axes.axvline(place, color="0.6", linewidth=0.8, zorder=0)
    numbers = pd.to_numeric(column, errors="coerce")
    texts = column.map(setting_text)
    levels = sorted(texts.unique(), key=lambda text: (numbers[texts == text].iloc[0], text))
    if len(levels) <= LEVELS or numbers.isna().any():
        heights = dict(zip(levels, np.linspace(0, 1, len(levels)), strict=True))
        named = levels if len(levels) <= LEVELS else levels[:: len(levels) // LEVELS + 1]
        marks, found = [(heights[text], text) for text in named], texts.map(heights)
    else:
        low, high = numbers.min(), numbers.max()
        marks, found = [(0, f"{low:.3g}"), (1, f"{high:.3g}")], (numbers - low) / (high - low)
    for height, text in marks:
        axes.text(place + 0.03, height, text[:14], fontsize=6.5, va="center", color="0.25")
    return found.to_numpy(dtype=float)

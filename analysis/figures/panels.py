"""How are many trials seen at once? Small multiples of heat maps, of lines, and of functions on a square."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from analysis.figures.look import LOOK, Style, style

CHARACTERS = 30  # of a heat map's ticks that fit below it at full size


class Line(NamedTuple):
    """A line with its label in the legend; `spread`, no interval, is a dotted outline of plus and minus so much."""

    label: str
    x: np.ndarray
    y: np.ndarray
    spread: np.ndarray | None = None
    style: str = "-"
    colour: Any = None  # default: by the order of labels


class HeatMap(NamedTuple):
    """A table of values (rows, columns): columns of equal width, rows at their place on the axis, or equal too."""

    title: str
    columns: Any
    rows: Any
    values: np.ndarray
    texts: np.ndarray | None = None  # written into the cells, which then are equal
    lines: Sequence[Line] = ()  # over it; x is a column's value, y a row's


class Lines(NamedTuple):
    """A panel of lines and its axes."""

    title: str
    lines: Sequence[Line]
    x: str
    y: str
    log: str = ""  # "x", "y" or "xy"


class Square(NamedTuple):
    """A function's values (S, S), rows from below, on a square around 0; points (N, 2) on it with a value each."""

    title: str
    values: np.ndarray
    extent: float
    points: np.ndarray | None = None
    point_values: np.ndarray | None = None


def heat_maps(
    panels: Sequence[HeatMap], *, x: str, y: str, colour: str, limits: tuple[float, float] = (0, 1)
) -> Figure:
    """Draw the heat maps with one colour bar; values beyond `limits` have the colour of these, undefined ones none."""
    with plt.rc_context(LOOK | {"axes.grid": False}):
        written = [panel for panel in panels if panel.texts is not None]
        wide = max([3.0, *(0.42 * len(panel.columns) + 1 for panel in written)])
        tall = max([2.9, *(0.42 * len(panel.rows) + 1 for panel in written)])
        figure, places = _grid(len(panels), (wide, tall))
        for panel, axes in zip(panels, places, strict=True):
            drawn = _heat_map(axes, panel, limits)
            axes.set(xlabel=x, ylabel=y)
        figure.colorbar(drawn, ax=places, label=colour, fraction=0.05, aspect=30)
    return figure


def line_panels(
    panels: Sequence[Lines],
    *,
    legend: str = "",
    columns: int | None = None,
    size: tuple[float, float] = (3.4, 2.7),
    ordered: bool = False,
) -> Figure:
    """Draw the panels with one legend, titled so; a label has one colour in all, on a scale if they are ordered."""
    labels = list(dict.fromkeys(line.label for panel in panels for line in panel.lines if line.colour is None))
    scale = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(labels)))
    looks = {label: style(place) for place, label in enumerate(labels)}
    if ordered:
        looks = {
            label: look._replace(colour=scale[place], dash="-") for place, (label, look) in enumerate(looks.items())
        }
    with plt.rc_context(LOOK):
        figure, places = _grid(len(panels), size, columns)
        for panel, axes in zip(panels, places, strict=True):
            for line in panel.lines:
                _line(axes, line, looks)
            axes.set(xlabel=panel.x, ylabel=panel.y)
            _title(axes, panel.title, size[0])
            if "x" in panel.log:
                axes.set_xscale("log")
                _plain_ticks(axes.xaxis)
            if "y" in panel.log:
                axes.set_yscale("log")
                _plain_ticks(axes.yaxis)
        handles = {name: h for axes in places for h, name in zip(*axes.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside right upper", title=legend or None)
    return figure


def squares(panels: Sequence[Square], *, colour: str, columns: int | None = None, limits: tuple = (0, 1)) -> Figure:
    """Draw the functions with one colour bar from blue to red; points have the colour of their value, with a rim."""
    with plt.rc_context(LOOK | {"axes.grid": False}):
        figure, places = _grid(len(panels), (3.1, 3.0), columns)
        for panel, axes in zip(panels, places, strict=True):
            extent = (-panel.extent, panel.extent) * 2
            look: dict[str, Any] = {"cmap": "RdBu_r", "vmin": limits[0], "vmax": limits[1]}
            drawn = axes.imshow(panel.values, origin="lower", extent=extent, interpolation="nearest", **look)
            if panel.points is not None:
                axes.scatter(
                    panel.points[:, 0],
                    panel.points[:, 1],
                    c=panel.point_values,
                    s=3,
                    edgecolors="black",
                    linewidths=0.2,
                    **look,
                )
            _title(axes, panel.title, 3.1)
        figure.colorbar(drawn, ax=places, label=colour, fraction=0.05, aspect=30)
    return figure


def _grid(count: int, size: tuple[float, float], columns: int | None = None) -> tuple[Figure, list[Axes]]:
    """Return a figure with so many panels of a size in inches, in rows of `columns`, by default at most 5."""
    columns = columns or (count if count <= 4 else min(5, -(-count // -(-count // 5))))
    rows = -(-count // columns)
    inches = (columns * size[0] + 1.2, rows * size[1] + 0.2)
    figure, places = plt.subplots(rows, columns, figsize=inches, layout="constrained", squeeze=False)
    for axes in places.flat[count:]:
        axes.remove()
    return figure, list(places.flat[:count])


def _heat_map(axes: Axes, panel: HeatMap, limits: tuple[float, float]) -> Any:
    count, equal = len(panel.columns), panel.texts is not None or isinstance(panel.rows[0], str)
    edges = np.arange(len(panel.rows) + 1) - 0.5 if equal else _edges(np.asarray(panel.rows, dtype=float))
    values, sides = np.ma.masked_invalid(panel.values), np.arange(count + 1) - 0.5
    drawn = axes.pcolormesh(sides, edges, values, vmin=limits[0], vmax=limits[1], rasterized=True)
    axes.set_facecolor("0.85")
    needed = sum(len(str(value)) + 1 for value in panel.columns) / CHARACTERS
    every = max(1, round(needed / 1.4))
    size = 9 if needed <= 1 else 7
    axes.set_xticks(range(0, count, every), [str(value) for value in panel.columns[::every]], fontsize=size)
    if equal:
        axes.set_yticks(range(len(panel.rows)), [str(value) for value in panel.rows])
    for line in panel.lines:
        axes.plot(
            np.interp(line.x, panel.columns, range(count)), line.y, line.style, color=line.colour, label=line.label
        )
    if panel.lines:
        axes.set_ylim(edges[0], edges[-1])
        axes.legend(loc="upper right", fontsize=7, labelcolor="white", frameon=True, facecolor="0.3", framealpha=0.8)
    if panel.texts is not None:
        for (row, column), text in np.ndenumerate(panel.texts):
            dark = not panel.values[row, column] > sum(limits) / 2
            axes.text(column, row, text, ha="center", va="center", fontsize=6, color="white" if dark else "black")
    _title(axes, panel.title, 3.0)
    return drawn


def _edges(centres: np.ndarray) -> np.ndarray:
    """Return the edges of cells around increasing centres: half-way between, the outer ones at the outer centres."""
    return np.concatenate([centres[:1], (centres[1:] + centres[:-1]) / 2, centres[-1:]])


def _line(axes: Axes, line: Line, looks: dict[str, Style]) -> None:
    colour = looks[line.label].colour if line.colour is None else line.colour
    dash = looks[line.label].dash if line.colour is None and line.style == "-" else line.style
    axes.plot(line.x, line.y, dash, color=colour, label=line.label, linewidth=1.2, markersize=4)
    if line.spread is not None:
        ends, look = (line.y - line.spread, line.y + line.spread), {"edgecolor": colour, "linestyle": ":"}
        axes.fill_between(line.x, *ends, facecolor="none", linewidth=0.7, **look)


def _plain_ticks(axis: Axis) -> None:
    """Give a logarithmic axis plain numbers, at 1, 2 and 5 where it spans little and at powers of 10 where much."""
    low, high = axis.get_view_interval()
    decades = np.log10(high / low)
    leading = (1.0,) if decades > 3 else (1.0, 3.0) if decades > 2 else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(subs=leading))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator())


def _title(axes: Axes, text: str, inches: float) -> None:
    axes.set_title("\n".join(textwrap.wrap(text, int(inches * 12))), fontsize=9)

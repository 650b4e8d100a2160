"""How does function frequency go with accuracy, per intervention, at the end and as training goes on?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.labels import label, wrapped
from analysis.figures.look import LOOK, Style, styles
from analysis.questions import robustnets

KINDS = ("frequency/within_class", "frequency/between_class")
ACCURACY = "generalization/test_accuracy"
NAMED = 60  # points that have their level beside them
APART = (0.09, 0.05)  # of the axes, that levels must be apart to be written
GREY = "0.6"
PUBLISHED: tuple[tuple[str, dict], ...] = (  # in the legend
    ("published, not pruned", {"color": GREY, "marker": "o", "markerfacecolor": "none", "linestyle": "none"}),
    ("line through all 447", {"color": GREY, "linestyle": ":"}),
)
MANY = 2_000  # points beyond which an SVG holds them as an image


def interventions_figure(
    table: pd.DataFrame, *, url: Callable[[str], str] | None = None, published: bool = False
) -> Figure:
    """Draw function frequency against test accuracy at each trial's last epoch (above), and by epoch (below).

    `table` has a row per trial and epoch with the columns trial_id, label, intervention, epoch and the metrics.
    Colours are interventions, the same in all four panels; left within-class, right between-class. In the SVG, every
    point is a link to `url(run_id)`, its run in MLflow. `published` adds those of questions/robustnets.py in grey.
    """
    with plt.rc_context(LOOK):
        figure, panels = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
        looks = styles(table["intervention"])
        last = table.sort_values("epoch").groupby("trial_id").tail(1)
        for column, kind in enumerate(KINDS):
            if published:
                published_networks(panels[0, column], kind)
            scatter(panels[0, column], last, x=ACCURACY, y=kind, looks=looks, url=url)
            curves(panels[1, column], table, y=kind, looks=looks)
        legend(figure, {wrapped(name): look for name, look in looks.items()}, more=PUBLISHED * published)
    return figure


def scatter(
    axes: Axes,
    last: pd.DataFrame,
    *,
    x: str,
    y: str,
    looks: dict[str, Style],
    url: Callable[[str], str] | None = None,
) -> Axes:
    """Draw a point per row, in the look of its intervention, with its level beside it where there are few."""
    for name, look in looks.items():
        rows = last[last["intervention"] == name]
        points = axes.scatter(rows[x], rows[y], color=look.colour, marker=look.marker, s=30, label=name, zorder=3)
        points.set_rasterized(len(last) > MANY)
        if url is not None and "run_id" in rows:
            points.set_urls([url(run_id) for run_id in rows["run_id"]])
    if len(last) <= NAMED:
        _name_levels(axes, last[np.isfinite(last[[x, y]]).all(axis=1)], x, y)
    axes.set(xlabel=label(x), ylabel=label(y))
    return axes


def _name_levels(axes: Axes, last: pd.DataFrame, x: str, y: str) -> None:
    """Write the level beside every point that has none written near it."""
    points = last[[x, y]].to_numpy(dtype=float)
    low, high = np.transpose([axes.get_xlim(), axes.get_ylim()])
    places = (points - low) / (high - low)
    taken: list[np.ndarray] = []
    for place, (_, row) in zip(places, last.iterrows(), strict=True):
        if all(np.abs((place - other) / APART).max() > 1 for other in taken):
            look: dict[str, Any] = {"xytext": (4, 3), "textcoords": "offset points", "fontsize": 6, "color": "0.35"}
            axes.annotate(level(row["label"]), (row[x], row[y]), **look)
            taken.append(place)


def level(text: str) -> str:
    """Return the level in a trial's label, where that is one setting's: "8" of "width=8 seed=1"."""
    settings = [word for word in text.split() if not word.startswith("seed=")]
    return settings[0].partition("=")[2] if len(settings) == 1 else ""


def curves(axes: Axes, table: pd.DataFrame, *, y: str, looks: dict[str, Style], x: str = "epoch") -> Axes:
    """Draw a line per trial through its epochs; an axis of epochs is linear up to 1 and logarithmic beyond.

    The trials of an intervention are one line with gaps, so that thousands are drawn in seconds.
    """
    rows = table.sort_values(["trial_id", "epoch"])
    for name, look in looks.items():
        own = rows[rows["intervention"] == name]
        ends = np.flatnonzero(own["trial_id"].ne(own["trial_id"].shift()))
        across, up = (np.insert(own[column].to_numpy(dtype=float), ends, np.nan) for column in (x, y))
        line: dict[str, Any] = {"color": look.colour, "marker": look.marker, "linestyle": look.dash}
        axes.plot(across, up, **line, markersize=3, linewidth=1, alpha=0.8, rasterized=len(rows) > MANY)
    axes.set(xlabel=label(x), ylabel=label(y))
    if x == "epoch":
        _log_epochs(axes, int(table["epoch"].max()))
    return axes


def published_networks(axes: Axes, kind: str) -> Axes:
    """Draw the published networks' shares by test accuracy, and the line through all of those within classes."""
    between = kind == robustnets.BETWEEN
    x = [network.accuracy for network in robustnets.NETWORKS]
    y = [network.between if between else network.within for network in robustnets.NETWORKS]
    axes.scatter(x, y, s=16, facecolors="none", edgecolors=GREY, linewidths=0.8)
    if not between:
        ends = np.array(robustnets.ACCURACY)
        axes.plot(ends, robustnets.within_at(ends), color=GREY, linewidth=0.8, linestyle=":")
    return axes


def legend(
    figure: Figure, looks: dict[str, Style], title: str = "intervention", *, more: Sequence[tuple[str, dict]] = ()
) -> None:
    """Name the looks beside the panels, and below them what else is drawn: a name, and how its line looks."""
    handles = [
        plt.Line2D([], [], color=look.colour, marker=look.marker, linestyle=look.dash, markersize=5, label=name)
        for name, look in looks.items()
    ]
    handles += [plt.Line2D([], [], label=name, markersize=4, linewidth=0.8, **look) for name, look in more]
    figure.legend(handles=handles, loc="outside right upper", title=title)


def _log_epochs(axes: Axes, last: int) -> None:
    axes.set_xscale("symlog", linthresh=1, linscale=0.4)
    ticks = [0, *(n * 10**p for p in range(len(str(last))) for n in (1, 2, 5) if n * 10**p <= last)]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()

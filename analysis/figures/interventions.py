"""How does function frequency go with accuracy, per intervention? One name for each metric on the axes."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.look import LOOK

LABELS = {
    "epoch": "epoch",
    "generalization/test_accuracy": "test accuracy",
    "frequency/within_class": "within-class frequency\n(high-frequency share)",
    "frequency/between_class": "between-class frequency\n(high-frequency share)",
}
MARKERS = "osDv^PX<>phd"


def interventions_figure(table: pd.DataFrame) -> Figure:
    """Draw function frequency against test accuracy at each trial's last epoch (above), and by epoch (below).

    `table` has a row per trial and epoch with the columns trial_id, intervention, epoch and the metrics of LABELS.
    Colours are interventions, the same in all four panels; left within-class, right between-class.
    """
    kinds = ("frequency/within_class", "frequency/between_class")
    with plt.rc_context(LOOK):
        figure, panels = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
        colours = _colours(table["intervention"])
        last = table.sort_values("epoch").groupby("trial_id").tail(1)
        for column, kind in enumerate(kinds):
            scatter(panels[0, column], last, x="generalization/test_accuracy", y=kind, colours=colours)
            curves(panels[1, column], table, y=kind, colours=colours)
        handles, names = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside right upper", title="intervention")
    return figure


def scatter(axes: Axes, last: pd.DataFrame, *, x: str, y: str, colours: dict[str, tuple]) -> Axes:
    """Draw a point per row, with a colour and a marker per intervention."""
    for name, (colour, marker) in colours.items():
        rows = last[last["intervention"] == name]
        axes.scatter(rows[x], rows[y], color=colour, marker=marker, s=36, label=name, zorder=3)
    axes.set(xlabel=LABELS[x], ylabel=LABELS[y])
    return axes


def curves(axes: Axes, table: pd.DataFrame, *, y: str, colours: dict[str, tuple]) -> Axes:
    """Draw a line per trial over epochs; the axis is linear up to epoch 1 and logarithmic beyond."""
    for _, rows in table.sort_values("epoch").groupby("trial_id", sort=False):
        colour, marker = colours[rows["intervention"].iloc[0]]
        axes.plot(rows["epoch"], rows[y], color=colour, marker=marker, markersize=3, linewidth=1, alpha=0.8)
    axes.set_xscale("symlog", linthresh=1, linscale=0.4)
    last = int(table["epoch"].max())
    ticks = [0, *(n * 10**p for p in range(len(str(last))) for n in (1, 2, 5) if n * 10**p <= last)]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set(xlabel=LABELS["epoch"], ylabel=LABELS[y])
    return axes


def _colours(names: pd.Series) -> dict[str, tuple]:
    """Return intervention -> (colour, marker); the baseline is first and black."""
    others = sorted(set(names) - {"baseline"})
    palette = plt.get_cmap("tab10" if len(others) <= 10 else "tab20")
    styles = {name: (palette(i % palette.N), MARKERS[i % len(MARKERS)]) for i, name in enumerate(others)}
    return ({"baseline": ("black", "*")} if "baseline" in set(names) else {}) | styles

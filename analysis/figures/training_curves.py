"""How does training move a network through function frequency, epoch and accuracy?"""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.interventions import ACCURACY, KINDS, curves, legend
from analysis.figures.labels import label, wrapped
from analysis.figures.look import LOOK, Style, styles


def training_curves_figure(table: pd.DataFrame) -> Figure:
    """Draw frequency against epoch (above) and against test accuracy (below), left within-class, right between-class.

    `table` has a row per trial and epoch: trial_id, setting, intervention, epoch and the metrics. Trials are thin,
    means over the seeds of a setting thick, and end in a bigger marker. Colours are interventions, the same in all four
    panels.
    """
    means = seed_means(table)
    with plt.rc_context(LOOK):
        figure, panels = plt.subplots(2, 2, figsize=(9.5, 6.6), layout="constrained")
        looks = styles(table["intervention"])
        repeated = table["trial_id"].nunique() > means["trial_id"].nunique()
        for column, kind in enumerate(KINDS):
            for axes, x in zip(panels[:, column], ("epoch", ACCURACY), strict=True):
                if repeated:
                    _thin(axes, table, x=x, y=kind, looks=looks)
                curves(axes, means, x=x, y=kind, looks=looks)
                _ends(axes, means, x=x, y=kind, looks=looks)
        legend(figure, {wrapped(name): look for name, look in looks.items()})
    return figure


def seed_means(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row per setting and epoch at which all its seeds were measured: the means; trial_id is the setting."""
    keys = ["setting", "intervention", "epoch"]
    grouped = table.groupby(keys, sort=False)
    means = grouped[[ACCURACY, *KINDS]].mean().join(grouped["trial_id"].nunique().rename("n")).reset_index()
    most = table.groupby("setting")["trial_id"].nunique()
    return means[means["n"] == means["setting"].map(most)].rename(columns={"setting": "trial_id"})


def _thin(axes: Axes, table: pd.DataFrame, *, x: str, y: str, looks: dict[str, Style]) -> None:
    for _, rows in table.sort_values("epoch").groupby("trial_id", sort=False):
        axes.plot(rows[x], rows[y], color=looks[rows["intervention"].iloc[0]].colour, linewidth=0.5, alpha=0.35)


def _ends(axes: Axes, means: pd.DataFrame, *, x: str, y: str, looks: dict[str, Style]) -> None:
    """Mark the last epoch of each setting."""
    for _, row in means.dropna(subset=[x, y]).sort_values("epoch").groupby("trial_id", sort=False).tail(1).iterrows():
        look = looks[row["intervention"]]
        axes.scatter(row[x], row[y], s=70, color=look.colour, marker=look.marker, edgecolors="white", zorder=4)
    axes.set(xlabel=label(x), ylabel=label(y))

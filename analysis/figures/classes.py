"""How does something go with a property of the classes? A named point per class."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from analysis.figures.look import COLOURS, LOOK

NAMED = 30  # classes that have their names written; of more, those at the ends


def class_scatter(x: np.ndarray, values: np.ndarray, *, names: list[str], x_label: str, y_label: str) -> Figure:
    """Draw the mean over models of values (models, classes) against x (classes,), one standard deviation as a bar."""
    mean, spread = values.mean(axis=0), values.std(axis=0)
    with plt.rc_context(LOOK):
        figure, axes = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
        look: dict[str, Any] = {"fmt": "o", "color": COLOURS[0], "ecolor": "0.7", "markersize": 4, "elinewidth": 1}
        axes.errorbar(x, mean, yerr=spread if len(values) > 1 else None, **look)
        order = np.argsort(mean)
        named = order if len(x) <= NAMED else [*order[: NAMED // 4], *order[-NAMED // 4 :]]
        for i in named:
            place: dict[str, Any] = {"xytext": (5, 3), "textcoords": "offset points", "fontsize": 7.5}
            axes.annotate(names[i], (x[i], mean[i]), **place)
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.margins(x=0.1)
    return figure

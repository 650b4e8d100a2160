"""How far are waves on the labels fitted? By epoch, by the wave's frequency, and by what the wave runs along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.labels import label, wrapped
from analysis.figures.look import Style, style, styles
from analysis.figures.panels import Line, Lines, line_panels

CURVES = (  # the four panels of the paper's figure 1
    "noise_fitting/noisy_train_loss",
    "noise_fitting/noisy_test_loss",
    "generalization/test_loss",
    "noise_fitting/value",
)
GREY = "0.6"


class Curve(NamedTuple):
    """Something measured (points,) at x, its spread over seeds (None: one seed), and where the control stands."""

    label: str
    x: np.ndarray
    y: np.ndarray
    spread: np.ndarray | None = None
    control: float | None = None


class Panel(NamedTuple):
    """A panel of curves."""

    title: str
    x: str  # names, for `label`
    y: str
    curves: Sequence[Curve]
    log: str = ""
    level: float | None = None  # of a constant smoothing, the same for all


def by_epoch_figure(panels: Sequence[Panel], *, control: str) -> Figure:
    """Draw four panels a row against epoch: a line per frequency of the wave, the control in dashed black.

    Noise fitting, the last, has a point at each line's minimum and a grey line from there on, above which it rises
    again if the wave is fitted.
    """
    names = list(dict.fromkeys(curve.label for panel in panels for curve in panel.curves))
    looks = {name: style(place) for place, name in enumerate(sorted(set(names) - {control}, key=float))}
    drawn = []
    for panel in panels:
        lines = []
        for curve in panel.curves:
            look = looks.get(curve.label, Style("black", "", "--"))
            if panel.y == "noise_fitting/value" and np.isfinite(curve.y).any():
                place = int(np.nanargmin(curve.y))
                after = curve.x[place:]
                lines += [
                    Line("_minimum", curve.x[place : place + 1], curve.y[place : place + 1], None, "o", look.colour),
                    Line("minimum", after, np.full(len(after), curve.y[place]), None, "-", GREY),
                ]
            lines.append(Line(wrapped(curve.label), curve.x, curve.y, curve.spread, look.dash, look.colour))
        drawn.append(Lines(panel.title, lines, label(panel.x), label(panel.y), panel.log))
    return line_panels(drawn, legend="noise frequency\n(cycles per unit of L2)", columns=len(CURVES), size=(3.0, 2.7))


def by_wave_figure(
    panels: Sequence[Panel],
    *,
    legend: str,
    ordered: bool = False,
    columns: int = 2,
) -> Figure:
    """Draw panels against a wave's property: points joined by a line per label, the control as a dashed level.

    A curve of one point without a place (x NaN) is a level too, dotted. Labels that are `ordered` have colours in their
    order and the control in common, drawn in black; others are settings, each with its own.
    """
    names = list(dict.fromkeys(curve.label for panel in panels for curve in panel.curves))
    looks = {name: style(place) for place, name in enumerate(names)} if ordered else styles(names)
    drawn = []
    for panel in panels:
        places = np.concatenate([curve.x for curve in panel.curves if np.isfinite(curve.x).all()] or [np.zeros(0)])
        ends = np.array([places.min(), places.max()]) if len(places) else np.array([0.0, 1.0])
        if len(places) and ends[0] == ends[1]:
            ends = ends * np.array([0.8, 1.25])
        lines = []
        for curve in panel.curves:
            look = looks[curve.label]
            if np.isnan(curve.x).any():
                lines.append(Line(wrapped(curve.label), ends, np.repeat(curve.y, 2), None, ":", look.colour))
            else:
                kind = f"{look.marker}{look.dash if len(curve.x) > 1 else ''}"
                lines.append(Line(wrapped(curve.label), curve.x, curve.y, curve.spread, kind, look.colour))
            if curve.control is not None:
                lines.append(
                    Line("_control", ends, np.full(2, curve.control), None, "--", "black" if ordered else look.colour)
                )
        if any(curve.control is not None for curve in panel.curves):
            nowhere = np.full(2, np.nan)
            lines.append(Line("dashed: the uniform control", nowhere, nowhere, None, "--", "black"))
        if panel.level is not None:
            lines.append(Line("grey: constant smoothing", ends, np.full(2, panel.level), None, "--", GREY))
        drawn.append(Lines(panel.title, lines, label(panel.x), label(panel.y), panel.log))
    return line_panels(drawn, legend=legend, columns=columns, size=(3.6, 2.7))


def mean_and_spread(values: pd.DataFrame) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the mean over seeds of values (points x seeds) and their standard deviation, None for one seed."""
    spread = values.std(axis=1, ddof=1).to_numpy() if values.shape[1] > 1 else None
    return values.mean(axis=1).to_numpy(), spread

"""What can be looked into? Figures for a page, as HTML without a network: trials name themselves under the pointer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from analysis.figures.labels import label
from analysis.figures.look import styles
from analysis.inference.rows import setting_text
from specbias.trials.record import is_metric

MARKERS = {"*": "star", "o": "circle", "s": "square", "D": "diamond", "v": "triangle-down", "^": "triangle-up"}
MARKERS |= {"P": "cross", "X": "x", "<": "triangle-left", ">": "triangle-right", "p": "pentagon", "h": "hexagon"}
LAYOUT: dict[str, Any] = {"template": "simple_white", "font": {"size": 12}, "height": 460}


def plotly_script() -> str:
    """Return plotly.js itself, to stand in the page once."""
    return get_plotlyjs()


def trials_scatter(last: pd.DataFrame, *, metrics: list[str], x: str, y: str) -> str:
    """Return a point per trial (row), its two axes chosen from `metrics`; the pointer says label, trial and run."""
    groups = [(name, look, last[last["intervention"] == name]) for name, look in styles(last["intervention"]).items()]
    figure = go.Figure(
        [
            go.Scatter(
                x=_numbers(rows[x]),
                y=_numbers(rows[y]),
                mode="markers",
                name=name,
                text=rows["label"] + "<br>trial " + rows["trial_id"] + "<br>run " + rows["run_id"],
                marker={"color": look.colour, "symbol": MARKERS[look.marker], "size": 9},
                hovertemplate="%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
            )
            for name, look, rows in groups
        ]
    )
    menus = [
        _menu(axis, [chosen, *(name for name in metrics if name != chosen)], [rows for _, _, rows in groups], place)
        for axis, chosen, place in (("y", y, 1.36), ("x", x, 1.2))  # the chosen first: a long list opens at its top
    ]
    figure.update_layout(**LAYOUT, updatemenus=menus, margin={"t": 120, "l": 70, "r": 10, "b": 60})
    figure.update_layout(legend={"orientation": "h", "y": -0.3})
    figure.update_xaxes(title_text=_title(x))
    figure.update_yaxes(title_text=_title(y))
    return _html(figure, "trials")


def _menu(axis: str, metrics: list[str], groups: list[pd.DataFrame], height: float) -> dict[str, Any]:
    """Return the menu that gives an axis of the groups another metric."""
    buttons = [
        {
            "label": metric,
            "method": "update",
            "args": [
                {axis: [_numbers(rows[metric]) for rows in groups]},
                {f"{axis}axis.title.text": _title(metric)},
            ],
        }
        for metric in metrics
    ]
    return {"buttons": buttons, "x": 0, "xanchor": "left", "y": height, "yanchor": "top"}


def trials_parallel(last: pd.DataFrame, *, columns: list[str], colour: str) -> str:
    """Return a line per trial through an axis per setting and metric; a stretch of an axis can be chosen by pointer."""
    sound = last[np.isfinite(last[[name for name in columns if is_metric(name)]].astype(float)).all(axis=1)]
    axes = []
    for name in columns:
        axis: dict[str, Any] = {"label": name.split("/", 1)[-1]}
        if is_metric(name):
            axis |= {"values": sound[name].tolist(), "tickformat": ".3g"}
        else:
            texts = sound[name].map(setting_text)
            levels = list(dict.fromkeys(texts[sound[name].map(_order).sort_values(kind="stable").index]))
            axis |= {"values": [levels.index(text) for text in texts], "tickvals": [*range(len(levels))]}
            axis |= {"ticktext": levels}
        axes.append(axis)
    line = {"color": sound[colour].tolist(), "colorscale": "Viridis", "showscale": True}
    line["colorbar"] = {"title": {"text": _title(colour), "side": "right"}}
    figure = go.Figure(go.Parcoords(dimensions=axes, line=line, labelangle=-20, labelside="bottom"))
    figure.update_layout(**LAYOUT, margin={"t": 40, "l": 60, "r": 60, "b": 110})
    return _html(figure, "parallel")


def _order(value: object) -> tuple[bool, float, str]:
    """Return what sorts levels: numbers by size, then the others by name."""
    number = isinstance(value, (int, float)) and not np.isnan(value)
    return not number, float(value) if isinstance(value, (int, float)) and number else 0.0, str(value)


def _numbers(column: pd.Series) -> list[float | None]:
    """Return numbers that JSON has: none where there is no finite one."""
    return [float(value) if np.isfinite(value) else None for value in column.astype(float)]


def _title(metric: str) -> str:
    return label(metric).replace("\n", "<br>")


def _html(figure: go.Figure, name: str) -> str:
    settings = {"responsive": True, "displaylogo": False}
    return figure.to_html(full_html=False, include_plotlyjs=False, div_id=name, config=settings)

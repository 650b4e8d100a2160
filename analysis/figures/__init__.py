"""How do results look? Results in, figures out: the one place that draws."""

from analysis.figures.interventions import LABELS, curves, interventions_figure, scatter
from analysis.figures.look import LOOK, save
from analysis.figures.panels import HeatMap, Line, Lines, Square, heat_maps, line_panels, squares

__all__ = [
    "LABELS",
    "LOOK",
    "HeatMap",
    "Line",
    "Lines",
    "Square",
    "curves",
    "heat_maps",
    "interventions_figure",
    "line_panels",
    "save",
    "scatter",
    "squares",
]

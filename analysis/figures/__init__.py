"""How do results look? Results in, figures out: the one place that draws."""

from analysis.figures.forest import ForestRow, forest_plot
from analysis.figures.images import ImageRow, image_rows
from analysis.figures.interventions import LABELS, curves, interventions_figure, scatter
from analysis.figures.look import LOOK, save
from analysis.figures.panels import HeatMap, Line, Lines, Square, heat_maps, line_panels, squares

__all__ = [
    "LABELS",
    "LOOK",
    "ForestRow",
    "HeatMap",
    "ImageRow",
    "Line",
    "Lines",
    "Square",
    "curves",
    "forest_plot",
    "heat_maps",
    "image_rows",
    "interventions_figure",
    "line_panels",
    "save",
    "scatter",
    "squares",
]

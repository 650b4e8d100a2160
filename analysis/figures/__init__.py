"""How are results drawn? All figures of analysis/ are made here."""

from analysis.figures.classes import class_scatter
from analysis.figures.forest import ForestRow, forest_plot
from analysis.figures.images import ImageRow, image_rows
from analysis.figures.interventions import curves, interventions_figure, legend, scatter
from analysis.figures.labels import label
from analysis.figures.look import LOOK, save, style, styles
from analysis.figures.panels import HeatMap, Line, Lines, Square, heat_maps, line_panels, squares
from analysis.figures.parallel import bars, parallel_coordinates

__all__ = [
    "LOOK",
    "ForestRow",
    "HeatMap",
    "ImageRow",
    "Line",
    "Lines",
    "Square",
    "bars",
    "class_scatter",
    "curves",
    "forest_plot",
    "heat_maps",
    "image_rows",
    "interventions_figure",
    "label",
    "legend",
    "line_panels",
    "parallel_coordinates",
    "save",
    "scatter",
    "squares",
    "style",
    "styles",
]

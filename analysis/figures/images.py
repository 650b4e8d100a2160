"""What lies on a path? Rows of images, each with its number above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from analysis.figures.look import LOOK


class ImageRow(NamedTuple):
    """Images (n, 3, H, W) in uint8 along something, and a number for each (n,): red where it is not above 0."""

    label: str
    images: np.ndarray
    values: np.ndarray


def image_rows(rows: Sequence[ImageRow]) -> Figure:
    """Draw the rows one below the other, as many images in each."""
    count = len(rows[0].images)
    with plt.rc_context(LOOK | {"axes.grid": False}):
        size = (count * 0.8 + 1.2, len(rows) * 0.95)
        figure, places = plt.subplots(len(rows), count, figsize=size, layout="constrained", squeeze=False)
        for row, line in zip(rows, places, strict=True):
            for image, value, axes in zip(row.images, row.values, line, strict=True):
                axes.imshow(image.transpose(1, 2, 0), interpolation="nearest")
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_visible(False)
                axes.set_title(f"{value:.1f}", fontsize=7, pad=2, color="black" if value > 0 else "tab:red")
            line[0].set_ylabel(row.label, rotation=0, ha="right", va="center", fontsize=7)
    return figure

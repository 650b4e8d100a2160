"""How does something go with a property of the classes? A point per class, and pictures of those at the ends."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure, SubFigure

from analysis.figures.labels import label
from analysis.figures.look import COLOURS, LOOK
from analysis.figures.names import place_names

NAMED = 30  # classes that have their names written; of more, those at the ends
ENDS = 3  # classes of highest, and of lowest diversity, that have pictures
HIGHEST = 4  # classes of highest, and of lowest frequency, that have names too
COLOUR_OF = {"most diverse": COLOURS[1], "least diverse": COLOURS[2]}
MANY = 300  # from more on they are small
LONGEST = 24  # characters of a name


def class_scatter(
    x: np.ndarray,
    y: np.ndarray,
    *,
    spread: np.ndarray | None = None,
    names: Sequence[str],
    of: str,
    frequency: str = "frequency/within_class/fixed_band",
    pictures: Mapping[int, np.ndarray] | None = None,
) -> Figure:
    """Draw `frequency` y against diversity x, the metric `of`, both (classes,), with `spread` as bars.

    `pictures`, class -> images (n, 3, H, W) in uint8, are those of `extremes`: they stand at the right, and their
    points have the colour of their block.
    """
    ends, names = extremes(x), [short(name) for name in names]
    with plt.rc_context(LOOK):
        figure = plt.figure(figsize=(10.4 if pictures else 6.4, 4.4), layout="constrained")
        parts: list[Any] = [figure]
        if pictures:
            parts = [*figure.subfigures(1, 2, width_ratios=(6, 4.4), squeeze=False)[0]]
        axes = parts[0].subplots()
        look: dict[str, Any] = {"fmt": "o", "color": COLOURS[0], "ecolor": "0.75", "elinewidth": 0.8}
        look["markersize"] = 4 if len(x) <= MANY else 2.5
        axes.errorbar(x, y, yerr=spread, **look)
        axes.set(xlabel=label(of), ylabel=label(frequency))
        axes.margins(0.1)
        if pictures:
            _pictures(parts[1], [(side, names[i], pictures[i]) for side, classes in ends.items() for i in classes])
            for side, classes in ends.items():
                axes.plot(x[classes], y[classes], "o", color=COLOUR_OF[side], markersize=5, zorder=4)
        bars = np.zeros(len(x)) if spread is None else spread
        avoid = np.concatenate([np.column_stack([x, y + share * bars]) for share in (-1, -0.5, 0.5, 1)])
        place_names(axes, x, y, {i: names[i] for i in _named(x, y)}, avoid=avoid)
    return figure


def extremes(x: np.ndarray) -> dict[str, list[int]]:
    """Return the classes of highest and those of lowest x (classes,), the extreme first."""
    order = np.argsort(x, kind="stable").tolist()
    count = min(ENDS, len(order) // 2)
    return dict(zip(COLOUR_OF, (order[::-1][:count], order[:count]), strict=True))


def short(name: str) -> str:
    """Return the first of a class's names, cut where it is long."""
    return textwrap.shorten(name.partition(",")[0], LONGEST, placeholder="…") or name[:LONGEST]


def _named(x: np.ndarray, y: np.ndarray) -> list[int]:
    """Return the classes that have their names written, the most telling first."""
    order = np.argsort(y, kind="stable").tolist()
    others = order if len(order) <= NAMED else [*order[::-1][:HIGHEST], *order[:HIGHEST]]
    return list(dict.fromkeys([*(i for side in extremes(x).values() for i in side), *others]))


def _pictures(figure: SubFigure, rows: Sequence[tuple[str, str, np.ndarray]]) -> None:
    """Draw a row of images per class, its name at their left, and its side above the first of these."""
    places = figure.subplots(len(rows), 2, width_ratios=(1, 3.2), squeeze=False)
    for number, ((title, name, images), (left, right)) in enumerate(zip(rows, places, strict=True)):
        said = textwrap.fill(name, 14, break_on_hyphens=False)
        left.text(1, 0.5, said, ha="right", va="center", fontsize=8)
        right.imshow(_strip(images))
        right.set_anchor("W")
        for axes in (left, right):
            axes.set_axis_off()
        if number == 0 or rows[number - 1][0] != title:
            right.set_title(title, color=COLOUR_OF[title], fontsize=9, fontweight="bold", loc="left")


def _strip(images: np.ndarray) -> np.ndarray:
    """Return images (n, 3, H, W) side by side with white between: (H, W', 3)."""
    height, width = images.shape[2:]
    gap = np.full((height, max(1, width // 16), 3), 255, dtype=np.uint8)
    parts = [part for image in images for part in (image.transpose(1, 2, 0), gap)]
    return np.concatenate(parts[:-1], axis=1)

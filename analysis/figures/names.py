"""Where do the names of points stand, so that none hides another?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

DIRECTIONS = [(1, 1), (-1, 1), (1, -1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1)]  # looked at in this order
DIRECTIONS += [(2 * i, j) for i in (1, -1) for j in (1, -1)] + [(i, 2 * j) for i in (1, -1) for j in (1, -1)]
DISTANCES = (3, 7, 12, 18, 26, 36, 48, 62)  # from a point to its name, in points of 1/72 inch, as all lengths here
FAR = 12  # from here on a line leads to it, as where another point is as near
GAP = 2.0  # around a name, and a line
SIZE = 7.5
SIDES = {1: ("left", "bottom"), 0: ("center", "center"), -1: ("right", "top")}


class Place(NamedTuple):
    """Where a name may stand: its distance and offset from its point, and on which side, the box it fills."""

    distance: float
    offset: np.ndarray
    side: tuple[int, int]
    box: Bbox


class Taken(NamedTuple):
    """What is on the axes: the window, names, all points (n, 2), and whatever else no name may hide (k, 2)."""

    window: Bbox
    boxes: list[Bbox]
    points: np.ndarray
    others: list[np.ndarray]


def place_names(axes: Axes, x: np.ndarray, y: np.ndarray, names: Mapping[int, str], *, avoid: np.ndarray) -> None:
    """Write names beside some of the points (x, y), by number, hiding no point, no other name and nothing to `avoid`.

    x, y (n,) and avoid (k, 2) are in data, and finite. Names come in their order: one without a place is left out.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # now the layout is known
    scale = 72 / figure.dpi
    points, hidden = (axes.transData.transform(each) * scale for each in (np.column_stack([x, y]), avoid))
    taken = Taken(_scaled(axes.get_window_extent(), scale), [], points, [hidden])
    for number, name in names.items():
        text = axes.text(0, 0, name, fontsize=SIZE)
        extent = _scaled(text.get_window_extent(), scale)
        text.remove()
        found = _best(number, taken, extent.width, extent.height)
        if found is not None:
            place, line = found
            taken.boxes.append(place.box)
            taken.others.append(line)
            _write(axes, name, (x[number], y[number]), place, leads=len(line) > 0)


def _best(number: int, taken: Taken, width: float, height: float) -> tuple[Place, np.ndarray] | None:
    """Return the nearest place for a name of that size, and points on the line that leads to it, none where it is by.

    A place that another point is as near to counts as farther by FAR.
    """
    point, others = taken.points[number], np.delete(taken.points, number, axis=0)
    hidden = np.concatenate([taken.points, *taken.others])
    crossed = np.concatenate([others, *taken.others[1:]])
    best, found = np.inf, None
    for place in _places(point, width, height):
        if place.distance >= best:
            break
        near = _reach(place.box, others) <= place.distance
        cost = place.distance + FAR * near
        leads = near or place.distance >= FAR
        line = np.linspace(point, point + place.offset, 25 if leads else 0)
        if cost < best and _free(place.box, line, taken, hidden, crossed):
            best, found = cost, (place, line)
    return found


def _places(point: np.ndarray, width: float, height: float) -> Iterator[Place]:
    """Yield where a name of that size may stand, the nearest first."""
    for distance in DISTANCES:
        for direction in DIRECTIONS:
            offset = distance * np.array(direction) / np.hypot(*direction)
            right, up = np.sign(direction)
            left, low = point + offset + np.array([width * (right - 1), height * (up - 1)]) / 2
            box = Bbox.from_bounds(left - GAP, low - GAP, width + 2 * GAP, height + 2 * GAP)
            yield Place(distance, offset, (int(right), int(up)), box)


def _free(box: Bbox, line: np.ndarray, taken: Taken, hidden: np.ndarray, crossed: np.ndarray) -> bool:
    """Whether the box is in the window and hides none of the points (k, 2), and its line keeps away from the others."""
    window = taken.window
    if box.x0 < window.x0 or box.x1 > window.x1 or box.y0 < window.y0 or box.y1 > window.y1:
        return False
    if _reach(box, hidden) <= 0 or any(box.overlaps(other) or _reach(other, line) <= 0 for other in taken.boxes):
        return False
    return bool(np.hypot(*(line[:, None] - crossed).T).min(initial=np.inf) > GAP)


def _reach(box: Bbox, points: np.ndarray) -> float:
    """Return the distance from the box to the nearest of the points (k, 2), 0 inside."""
    outside = np.maximum(np.maximum(box.min - points, points - box.max), 0)
    return float(np.hypot(*outside.T).min(initial=np.inf))


def _scaled(box: Bbox, scale: float) -> Bbox:
    return Bbox(box.get_points() * scale)


def _write(axes: Axes, name: str, point: tuple[float, float], place: Place, *, leads: bool) -> None:
    right, up = place.side
    line: dict[str, Any] = {"arrowstyle": "-", "color": "0.5", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2}
    line["relpos"] = ((1 - right) / 2, (1 - up) / 2)
    look: dict[str, Any] = {"ha": SIDES[right][0], "va": SIDES[up][1], "fontsize": SIZE, "zorder": 5}
    look |= {"textcoords": "offset points", "arrowprops": line if leads else None}
    text = axes.annotate(name, point, (float(place.offset[0]), float(place.offset[1])), **look)
    text.set_path_effects([patheffects.withStroke(linewidth=2, foreground="white")])
    text.set_in_layout(False)

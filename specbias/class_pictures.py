"""How do classes differ in one measurement? Panels on given Axes: every two of them, and each within itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from specbias.look import COLOUR_OF
from specbias.pictures import KINDS, NORMAL, Arrays, Record, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WRITTEN, NAMED = 15, 30  # classes whose numbers are written into a table, and that are named on an axis, at most


def class_means(arrays: Arrays, kind: str) -> dict[tuple[int, int], float]:
    """Return (class, class) -> the mean share above the band over the paths between them that have one."""
    from specbias.measurement.correction import column  # and torch

    prefix = f"frequency/{kind}"
    values = column(arrays, prefix, "fixed_band" if f"{prefix}/fixed_band" in arrays else "share")
    ends = np.stack([arrays[f"{prefix}/first_class"], arrays[f"{prefix}/second_class"]], 1)
    known = np.isfinite(values)
    pairs, place = np.unique(ends[known], axis=0, return_inverse=True)
    means = np.bincount(place.ravel(), values[known]) / np.bincount(place.ravel())
    return {(int(a), int(b)): float(mean) for (a, b), mean in zip(pairs, means, strict=True)}


def draw_class_pairs(axes: Axes, arrays: Arrays, names: Sequence[str] = ()) -> None:
    """Draw the mean share between every two classes as a heat map; within each class it is written on the diagonal."""
    within, between = (class_means(arrays, kind) for kind in KINDS)
    count = max([len(names), *(1 + max(pair) for pair in (within | between))])
    names = [shortened(name) for name in names] or [str(label) for label in range(count)]
    table = np.full((count, count), np.nan)
    for (a, b), mean in between.items():
        table[a, b] = table[b, a] = mean
    axes.set_facecolor("0.93")
    drawn = axes.pcolormesh(np.ma.masked_invalid(table), cmap="viridis", rasterized=count > WRITTEN)
    bar = axes.get_figure(root=True).colorbar(drawn, ax=axes, fraction=0.05, pad=0.02)  # type: ignore[union-attr]
    bar.set_label("share above the band")
    if count <= WRITTEN:
        for (label, _), mean in within.items():
            axes.text(label + 0.5, label + 0.5, f"{mean:.2f}"[1:], ha="center", va="center", fontsize=6)
    shown = range(0, count, max(1, -(-count // NAMED)))
    axes.set_xticks([label + 0.5 for label in shown], [names[label] for label in shown], rotation=90, fontsize=6)
    axes.set_yticks([label + 0.5 for label in shown], [names[label] for label in shown], fontsize=6)
    axes.set(aspect="equal", title="between classes; diagonal: within each" if count <= WRITTEN else "between classes")
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)


def draw_classes(axes: Axes, record: Record) -> None:
    """Draw the mean share within each class, in order, with 95% intervals over images."""
    found = [(label, each) for label, each in record["per_class"].items() if each.get("fixed_band") is not None]
    found.sort(key=lambda row: row[1]["fixed_band"])
    shown = found[:: max(1, -(-len(found) // NAMED))]
    for place, (_, each) in enumerate(shown):
        error = each["standard_errors"]["fixed_band"]
        spread = None if error is None else NORMAL * error
        axes.errorbar(each["fixed_band"], place, xerr=spread, fmt="o", markersize=3, color=COLOUR_OF["within_class"])
    names = record["class_names"]
    axes.set_yticks(range(len(shown)), [shortened(names[int(c)]) if names else c for c, _ in shown], fontsize=6)
    axes.set(xlabel="share within the class above the band", ylim=(-0.7, len(shown) - 0.3))

"""How do networks differ? One picture: their spectra on one axis, the differences, and these class by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from specbias.class_pictures import NAMED
from specbias.look import COLOURS, DASH_OF
from specbias.pictures import KINDS, SCALARS, Arrays, draw_spectrum, shade_band, share_of, shortened
from specbias.pictures import spectrum_of as spectrum
from specbias.portraits import COLUMN, WIDTH, new_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osDv^P"
HEIGHT = 0.45  # cm of a line in a list of differences


def draw_comparison(
    measured: Sequence[tuple[str, Arrays]], rows: Sequence[Any], names: Sequence[str], *, width: float = WIDTH
) -> Figure:
    """Draw measurements, by name, and their differences, Compared rows; `names` are those of the classes."""
    whole = [row for row in rows if row.classes is None and row.kind]
    of_classes = [row for row in rows if row.classes is not None]
    count = min(len({row.classes for row in of_classes}), NAMED)
    others = len(measured) - 1
    lists = max(len({(row.kind, row.scalar) for row in whole}), count) * HEIGHT * max(1.0, 0.6 * others) + 1.8
    wide = width >= COLUMN
    spectra = 0.42 * width if wide else 0.8 * width
    heights = [spectra, lists] if wide else [spectra, spectra, lists, lists]
    with new_picture(width, sum(heights)) as figure:
        parts = figure.subfigures(len(heights), 1, height_ratios=heights)
        places = [axes for part in parts for axes in part.subplots(1, 2 if wide else 1, squeeze=False)[0]]
        for axes, kind in zip(places[:2], KINDS, strict=True):
            draw_all_spectra(axes, measured, kind)
        draw_differences(places[2], whole)
        draw_class_differences(places[3], of_classes, names)
    return figure


def draw_all_spectra(axes: Axes, measured: Sequence[tuple[str, Arrays]], kind: str) -> None:
    """Draw the mean spectra of one kind of paths of all measurements on one axis, each with its share in the legend."""
    for place, (name, arrays) in enumerate(measured):
        share = share_of(arrays, kind)
        label = f"{shortened(name, 20)} ({share.value:.3f})"
        dash = DASH_OF["within_class" if place == 0 else "between_class"]
        draw_spectrum(axes, spectrum(arrays, kind), label=label, colour=COLOURS[place % len(COLOURS)], dash=dash)
    shade_band(axes, share.band)
    axes.set_title(KINDS[kind])
    axes.legend(loc="lower left", title=f"share above {share.band:g}", title_fontsize=7, alignment="left")


def draw_differences(axes: Axes, rows: Sequence[Any]) -> None:
    """Draw the differences over all paths with 95% intervals, each in per cent of the first network's value."""
    wanted = list(dict.fromkeys((row.kind, row.scalar) for row in rows if row.first))
    labels = [f"{SCALARS[scalar]}, {KINDS[kind].split()[0]}" for kind, scalar in wanted]
    _list(axes, rows, [(row.kind, row.scalar) for row in rows], wanted, labels, relative=True)
    axes.set(xlabel="difference (% of the first's)", title="over all paths")


def draw_class_differences(axes: Axes, rows: Sequence[Any], names: Sequence[str]) -> None:
    """Draw the difference of the share within each class with its 95% interval: at most NAMED classes, evenly taken."""
    wanted = list(dict.fromkeys(row.classes for row in rows))
    wanted = wanted[:: max(1, -(-len(wanted) // NAMED))]
    labels = [shortened(str(names[a])) if len(names) > a else str(a) for a, _ in wanted]
    _list(axes, rows, [row.classes for row in rows], wanted, labels, relative=False)
    axes.set(xlabel="difference of the share", title="within each class, above the band")


def _list(
    axes: Axes,
    rows: Sequence[Any],
    keys: Sequence[Any],
    wanted: Sequence[Any],
    labels: Sequence[str],
    *,
    relative: bool,
) -> None:
    """Draw differences as points with intervals, a line for each of the wanted keys, from the top."""
    networks = list(dict.fromkeys(row.network for row in rows))
    axes.axvline(0, color="0.5", linewidth=0.6)
    for number, network in enumerate(networks):
        colour, marker = COLOURS[(number + 1) % len(COLOURS)], MARKERS[number % len(MARKERS)]
        label: str | None = shortened(network, 20)
        for row, key in zip(rows, keys, strict=True):
            if row.network != network or key not in wanted:
                continue
            scale = 100 / abs(row.first) if relative else 1.0
            low, high = (scale * each for each in row.difference.interval or (row.difference.statistic,) * 2)
            place = wanted.index(key) + 0.6 * ((number + 0.5) / len(networks) - 0.5)
            look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 3.5, "label": label}
            middle = scale * row.difference.statistic
            axes.errorbar(middle, place, xerr=[[middle - low], [high - middle]], **look)
            label = None
    axes.set_yticks(range(len(wanted)), labels, fontsize=6.5)
    axes.set_ylim(len(wanted) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    if len(networks) > 1:
        axes.legend(loc="best")

"""What is the same in all figures? One look, colours that colour-blind readers can tell apart, one way to save."""

from __future__ import annotations

import pickle
import textwrap
from collections.abc import Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.text import Text  # noqa: E402

from specbias import look as pictures  # noqa: E402

LOOK: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text is text
    "pdf.fonttype": 42,
    "svg.hashsalt": "specbias",  # the same figure gives the same file
}
COLOURS = (  # those of measured networks, then Tol's and Brewer's that lie farthest from those before them
    *(*pictures.COLOURS, "#332288", "#DDCC77", "#661100", "#5AAE61"),
    *("#762A83", "#01665E", "#8C510A", "#88CCEE", "#999933", "#1B7837", "#4393C3", "#80CDC1", "#40004B", "#003C30"),
)
MARKERS = "osDv^PX<>ph"  # as many as give every pair with a colour once
SINGLE = 6  # panels, up to which a page shows each alone
BAR = "<colorbar>"  # matplotlib's label of a colour bar's axes
CM = 2.54  # to an inch
DASHED = 6  # things with one dash
DASHES = ("-", "--", ":", "-.")


class Style(NamedTuple):
    """How one thing is drawn wherever it appears."""

    colour: Any
    marker: Any
    dash: Any


def style(number: int) -> Style:
    """Return the look of the so-maniest thing: colours repeat after 20, but then with other markers and dashes."""
    dash = DASHES[number // DASHED % len(DASHES)]
    return Style(COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)], dash)


def styles(names: Any) -> dict[str, Style]:
    """Return intervention -> its look; the baseline is first, black and a star."""
    others = sorted(set(names) - {"baseline"})
    found = {"baseline": Style("black", "*", "-")} if "baseline" in set(names) else {}
    return found | {name: style(number) for number, name in enumerate(others)}


def save(
    figure: Figure,
    folder: Path,
    name: str,
    *,
    caption: str = "",
    formats: Sequence[str] = ("png", "svg"),
    width: float | None = None,
    dpi: int | None = None,
) -> list[Path]:
    """Write the figure in these formats, the caption below it, and return the paths.

    With a `width` (cm) it is for a paper: without the caption, and beside it each of several panels alone, so wide,
    as NAME_a, NAME_b, ...
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = {name: figure}
    with plt.rc_context(LOOK):
        if width is not None:
            alone = single_panels(figure, width / CM)
            figures |= {f"{name}_{letter}": each for letter, each in zip(ascii_lowercase, alone, strict=False)}
        elif caption:
            lines = textwrap.wrap(caption, int(figure.get_figwidth() * 17))
            figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=7.5, color="0.3")
        paths = {folder / f"{stem}.{kind}": each for stem, each in figures.items() for kind in formats}
        for path, each in paths.items():
            undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
            each.savefig(path, dpi=dpi or (160 if width is None else 300), metadata=undated.get(path.suffix))
    for each in figures.values():
        plt.close(each)
    return [*paths]


def panel_count(figure: Figure) -> int:
    """Return how many panels a figure has that can stand alone; 1 where it is of parts that belong together."""
    return 1 if figure.subfigs else len(_panels(figure))


def single_panels(figure: Figure, width: float) -> list[Figure]:
    """Return each panel of a figure as one of its own, `width` inches wide: its axes, colour bar and legend below."""
    count = len(_panels(figure))
    return [_alone(pickle.loads(pickle.dumps(figure)), number, width) for number in range(count)]


def _panels(figure: Figure) -> list[Axes]:
    """Return the axes that hold data: none of a colour bar, and none that are hidden."""
    return [axes for axes in figure.axes if axes.get_label() != BAR and axes.axison]


def _alone(figure: Figure, number: int, width: float) -> Figure:
    """Return the figure with one of its panels left, in its shape, with the legend below and the colour bar beside."""
    figure.draw_without_rendering()  # now the panel's shape is known
    kept = _panels(figure)[number]
    labels = [axes.get_ylabel() for axes in figure.axes if axes.get_label() == BAR]
    if not kept.get_ylabel():
        kept.set_ylabel(max((axes.get_ylabel() for axes in kept.get_shared_y_axes().get_siblings(kept)), key=len))
    kept.tick_params(labelleft=True, labelbottom=True)  # which panels may have shared
    shape = kept.get_window_extent().height / kept.get_window_extent().width
    named: list[Any] = [
        (each.legend_handles, [text.get_text() for text in each.get_texts()]) for each in figure.legends
    ]
    for axes in figure.axes:
        if axes is not kept:
            axes.remove()
    for legend in list(figure.legends):
        legend.remove()
    kept.set_subplotspec(figure.add_gridspec(1, 1)[0])
    coloured = [each for each in (*kept.collections, *kept.images) if each.get_array() is not None]
    if labels and coloured:
        figure.colorbar(coloured[0], ax=kept, label=labels[0])
    rows = 0
    for artists, names in named:
        columns = max(1, int(width * 17 / (max(map(len, names)) + 6)))
        rows += -(-len(names) // columns)
        figure.legend(artists, names, loc="outside lower center", ncols=columns, fontsize=7)
    figure.set_size_inches(width, 0.75 * shape * width + 0.5 + 0.15 * rows)
    for text in figure.findobj(Text):
        text.set_fontsize(min(text.get_fontsize(), 8))
    return figure

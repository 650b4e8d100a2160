"""What is the same in all figures? One look, colours that colour-blind readers can tell apart, one way to save."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

LOOK: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "specbias",  # the same figure gives the same file
}
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito 2008, without yellow
MARKERS = "osDv^PX<>ph"  # as many as give every pair with a colour once
DASHES = ("-", "--", ":", "-.")


class Style(NamedTuple):
    """How one thing is drawn wherever it appears."""

    colour: Any
    marker: Any
    dash: Any


def style(number: int) -> Style:
    """Return the look of the so-maniest thing: colours repeat after 6, but then with other markers and dashes."""
    dash = DASHES[number // len(COLOURS) % len(DASHES)]
    return Style(COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)], dash)


def styles(names: Any) -> dict[str, Style]:
    """Return intervention -> its look; the baseline is first, black and a star."""
    others = sorted(set(names) - {"baseline"})
    found = {"baseline": Style("black", "*", "-")} if "baseline" in set(names) else {}
    return found | {name: style(number) for number, name in enumerate(others)}


def save(figure: Figure, folder: Path, name: str, *, caption: str = "") -> list[Path]:
    """Write the figure as PNG and SVG, the caption below it, and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{kind}" for kind in ("png", "svg")]
    with plt.rc_context(LOOK):
        if caption:
            lines = textwrap.wrap(caption, int(figure.get_figwidth() * 17))
            figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=7.5, color="0.3")
        for path in paths:
            figure.savefig(path, dpi=160, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
    return paths

"""How do all pictures look? Colours that colour-blind readers can tell apart, dashes, and matplotlib's settings."""

from __future__ import annotations

from typing import Any

# Okabe and Ito (2008) without yellow
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
COLOUR_OF = {"within_class": COLOURS[0], "between_class": COLOURS[1]}  # by the kind of path
DASH_OF = {"within_class": "-", "between_class": "--"}
LOOK: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "svg.fonttype": "none",  # text stays text
    "pdf.fonttype": 42,
    "svg.hashsalt": "specbias",  # the same picture gives the same file
}

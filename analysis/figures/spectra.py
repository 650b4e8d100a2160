"""Which frequencies do networks have, and which come first? Mean spectra by setting, and over epochs as a heat map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from analysis.figures.look import LOOK, style
from analysis.figures.panels import HeatMap, heat_maps
from analysis.inference.rows import setting_text
from analysis.questions.mean_spectra import ByEpoch, OfOne
from analysis.tables.conditions import BASELINE
from specbias.pictures import FREQUENCY, KINDS, draw_spectrum, shade_band

TITLES = {"": "", "others": "other interventions", "settings": "by setting"}  # of groups that are no intervention
MOST = 8  # rows of a figure


def spectra_figure(groups: Mapping[str, Sequence[OfOne]]) -> Figure:
    """Draw mean spectra, a row per group and a column per kind of path, with 95% bands over images.

    The levels of an intervention have the colours of a ramp, from dark to light, and the baseline is black and dashed;
    networks that have no order have colours of their own. The share above the band, which is shaded, stands in the
    legend behind each name.
    """
    shown = dict([*groups.items()][:MOST])
    kinds = [kind for kind in KINDS if any(kind in one.spectra for own in shown.values() for one in own)]
    size = (4.5 * len(kinds), 3.3 * len(shown))
    with plt.rc_context(LOOK):
        figure, panels = plt.subplots(len(shown), len(kinds), figsize=size, layout="constrained", squeeze=False)
        for line, (name, own) in zip(panels, shown.items(), strict=True):
            for axes, kind in zip(line, kinds, strict=True):
                there = [one for one in own if kind in one.spectra]
                for one, look in zip(there, _looks(there, ordered=bool(name) and name == one_name(there)), strict=True):
                    text = f"{_level(one, name)}: {one.shares[kind].value:.3f}"
                    draw_spectrum(axes, one.spectra[kind], label=text, **look)
                band = there[0].shares[kind].band
                shade_band(axes, band, f"shaded: above {band:g}")
                title = f"{KINDS[kind]}, {TITLES.get(name, f'by {name}')}".removesuffix(", ")
                axes.set_title(title, fontsize=9)
                axes.legend(loc="lower left", fontsize=7, title="share above", title_fontsize=7)
    return figure


def one_name(own: Sequence[OfOne]) -> str:
    """Return the intervention that all but the baseline have in common; empty where they have several."""
    names = {one.intervention for one in own if one.name != BASELINE}
    return names.pop() if len(names) == 1 else ""


def by_epoch_figure(found: ByEpoch) -> Figure:
    """Draw amplitude over epochs and frequency, as a share of the last epoch's, a panel per kind of path.

    As figure 2 of Rahaman et al. (ICML 2019), who take it as a share of the target's: here there is no target.
    """
    values = {kind: (amplitude / amplitude[-1]).T for kind, amplitude in found.amplitude.items()}
    epochs = [setting_text(int(epoch)) for epoch in found.epochs]
    highest = max(float(np.nanquantile(each, 0.98)) for each in values.values())
    panels = [HeatMap(KINDS[kind], epochs, found.frequency, each) for kind, each in values.items()]
    colour = "amplitude (share of the last epoch's)"
    return heat_maps(
        panels, x="epoch", y=FREQUENCY.replace(" (", "\n("), colour=colour, limits=(0, min(max(highest, 1), 2))
    )


def _looks(own: Sequence[OfOne], *, ordered: bool) -> list[dict[str, Any]]:
    """Return colour and dash of each: a ramp where they are levels of one thing, the baseline black and dashed."""
    others = [one for one in own if one.name != BASELINE]
    ramp = plt.get_cmap("viridis")(np.linspace(0, 0.88, max(len(others), 1)))
    colours = {one.name: ramp[i] if ordered else style(i).colour for i, one in enumerate(others)}
    dashes = {one.name: "-" if ordered else style(i).dash for i, one in enumerate(others)}
    return [{"colour": colours.get(one.name, "black"), "dash": dashes.get(one.name, "--")} for one in own]


def _level(one: OfOne, group: str) -> str:
    """Return what a line is called in a panel of its group: its level, or its whole name."""
    return setting_text(one.level) if group and group == one.intervention else one.name

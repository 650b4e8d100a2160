"""Does a share step where a path is longer by two samples? Mean shares by length, in both forms."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from analysis.figures.labels import PATHS
from analysis.figures.look import LOOK, style

FORMS = {"released": "released share", "fixed_band": "share above a fixed band"}
EVERY = 20  # samples: where the first bin that the released share counts steps up


def draw_path_length(lengths: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Draw by kind of path the mean of both shares against the number of samples, and where the released one steps."""
    with plt.rc_context(LOOK):
        figure, panels = plt.subplots(1, len(lengths), figsize=(8.4, 3.2), layout="constrained", squeeze=False)
        for axes, (kind, found) in zip(panels[0], lengths.items(), strict=True):
            samples = found["samples"]
            for number, (form, said) in enumerate(FORMS.items()):
                look, error = style(number), 1.96 * found[f"{form}_error"]
                axes.plot(samples, found[form], look.marker, ls="-", ms=3, color=look.colour, label=said)
                ends = found[form] - error, found[form] + error
                axes.fill_between(samples, *ends, color=look.colour, alpha=0.2, lw=0)
            for step in range(EVERY, int(samples.max()) + 1, EVERY):
                if step >= samples.min():
                    axes.axvline(step, color="0.5", ls=":", lw=1)
            axes.set(title=f"{PATHS[kind]} paths", xlabel="samples on a path", ylabel="high-frequency share")
        panels[0][0].legend(title=f"dotted: steps, every {EVERY} samples; bands: 95%", title_fontsize=8, fontsize=8)
    return figure

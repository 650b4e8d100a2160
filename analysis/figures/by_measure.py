"""Which claims hold under which measure of frequency? A line per claim, a mark with its interval per measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.labels import PATHS, wrapped
from analysis.figures.look import LOOK, style
from analysis.questions.by_intervention import KINDS

if TYPE_CHECKING:
    from analysis.questions.by_measure import Row

APART = 0.15  # of a line's height, from one measure to the next
END = 1.08  # of the axis, so that a mark at 1 is whole
LONGEST = 24  # characters of a line's name before it goes on below


def by_measure_figure(rows: Sequence[Row]) -> Figure | None:
    """Draw the claims that are rank correlations, a panel per kind of path; the side that the paper claims is grey.

    None where there are none.
    """
    from analysis.questions.by_measure import MEASURES, RISES, SLOPE

    drawn = [row for row in rows if row.name not in (RISES, SLOPE)]
    if not drawn:
        return None
    names = list(dict.fromkeys(row.name for row in drawn))
    measures = [name for name in MEASURES.values() if any(name in row.claims for row in drawn)]
    looks = {name: style(number) for number, name in enumerate(MEASURES.values())}  # the same in all figures
    with plt.rc_context(LOOK):
        size = (8.6, 0.2 * len(measures) * len(names) + 1.4)
        figure, places = plt.subplots(1, len(KINDS), figsize=size, sharey=True, layout="constrained")
        for axes, (kind, rises) in zip(places, KINDS.items(), strict=True):
            axes.axvspan(*((0, END) if rises else (-END, 0)), color="0.93", zorder=0, label="claimed by the paper")
            axes.axvline(0, color="0.5", linewidth=0.8, zorder=1)
            for row in drawn:
                if row.kind == kind:
                    _line(axes, names.index(row.name), row, {name: looks[name] for name in measures})
            axes.set(xlim=(-END, END), xticks=(-1, -0.5, 0, 0.5, 1))
            axes.set_xlabel(f"{PATHS[kind.removeprefix('frequency/')]} frequency:\nrank correlation with test accuracy")
            axes.grid(axis="y", visible=False)
        places[0].set_yticks(range(len(names)), [wrapped(_short(name), LONGEST) for name in names])
        places[0].set_ylim(len(names) - 0.4, -0.6)
        handles, labels = places[0].get_legend_handles_labels()
        known = dict(zip(labels, handles, strict=True))
        known["claimed by the paper"] = known.pop("claimed by the paper")  # last
        figure.legend(known.values(), known.keys(), loc="outside upper center", ncols=3)
    return figure


def _line(axes: Axes, place: int, row: Row, looks: dict) -> None:
    middle = (len(looks) - 1) / 2
    for number, (measure, look) in enumerate(looks.items()):
        if (claim := row.claims.get(measure)) is not None and claim.verdict != "undefined":
            y = place + APART * (number - middle)
            if claim.interval is not None:
                axes.plot(claim.interval, [y, y], color=look.colour, linewidth=1.4)
            axes.plot([claim.statistic], [y], look.marker, color=look.colour, markersize=5, label=measure, ls="none")


def _short(name: str) -> str:
    """Return a claim's name as it stands beside its line."""
    from analysis.questions.by_measure import AMONG, GIVEN, OVERALL

    known = {OVERALL: "all settings", GIVEN: "at equal training loss and intervention"}
    return known.get(name, name.removeprefix(AMONG).strip().replace("_", " "))

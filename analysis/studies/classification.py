"""Which classes along a flower can be learned? Experiment 6: accuracy by frequency and petals, and figure 7."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from analysis.figures import HeatMap, Square, heat_maps, squares
from analysis.findings import Findings, plain
from analysis.inference.claim import Claim, judge
from analysis.inference.learning_time import rank_correlation, smooth
from analysis.studies.trial import Trial, by_settings

KEYS = ("petals", "frequency")
EXTENT = 1.6  # of the square that functions are drawn on
SATURATED = 0.995  # a frequency that is learned as well as this with any number of petals says nothing about them
FIGURE_7 = (20, 200)  # petals and frequency


class Cells(NamedTuple):
    """The trials by petals (rows) and frequency (columns); None where there is none."""

    petals: list[int]
    frequencies: list[int]
    trials: list[list[Trial | None]]

    def table(self, name: str) -> np.ndarray:
        """Return the average over runs, at the end, of an array: (petals, frequencies), NaN where no trial is."""
        return np.array([[np.nan if t is None else last(t, name).mean() for t in row] for row in self.trials])


def classification(trials: list[Trial]) -> Findings:
    """Return what experiment 6 finds (Rahaman et al. 2019, figures 7 and 9)."""
    cells = cells_of(trials)
    accuracy, share = cells.table("accuracy"), cells.table("majority_share")
    found = Findings(claims=order_claims(cells))
    found.numbers = {"petals": cells.petals, "frequencies": cells.frequencies}
    found.numbers |= {"accuracy": plain(accuracy), "majority_share": plain(share)}
    texts = np.empty(accuracy.shape, dtype=object)
    for cell, value in np.ndenumerate(accuracy):
        texts[cell] = "" if np.isnan(value) else f"{value:.2f}\n({share[cell]:.2f})"
    grid = HeatMap("", cells.frequencies, cells.petals, accuracy, texts)
    label = "accuracy (in brackets: a constant's)"
    found.figures["accuracy"] = heat_maps([grid], x="frequency k", y="petals", colour=label, limits=(0.5, 1))
    found.figures["maps"] = _maps_figure(cells)
    return found


def cells_of(trials: list[Trial]) -> Cells:
    """Arrange the trials by petals and frequency."""
    found = by_settings(trials, *KEYS)
    petals, frequencies = (sorted({key[i] for key in found}) for i in (0, 1))
    return Cells(petals, frequencies, [[found.get((count, k)) for k in frequencies] for count in petals])


def last(trial: Trial, name: str) -> np.ndarray:
    """Return an array's value for each run at the end, freed of a spike there: (runs,)."""
    values = trial[name]
    return values if values.ndim == 1 else smooth(values)[:, -1]


def order_claims(cells: Cells) -> list[Claim]:
    """Return the claims that accuracy rises with petals at a frequency, and falls with frequency on a flower.

    Each is the average of rank correlations: over the frequencies that are not learned on every flower, and over the
    flowers. Constant ones are left out. Between frequencies it is the `skill`: what a constant gets differs.
    """
    table = cells.table("accuracy")
    unsaturated = [i for i in range(table.shape[1]) if np.nanmin(table[:, i]) < SATURATED]
    accuracy = [[None if t is None else last(t, "accuracy") for t in row] for row in cells.trials]
    skills = [[None if t is None else skill(t) for t in row] for row in cells.trials]
    columns = [[row[i] for row in accuracy] for i in unsaturated]
    left_out = [str(k) for i, k in enumerate(cells.frequencies) if i not in unsaturated]
    note = f"without k = {', '.join(left_out)}: learned on all" if left_out else ""
    claims = []
    if len(cells.petals) > 1 and columns:
        claims.append(_claim("rho(petals, accuracy), mean over k", cells.petals, columns, at_least=0.8, note=note))
    if len(cells.frequencies) > 1:
        claims.append(
            _claim("rho(k, accuracy above a constant's), mean over petals", cells.frequencies, skills, at_most=-0.8)
        )
    return claims


def skill(trial: Trial) -> np.ndarray:
    """Return how much of the way from a constant's accuracy to 1 each run has gone at the end: (runs,)."""
    share = last(trial, "majority_share")
    return (last(trial, "accuracy") - share) / (1 - share)


def _claim(name: str, values: list[int], groups: list[list[np.ndarray | None]], **criterion: Any) -> Claim:
    """Judge the average over groups of the rank correlation of `values` with the means of runs (runs,)."""
    there = [[(v, runs) for v, runs in zip(values, group, strict=True) if runs is not None] for group in groups]
    drawn_from = [runs for group in there for _, runs in group]

    def mean_correlation(*drawn: np.ndarray) -> float:
        means, found = iter([run.mean() for run in drawn]), []
        for group in there:
            found.append(rank_correlation(np.array([v for v, _ in group]), np.array([next(means) for _ in group])))
        return float(np.nanmean(found)) if not np.isnan(found).all() else float("nan")

    return judge(name, mean_correlation, *drawn_from, trials="over all cells", **criterion)


def _maps_figure(cells: Cells):
    """Draw figure 7: what the runs of one cell learned around the flower; the cell nearest to the paper's."""
    there = [
        (petals, k, trial)
        for petals, row in zip(cells.petals, cells.trials, strict=True)
        for k, trial in zip(cells.frequencies, row, strict=True)
        if trial is not None
    ]
    petals, k, trial = min(there, key=lambda cell: (abs(cell[0] - FIGURE_7[0]), abs(cell[1] - FIGURE_7[1])))
    panels = [
        Square(
            f"run {run + 1}: k = {k}, {petals} petals, accuracy {last(trial, 'accuracy')[run]:.2f}",
            values,
            EXTENT,
            trial["inputs"],
            trial["targets"][run],
        )
        for run, values in enumerate(trial["map"][:2])
    ]
    return squares(panels, colour="probability of class 1 (points: the class)")

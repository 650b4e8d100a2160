"""Which frequencies survive a random step in parameter space? Experiment 2: figure 3 with the authors' contours."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.figures import HeatMap, Line, heat_maps
from analysis.findings import Findings, plain
from analysis.inference.claim import Claim, judge
from analysis.inference.learning_time import first_reached, rank_correlation, smooth
from analysis.studies.published import FIRST_BELOW, RATIO, authors, robustness_comparable
from analysis.studies.sinusoids import (
    amplitude_figure,
    curves_figure,
    learning_claims,
    learning_numbers,
    titled,
)
from analysis.studies.trial import Trial, as_columns

DELTA = 2.0  # the length of the step at which the claims are made
LEARNED = 0.1  # the amplitude below which what is left of a frequency says nothing
LEVELS = {0.9: "white", 0.5: "black"}  # of the ratio, with the colour of its line


def perturbation(trials: list[Trial]) -> Findings:
    """Return what experiment 2 finds, for every trial on its own (Rahaman et al. 2019, figure 3)."""
    found = Findings()
    titles = [titled(trial) for trial in trials]
    for trial in trials:
        found.claims += [*ratio_claims(trial), *learning_claims(trial)]
        below = {f"delta_{level}": plain(first_below(trial["ratio"], trial["deltas"], level)) for level in LEVELS}
        found.numbers[trial.label] = learning_numbers(trial) | below
        if robustness_comparable(trial.settings):
            found.tables.append(_comparison(trial))
    found.figures |= {
        "robustness": _robustness_figure(trials),
        "amplitudes": amplitude_figure(trials, titles),
        "curves": curves_figure(trials, titles),
    }
    return found


def first_below(ratio: np.ndarray, deltas: np.ndarray, level: float) -> np.ndarray:
    """Return the first of deltas (D,) at which the average over runs of ratio (runs, D, K) is below `level`: (K,)."""
    return first_reached(deltas, -ratio.mean(axis=0), -level)


def at_delta(ratio: np.ndarray, deltas: np.ndarray, delta: float) -> np.ndarray:
    """Return ratio (runs, D, K) at a delta, interpolated: (runs, K)."""
    return np.stack([[np.interp(delta, deltas, column) for column in run.T] for run in ratio])


def ratio_claims(trial: Trial) -> list[Claim]:
    """Return the claims on the order in which frequencies are destroyed; none where no step is as long as DELTA."""
    ratio, deltas, k = np.asarray(trial["ratio"], dtype=float), trial["deltas"], trial["frequencies"]
    if deltas[-1] < DELTA:
        return []
    there, high, label = at_delta(ratio, deltas, DELTA), k >= 10, trial.label
    faint = int((smooth(trial["amplitude"])[:, -1].mean(axis=0) < LEARNED).sum())
    common: dict[str, Any] = {"trials": label}
    common |= {"undecidable": f"{faint} of {len(k)} frequencies were not learned"} if faint else {}
    claims = [
        judge(
            f"rho(k, r) at delta {DELTA:g}, k >= 10",
            lambda runs: rank_correlation(k[high], runs.mean(axis=0)[high]),
            there,
            at_most=-0.95,
            **common,
        ),
        judge(f"r({k[-1]}, {DELTA:g})", lambda runs: runs.mean(axis=0)[-1], there, at_most=0.5, **common),
        judge(f"r({k[0]}, {DELTA:g})", lambda runs: runs.mean(axis=0)[0], there, at_least=0.9, **common),
    ]
    kept = int(np.isinf(first_below(ratio, deltas, 0.9)).sum())
    claims.append(
        judge(
            "rho(k, delta_0.9)",
            lambda runs: rank_correlation(k, first_below(runs, deltas, 0.9)),
            ratio,
            at_most=-0.9,
            note=f"{kept} never fell below 0.9, tied at the end" if kept and not faint else "",
            **common,
        )
    )
    return claims


def _comparison(trial: Trial) -> str:
    """Return the ratios beside the authors', clipped at 1 as theirs."""
    rows: list[tuple] = [("k", *map(str, trial["frequencies"]))]
    for delta, published in RATIO.items():
        if delta <= trial["deltas"][-1]:
            here = at_delta(trial["ratio"], trial["deltas"], delta).mean(axis=0).clip(max=1)
            rows += [(f"here {delta:g}", *here), (authors(trial.settings), *published)]
    return f"{titled(trial)}: ratio by delta (authors: 5 runs)\n" + as_columns(rows)


def _robustness_figure(trials: list[Trial]):
    panels = []
    for trial in trials:
        k, deltas, ratio = trial["frequencies"], trial["deltas"], np.asarray(trial["ratio"], dtype=float)
        lines = [
            Line(f"{level:g} here", k, _or_nan(first_below(ratio, deltas, level)), None, "-", colour)
            for level, colour in LEVELS.items()
        ]
        if robustness_comparable(trial.settings):
            for level, colour in LEVELS.items():
                lines.append(
                    Line(f"{level:g} {authors(trial.settings)}", k, np.array(FIRST_BELOW[level]), None, "o", colour)
                )
        panels.append(HeatMap(titled(trial), k, deltas, ratio.mean(axis=0), lines=lines))
    return heat_maps(panels, x="frequency k", y="step in parameter space, delta", colour="amplitude left of 1")


def _or_nan(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan)

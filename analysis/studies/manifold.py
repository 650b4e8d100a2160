"""Are frequencies learned sooner on a more wound curve? Experiment 5: figure 8 and the order in petals."""

from __future__ import annotations

import numpy as np

from analysis.findings import Findings
from analysis.inference.claim import Claim, judge, judge_order
from analysis.inference.learning_time import at_step, rank_correlation, smooth
from analysis.studies.sinusoids import (
    EARLY,
    amplitude_figure,
    curves_figure,
    learning_claims,
    learning_numbers,
    learning_times,
)
from analysis.studies.trial import Trial, by_settings

KEYS = ("petals",)


def manifold(trials: list[Trial]) -> Findings:
    """Return what experiment 5 finds (Rahaman et al. 2019, figure 8): within and between numbers of petals."""
    flowers = by_settings(trials, *KEYS)
    found = Findings(claims=petals_claims(flowers))
    for petals, trial in flowers.items():
        named = Trial(_label(petals), trial.settings, trial.arrays)
        found.claims += learning_claims(named, at_least=0.8, at_most=-0.6)
        found.numbers[_label(petals)] = learning_numbers(named)
    ordered, titles = list(flowers.values()), [_label(petals) for petals in flowers]
    found.figures["amplitudes"] = amplitude_figure(ordered, titles)
    found.figures["curves"] = curves_figure(ordered, titles, ordered=True)
    return found


def petals_claims(flowers: dict[int, Trial]) -> list[Claim]:
    """Return the claims over flowers: with the petals amplitudes rise, the error and the learning times fall.

    Each is a rank correlation over flowers; none where there is a single one. Before EARLY only reported.
    """
    if len(flowers) < 2:
        return []
    petals, trials = np.array(list(flowers)), list(flowers.values())
    curves = [smooth(trial["amplitude"]) for trial in trials]
    last = min(int(trial["steps"][-1]) for trial in trials)
    claims = []
    for step in sorted({min(EARLY, last), last}):
        levels = [
            at_step(trial["steps"], curve, step).mean(axis=1) for trial, curve in zip(trials, curves, strict=True)
        ]
        losses = [at_step(trial["steps"], smooth(trial["loss"]), step) for trial in trials]
        rising, falling = (0.8, -0.8) if step >= EARLY else (None, None)
        over = "over petals"
        claims += [
            judge_order(f"rho(petals, mean a) at {step}", petals, levels, trials=over, at_least=rising),
            judge_order(f"rho(petals, mean squared error) at {step}", petals, losses, trials=over, at_most=falling),
        ]
    return [*claims, _times_claim(petals, trials, curves)]


def _times_claim(petals: np.ndarray, trials: list[Trial], curves: list[np.ndarray]) -> Claim:
    def mean_correlation(*runs: np.ndarray) -> float:
        times = [learning_times(run, trial["steps"]) for run, trial in zip(runs, trials, strict=True)]
        found = [rank_correlation(petals, np.array(column)) for column in zip(*times, strict=True)]
        return float(np.nanmean(found)) if not np.isnan(found).all() else float("nan")

    note = "mean over the frequencies that some flower reached; unreached ones tie at the end"
    return judge("rho(petals, T_0.5(k))", mean_correlation, *curves, trials="over petals", at_most=-0.8, note=note)


def _label(petals: int) -> str:
    return f"{petals} petals" if petals else "circle (0 petals)"

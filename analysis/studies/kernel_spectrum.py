"""Does early stopping filter noise out? Experiment 4: spectra over a kernel's eigenfunctions at a few updates."""

from __future__ import annotations

import numpy as np

from analysis.figures import Line, Lines, line_panels
from analysis.findings import Findings, plain
from analysis.inference.claim import Claim, judge
from analysis.inference.learning_time import first_reached, rank_correlation
from analysis.studies.sinusoids import lines_of
from analysis.studies.trial import Trial, by_settings

KEYS = ("noise",)
TOP = 0.2  # the share of bins that counts as high


def kernel_spectrum(trials: list[Trial]) -> Findings:
    """Return what experiment 4 finds (Rahaman et al. 2019, figures 5 and 13)."""
    noises = by_settings(trials, *KEYS)
    found = Findings()
    for noise, trial in noises.items():
        found.claims += noise_claims(noise, trial)
        found.numbers[noise] = {"best_step": plain(best_steps(trial)), "best": plain(trial["validation_loss"].min(1))}
    if {"ramp", "white"} <= set(noises):
        losses = [noises[noise]["validation_loss"].min(axis=1) for noise in ("ramp", "white")]
        name = "best validation loss, ramp / white"
        claim = judge(name, lambda ramp, white: ramp.mean() / white.mean(), *losses, trials="over noises", below=1)
        found.claims.append(claim)
    found.figures["spectra"] = _spectra_figure(noises)
    panels = [
        Lines(
            noise,
            [*lines_of([t], ["training"], "loss"), *lines_of([t], ["validation"], "validation_loss")],
            "update",
            "mean squared error",
            "xy",
        )
        for noise, t in noises.items()
    ]
    found.figures["curves"] = line_panels(panels)
    return found


def best_steps(trial: Trial) -> np.ndarray:
    """Return the update of each run's smallest validation loss (runs,)."""
    return trial["steps"][trial["validation_loss"].argmin(axis=1)].astype(float)


def noise_claims(noise: str, trial: Trial) -> list[Claim]:
    """Return the claims on the best update, on the noise left in high bins there, and on the order of bins."""
    best = trial["validation_loss"].argmin(axis=1)
    passed = bool((best < len(trial["steps"]) - 1).all())
    spectrum, noised, pure = trial["spectrum"], trial["noised_spectrum"], trial["pure_spectrum"]
    at_best = spectrum[np.arange(len(best)), best]  # (runs, bins)
    high = slice(-max(1, round(TOP * spectrum.shape[2])), None)
    left = np.stack([part[:, high].mean(axis=1) for part in (at_best, pure, noised)], axis=1)  # (runs, 3)

    def taken_up(runs: np.ndarray) -> float:
        learned, clean, noisy = runs.mean(axis=0)
        return (learned - clean) / (noisy - clean)

    def order(curves: np.ndarray) -> float:
        times = first_reached(trial["steps"], curves.mean(axis=0), 1.0)
        return rank_correlation(np.arange(len(times)), times)

    expected = {"ramp": "authors about 200", "white": "authors about 150"}.get(noise, "")
    half = spectrum / (noised[:, None] / 2)
    return [
        judge("update of the best validation loss", np.mean, best_steps(trial), trials=noise, note=expected),
        judge(
            f"noise taken up there by the top {TOP:.0%} of bins",
            taken_up,
            left,
            trials=noise,
            at_most=0.25,
            note="0: as the pure target, 1: as the noised one" if passed else "",
            undecidable="" if passed else "still falling at the end: train longer",
        ),
        judge("rho(bin, update at half the noised target)", order, half, trials=noise, above=0),
    ]


def _spectra_figure(noises: dict[str, Trial]):
    panels = []
    for noise, trial in noises.items():
        steps, spectrum = trial["steps"], trial["spectrum"].mean(axis=0)
        bins = np.arange(spectrum.shape[1])
        lines = [Line("noised target", bins, trial["noised_spectrum"].mean(axis=0), None, "--", "0.2")]
        lines.append(Line("pure target", bins, trial["pure_spectrum"].mean(axis=0), None, ":", "0.2"))
        best = int(np.median(trial["validation_loss"].argmin(axis=1)))
        for name, number in (
            ("a fifth of it", best // 5),
            ("at best validation", best),
            ("twice of it", min(2 * best, len(steps) - 1)),
            ("the end", len(steps) - 1),
        ):
            lines.append(Line(name, bins, spectrum[number]))
        panels.append(
            Lines(f"{noise} noise, best after {steps[best]}", lines, "bin of eigenfunctions", "amplitude", "y")
        )
    return line_panels(panels, ordered=True, legend="spectrum of")

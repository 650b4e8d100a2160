"""Are low frequencies learned first? Experiment 1: heat maps, spectral norms, functions and losses, and five claims."""

from __future__ import annotations

import numpy as np

from analysis.figures import HeatMap, Line, Lines, heat_maps, line_panels
from analysis.findings import Findings, plain
from analysis.inference.claim import Claim, judge
from analysis.inference.learning_time import at_step, first_reached, highest_correlation, rank_correlation, smooth
from analysis.studies.published import AMPLITUDE, agreement, comparable
from analysis.studies.trial import Trial, as_columns

FIXED = (1_000, 10_000, 40_000)  # updates at which the order of frequencies is looked at, where trained so long
EARLY = 1_000  # the update from which the order at a fixed update is claimed
OUT_OF_REACH = "the criterion cannot be reached"
AGREEING = 7  # frequencies of ten that are to agree with the authors'
SHOWN = (100, 1_000, 10_000, 80_000)  # of figure 2


def sinusoids(trials: list[Trial]) -> Findings:
    """Return what experiment 1 finds, for every trial on its own (Rahaman et al. 2019, figures 1, 2, 10)."""
    found = Findings()
    for trial in trials:
        found.claims += [*learning_claims(trial), *_level_claims(trial)]
        _compare(trial, found)
        found.numbers[trial.label] = learning_numbers(trial)
    found.figures |= {
        "amplitudes": amplitude_figure(trials, [titled(trial) for trial in trials]),
        "curves": curves_figure(trials, [titled(trial) for trial in trials]),
        "spectral_norms": _norms_figure(trials),
        "functions": _functions_figure(trials),
    }
    return found


def titled(trial: Trial) -> str:
    """Return a trial's label; the baseline's says which amplitudes it has."""
    return trial.label if trial.label != "baseline" else f"baseline, {trial.settings.get('amplitudes', '')} amplitudes"


def learning_times(amplitude: np.ndarray, steps: np.ndarray, level: float = 0.5) -> np.ndarray:
    """Return the first step at which the average over runs of amplitude (runs, T, K) is at `level`, (K,)."""
    return first_reached(steps, amplitude.mean(axis=0), level)


def learning_claims(trial: Trial, *, at_least: float = 0.94, at_most: float = -0.9) -> list[Claim]:
    """Return the claims on the order in which frequencies are learned: by time, and by amplitude at fixed updates.

    `at_least` and `at_most` are their criteria; before EARLY the second is only reported.
    A frequency that was not learned is later than all that were, and as late as others that were not. With many of them
    the correlation cannot reach the criterion; the claim is then undecided.
    """
    steps, frequencies, curves = trial["steps"], trial["frequencies"], smooth(trial["amplitude"])
    times = learning_times(curves, steps)
    reached, possible = int(np.isfinite(times).sum()), highest_correlation(times)
    note = "" if reached == len(times) else f"{reached} of {len(times)} reached 0.5, the others tie at the end"
    if note and not np.isnan(possible):
        note += f": at most {possible:.2f}"
    by_time = judge(
        "rho(k, T_0.5)",
        lambda runs: rank_correlation(frequencies, learning_times(runs, steps)),
        curves,
        trials=trial.label,
        at_least=at_least,
        note=note,
        undecidable=OUT_OF_REACH if possible < at_least else "",
    )
    claims = [by_time]
    for step in [step for step in FIXED if step <= steps[-1]] or [int(steps[-1])]:
        claims.append(_level_order(trial, at_step(steps, curves, step), step, at_most))
    return claims


def _level_order(trial: Trial, levels: np.ndarray, step: int, at_most: float) -> Claim:
    """Judge the order of levels (runs, K) in frequency; those whose average is 1 or more are learned, and tied."""
    frequencies, full = trial["frequencies"], levels.mean(axis=0) >= 1
    possible = highest_correlation(np.where(full, np.inf, 0))
    return judge(
        f"rho(k, a) at {step}",
        lambda runs: rank_correlation(frequencies, runs.mean(axis=0).clip(max=1)),
        levels,
        trials=trial.label,
        at_most=at_most if step >= EARLY else None,
        note=f"{full.sum()} of {len(full)} learned in full, tied: at least {-possible:.2f}" if full.sum() > 1 else "",
        undecidable="" if possible >= -at_most else OUT_OF_REACH,
    )


def _level_claims(trial: Trial) -> list[Claim]:
    steps, frequencies, curves = trial["steps"], trial["frequencies"], smooth(trial["amplitude"])
    label, (first, last) = trial.label, frequencies[[0, -1]]

    def delay(runs: np.ndarray) -> float:
        times = learning_times(runs, steps)
        return times[-1] / times[0] if 0 < times[0] < np.inf else float("nan")

    unreached = "" if np.isfinite(learning_times(curves, steps)[[0, -1]]).all() else "not both reached 0.5"
    claims = [judge(f"T_0.5({last}) / T_0.5({first})", delay, curves, trials=label, note=unreached or "authors 48, 39")]
    if steps[-1] >= 60_000:
        levels = at_step(steps, curves, 60_000)
        claims.append(judge("smallest a at 60000", lambda a: a.mean(axis=0).min(), levels, trials=label, at_least=0.85))
    norms = trial["spectral_norm"]
    hidden = norms[:, :, 1:-1] if norms.shape[2] > 2 else norms
    growth = judge(
        "growth of sigma_max, least of hidden layers",
        lambda runs: (runs[:, -1].mean(axis=0) / runs[:, 0].mean(axis=0)).min(),
        hidden,
        trials=label,
        above=1,
    )
    return [*claims, growth]


def _compare(trial: Trial, found: Findings) -> None:
    """Add the comparison with the authors' averages, where the trial is theirs and has runs to average."""
    if not comparable(trial.settings) or len(trial["amplitude"]) < 2:
        return
    steps, curves = trial["steps"], smooth(trial["amplitude"])
    for step, published in AMPLITUDE[trial.setting("amplitudes")].items():
        if step not in steps:
            continue
        ours = at_step(steps, curves, step)
        mean, error, agrees = agreement(ours, np.array(published))
        rows = [("k", *map(str, trial["frequencies"])), ("here", *mean), ("its error", *error), ("authors", *published)]
        rows.append(("agrees", *("yes" if yes else "no" for yes in agrees)))
        found.tables.append(f"{titled(trial)}: amplitude at {step}\n" + as_columns(rows))
        verdict = "met" if agrees.sum() >= AGREEING else "not met"
        name = f"frequencies that agree with the authors' at {step}"
        criterion, note = f">= {AGREEING}", f"of {len(agrees)}; the criterion is this project's"
        found.claims.append(Claim(trial.label, name, int(agrees.sum()), None, len(ours), criterion, verdict, note))


def learning_numbers(trial: Trial) -> dict:
    """Return the learning times and the last amplitudes, averaged over runs, for JSON."""
    curves = smooth(trial["amplitude"])
    times = {f"T_{level}": plain(learning_times(curves, trial["steps"], level)) for level in (0.5, 0.9)}
    return {"frequencies": plain(trial["frequencies"]), **times, "last_amplitude": plain(curves[:, -1].mean(axis=0))}


def amplitude_figure(trials: list[Trial], titles: list[str]):
    """Draw figure 1 (and 8 a-d): the average amplitude by frequency and update, one heat map a trial."""
    panels = [
        HeatMap(title, trial["frequencies"], trial["steps"], trial["amplitude"].mean(axis=0))
        for trial, title in zip(trials, titles, strict=True)
    ]
    return heat_maps(panels, x="frequency k", y="update", colour="learned amplitude (target 1)")


def curves_figure(trials: list[Trial], titles: list[str], *, ordered: bool = False, legend: str = ""):
    """Draw figure 10 (and 8 e), loss by update, and beside it the index of Kiessling & Thor."""
    panels = [
        Lines("", lines_of(trials, titles, name, spread), "update", label, log)
        for name, label, spread, log in (
            ("loss", "mean squared error", False, "xy"),
            ("spectral_bias", "spectral bias\n(Kiessling & Thor; 0: none yet)", True, "x"),
        )
    ]
    return line_panels(panels, size=(4.2, 3.2), ordered=ordered, legend=legend)


def lines_of(trials: list[Trial], titles: list[str], name: str, spread: bool = False, style: str = "-") -> list[Line]:
    """Return a trial's average over runs by update, from the first record after 0; with their standard deviation."""
    lines = []
    for trial, title in zip(trials, titles, strict=True):
        values = np.asarray(trial[name][:, 1:], dtype=float)
        deviation = values.std(axis=0) if spread and len(trials) <= 4 else None
        lines.append(Line(title, trial["steps"][1:], values.mean(axis=0), deviation, style))
    return lines


def _norms_figure(trials: list[Trial]):
    panels = []
    for trial in trials:
        norms, steps = trial["spectral_norm"], trial["measured_steps"]
        lines = [
            Line(str(layer + 1), steps, norms[:, :, layer].mean(axis=0), norms[:, :, layer].std(axis=0))
            for layer in range(norms.shape[2])
        ]
        panels.append(Lines(titled(trial), lines, "update", "spectral norm"))
    return line_panels(panels, legend="layer", ordered=True)


def _functions_figure(trials: list[Trial]):
    """Draw figure 2: the first run's function against its target, at up to four measured updates."""
    panels = []
    for trial in trials:
        steps = trial["measured_steps"]
        wanted = np.geomspace(SHOWN[0], steps[-1], len(SHOWN)) if steps[-1] < SHOWN[-1] else np.array(SHOWN)
        nearest = [int(np.abs(steps - step).argmin()) for step in wanted]
        places = trial["inputs"][:, 0]
        for number in nearest:
            target = Line("target", places, trial["targets"][0], colour="0.6")
            learned = Line("learned", places, trial["function"][0, number], colour="tab:red")
            panels.append(Lines(f"{titled(trial)}, update {steps[number]}", [target, learned], "x", "f(x)"))
    return line_panels(panels, columns=len(SHOWN), size=(3.4, 2.2))

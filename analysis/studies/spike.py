"""Do depth, width and weight clip decide what a network resolves? Experiment 7: the spectrum of a learned spike."""

from __future__ import annotations

import numpy as np

from analysis.figures import HeatMap, Line, Lines, heat_maps, line_panels
from analysis.inference.claim import judge
from analysis.inference.learning_time import rank_correlation, smooth
from analysis.studies.trial import Findings, Trial, by_settings, plain

KEYS = ("depth", "width", "weight_clip")


def spike(trials: list[Trial]) -> Findings:
    """Return what experiment 7 finds (Rahaman et al. 2019, appendix A.5; figures 14-18)."""
    cells = by_settings(trials, *KEYS)
    found = Findings(numbers={_said(key): {"high_frequency": plain(_end(trial))} for key, trial in cells.items()})
    panels = []
    for axis, name in enumerate(KEYS):
        for others, varied in series(cells, axis).items():
            values, ends = np.array(list(varied)), [_end(trial) for trial in varied.values()]
            label = f"{name}, at {others}"
            means = np.array([end.mean() for end in ends])
            found.claims.append(
                judge(
                    f"rho({name}, high-frequency share at the end)",
                    lambda *runs, values=values: rank_correlation(values, np.array([run.mean() for run in runs])),
                    *ends,
                    trials=label,
                    at_least=0.8,
                    note=", ".join(f"{v:g}: {m:.2g}" for v, m in zip(values, means, strict=True)),
                )
            )
            found.claims.append(
                judge(
                    f"share at {name} {values[-1]:g} / at {values[0]:g}",
                    lambda *runs: runs[-1].mean() / runs[0].mean(),
                    ends[0],
                    ends[-1],
                    trials=label,
                )
            )
            spreads = np.array([end.std() for end in ends])
            line = Line(others, values, means, spreads, "o-")
            panels.append(Lines(name, [line], name, "high-frequency content", "xy" if name != "depth" else "y"))
    spectra = [
        HeatMap(_said(key), range(t["spectrum"].shape[2]), t["steps"], t["spectrum"].mean(axis=0))
        for key, t in cells.items()
    ]
    found.figures["spectra"] = heat_maps(spectra, x="bin of frequency", y="update", colour="amplitude (target 1)")
    if panels:
        found.figures["sizes"] = line_panels(panels, legend="at")
    return found


def series(cells: dict[tuple, Trial], axis: int) -> dict[str, dict[float, Trial]]:
    """Return, for each setting of the other two sizes with at least two values of this one, its trials by value."""
    found: dict[str, dict[float, Trial]] = {}
    for key, trial in cells.items():
        others = " ".join(f"{n}={v:g}" for i, (n, v) in enumerate(zip(KEYS, key, strict=True)) if i != axis)
        found.setdefault(others, {})[key[axis]] = trial
    return {others: varied for others, varied in found.items() if len(varied) > 1}


def _end(trial: Trial) -> np.ndarray:
    return smooth(trial["high_frequency"])[:, -1]


def _said(key: tuple) -> str:
    return " ".join(f"{name}={value:g}" for name, value in zip(KEYS, key, strict=True))

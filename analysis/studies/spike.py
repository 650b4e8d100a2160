"""Do depth, width and weight clip decide what a network resolves? Experiment 7: the spectrum of a learned spike."""

from __future__ import annotations

import math

import numpy as np

from analysis.figures import HeatMap, Line, Lines, heat_maps, line_panels
from analysis.findings import Findings, plain
from analysis.inference.claim import Claim, judge, judge_order
from analysis.inference.learning_time import smooth
from analysis.inference.rows import setting_text
from analysis.studies.trial import Trial, by_settings

KEYS = ("depth", "width", "weight_clip")
RISING = {"depth": 0.8, "width": None, "weight_clip": 0.8}  # criteria of their order; the paper sees little from width


def spike(trials: list[Trial]) -> Findings:
    """Return what experiment 7 finds (Rahaman et al. 2019, figures 14-18)."""
    cells = by_settings(trials, *KEYS)
    found = Findings(numbers={_label(key): {"high_frequency": plain(_end(trial))} for key, trial in cells.items()})
    found.claims = gain_claims(cells)
    panels = []
    for axis, name in enumerate(KEYS):
        for others, varied in series(cells, axis).items():
            values, ends = np.array(list(varied)), [_end(trial) for trial in varied.values()]
            claim, label = f"rho({name}, high-frequency share at the end)", f"{name}, at {others}"
            found.claims.append(judge_order(claim, values, ends, trials=label, at_least=RISING[name]))
            means, spreads = (np.array([getattr(end, f)() for end in ends]) for f in ("mean", "std"))
            line = Line(others, values, means, spreads, "o-")
            panels.append(Lines(name, [line], name, "high-frequency content", "xy" if name != "depth" else "y"))
    spectra = [
        HeatMap(_label(key), range(t["spectrum"].shape[2]), t["steps"], t["spectrum"].mean(axis=0))
        for key, t in cells.items()
    ]
    found.figures["spectra"] = heat_maps(spectra, x="bin of frequency", y="update", colour="amplitude (target 1)")
    if panels:
        found.figures["sizes"] = line_panels(panels, legend="at")
    return found


def series(cells: dict[tuple, Trial], axis: int) -> dict[str, dict[float, Trial]]:
    """Return, for each setting of the other two sizes with at least two values of this one, its trials by value.

    Values rise; a bound of 0, which is none, is infinite.
    """
    found: dict[str, dict[float, Trial]] = {}
    for key, trial in cells.items():
        others = " ".join(f"{n}={setting_text(v)}" for i, (n, v) in enumerate(zip(KEYS, key, strict=True)) if i != axis)
        found.setdefault(others, {})[key[axis] or math.inf] = trial
    return {others: dict(sorted(varied.items())) for others, varied in found.items() if len(varied) > 1}


def gain_claims(cells: dict[tuple, Trial]) -> list[Claim]:
    """Return the claim that depth gains more than width: ln of share at the largest over share at the smallest.

    Of each row of depths with each row of widths that begins with the same network, which is in both gains and drops
    out of their difference.
    """
    claims = []
    for deeper in series(cells, KEYS.index("depth")).values():
        for wider in series(cells, KEYS.index("width")).values():
            (start, deep), (other, wide) = ([row[min(row)], row[max(row)]] for row in (deeper, wider))
            if start is not other:
                continue
            gains = [_end(trial).mean() / _end(start).mean() for trial in (deep, wide)]
            claims.append(
                judge(
                    f"ln(gain with depth {max(deeper)} / gain with width {max(wider)})",
                    lambda deep, wide: float(np.log(deep.mean() / wide.mean())),
                    _end(deep),
                    _end(wide),
                    trials=f"depth and width, from {_label(tuple(start.settings[name] for name in KEYS))}",
                    above=0,
                    note="share x {:.3g} with depth, x {:.3g} with width".format(*gains),
                )
            )
    return claims


def _end(trial: Trial) -> np.ndarray:
    return smooth(trial["high_frequency"])[:, -1]


def _label(key: tuple) -> str:
    return " ".join(f"{name}={setting_text(value)}" for name, value in zip(KEYS, key, strict=True))

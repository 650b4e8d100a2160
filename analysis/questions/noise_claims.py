"""Are waves of low frequency fitted first, and do size and regularisation change that? The claims on noise fitting.

The claims are from the abstract of the first version of "Spectral Bias in Practice" (2021). Its criteria are not known;
here the sign decides, if there are enough seeds for an interval. The compared number is the minimum noise fitting less
that of the uniform control with the same seed. A wave with much less than one cycle over the images is nearly flat.
Then this number is near 0 for any network, but the fit at the end, which is relative to the wave, is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from analysis.inference.claim import SIGN, Claim, judge
from analysis.inference.learning_time import rank_correlation
from analysis.inference.resampling import FEWEST
from analysis.inference.rows import setting_text
from analysis.tables.conditions import BASELINE, Change
from analysis.tables.waves import Group, Wave

ORDER, FIT, EARLIER = (
    f"rho(frequency, {what}), radial waves"
    for what in ("minimum less control", "fit at the end", "epoch of the minimum")
)
VERDICTS = (
    f"{SIGN}. Fewer than {FEWEST} seeds have no interval; those of 5 to 10 cover the truth in about 83 to 92 of 100"
    " cases, not in 95. That the sign decides is this project's criterion and not the paper's"
)
LEAST = 3  # frequencies whose order says anything
REGULARISERS = (  # more of it regularises more
    *("weight_decay", "dropout", "mixup", "cutmix", "image_frequency", "autoaugment", "randaugment", "augmix"),
    *("gaussian_noise", "flip_crop", "cutout", "label_smoothing"),
    *("spectral_penalty", "jacobian_penalty", "path_penalty"),
)


def noise_claims(groups: list[Group]) -> tuple[list[Claim], list[str]]:
    """Return the claims that these trials can decide, and a note on each that they cannot."""
    claims: list[Claim] = []
    notes: list[str] = []
    for strength in dict.fromkeys(group.strength for group in groups):
        alike = [group for group in groups if group.strength == strength]
        for group in alike:
            found, note = order_claims(group)
            claims, notes = claims + found, notes + note
        found, note = change_claims(alike)
        claims, notes = claims + found, notes + note
    return claims, notes


def order_claims(group: Group) -> tuple[list[Claim], list[str]]:
    """Return the claims on the order of radial waves: low frequencies are fitted more, and earlier."""
    waves = [wave for wave in group.waves if wave.kind == "radial"]
    name = group.name
    table = pd.DataFrame({wave: group.less_control(wave) for wave in waves}).dropna()
    if len(waves) < LEAST or table.empty:
        why = f"{len(waves)} radial waves, {LEAST} needed" if len(waves) < LEAST else "no seed has all and the control"
        return [], [f"{name}: no claim on the order of frequencies ({why})"]
    frequencies = np.array([wave.frequency for wave in waves])

    def order(values: np.ndarray) -> float:
        return rank_correlation(frequencies, values.mean(axis=0))

    def claim(what: str, values: pd.DataFrame, how: str, **criterion: Any) -> Claim:
        note = ", ".join(f"{setting_text(wave.frequency)}: {values[wave].mean():{how}}" for wave in waves)
        return _claim(what, order, values.to_numpy(), trials=name, note=note, **criterion)

    claims = [claim(ORDER, table, "+.2g", below=0.0)]
    for what, column, how, criterion in (
        (FIT, "normalised", ".2g", {"below": 0.0}),
        (EARLIER, "minimum_epoch", ".3g", {"above": 0.0}),
    ):
        values = pd.DataFrame({wave: group.by_seed(wave, column) for wave in waves}).loc[table.index]
        claims += [] if values.isna().any(axis=None) else [claim(what, values, how, **criterion)]
    return claims, []


def change_claims(groups: list[Group]) -> tuple[list[Claim], list[str]]:
    """Return for each setting that changes the width, or regularisers, what it does at the highest radial frequency."""
    baseline = next((group for group in groups if group.setting == BASELINE), None)
    name = f"strength {setting_text(groups[0].strength)}, highest radial frequency"
    if baseline is None:
        return [], [f"{name}: no claims on size and regularisation (no baseline)"]
    claims, notes, kinds = [], [], set()
    for group in groups:
        kind, sign = _expected(group)
        if not kind:
            continue
        kinds.add(kind)
        shared = [w for w in group.waves if w.kind == "radial" and len(_difference(baseline, group, w))]
        if not shared:
            notes.append(f"{name}: no claim on {group.setting} (no seed has wave and control, with it and without)")
            continue
        wave = max(shared, key=lambda wave: wave.frequency)
        values = _difference(baseline, group, wave).to_numpy()
        criterion: Any = {"above": 0.0} if sign > 0 else {"below": 0.0}
        note = f"{kind}; minimum less control: {_mean(group, wave):+.2g}, baseline {_mean(baseline, wave):+.2g}"
        trials = f"strength {setting_text(group.strength)}, {wave}: change of the minimum less control"
        claims.append(_claim(group.setting, np.mean, values, trials=trials, note=note, **criterion))
    missing = [kind for kind in ("size", "regularisation") if not any(each.startswith(kind) for each in kinds)]
    notes += [f"{name}: no claim on {kind} (no setting changes it alone)" for kind in missing]
    return claims, notes


def _claim(name: str, statistic: Callable[..., float], values: np.ndarray, **criterion: Any) -> Claim:
    """Return the claim on the sign of statistic(values (seeds, ...)); without an interval a sign is not known."""
    more = FEWEST - len(values)
    few = f"an interval takes {FEWEST} seeds, {more} more" if more > 0 else ""
    return judge(name, statistic, values, undecidable=few, of="seeds", **criterion)


def _expected(group: Group) -> tuple[str, int]:
    """Return what a setting changes and the sign expected of its effect; "", 0 where nothing is to be expected."""
    signs = {_sign(change) for name, change in group.changed.items() if name == "width" or name in REGULARISERS}
    if len(signs) != 1 or not (sign := signs.pop()):
        return "", 0
    if set(group.changed) == {"width"}:
        return ("size: more" if sign > 0 else "size: less"), sign
    if set(group.changed) <= set(REGULARISERS):
        return ("regularisation: more" if sign > 0 else "regularisation: less"), -sign
    return "", 0


def _sign(change: Change) -> int:
    if not all(isinstance(value, Real) and math.isfinite(value) for value in change):
        return 0
    return int(np.sign(float(change.value) - float(change.baseline)))  # type: ignore[arg-type]


def _difference(baseline: Group, group: Group, wave: Wave) -> pd.Series:
    """Return by seed how much more of the wave is fitted, less the control, than with the baseline's settings."""
    return (group.less_control(wave) - baseline.less_control(wave)).dropna()


def _mean(group: Group, wave: Wave) -> float:
    return float(group.less_control(wave).mean())

"""How much does a measure change per unit of a target: over all runs, within families, and with none left out?"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from analysis.inference.jackknife import (
    POOLED,
    WITHIN,
    Leverage,
    family_weights,
    leverage,
    slope_rounding,
    slopes_without,
    standard,
)
from analysis.inference.resampling import FEWEST, SAME
from analysis.inference.rows import level_numbers, usable_rows, varies

OPTIMISERS = ("powell", "bfgs")  # of MixedLM; "lbfgs" gives an infinite likelihood on many a small table
FEW = 4  # degrees of freedom below which Satterthwaite's t is rough (Pustejovsky and Tipton 2018)


@dataclass(frozen=True)
class Slope:
    """One slope: NaN, with the reason in `note`, where it is undefined; no interval for fewer than FEWEST units."""

    statistic: float
    interval: tuple[float, float] | None
    n: int
    units: int
    unit: str
    left_out: int
    convention: str
    note: str = ""


@dataclass(frozen=True)
class Slopes:
    """The slopes of one measure side by side, and what the pooled one rests on."""

    pooled: Slope
    within: Slope
    mixed: Slope
    leave_one_out: dict[str, float]  # family -> pooled slope without it
    sign_flips: tuple[str, ...]  # families without which the pooled slope has the other sign
    simpson: str  # "reversed": pooled and within have opposite signs, both intervals without 0; "signs differ"; or ""


def slopes(table: pd.DataFrame, *, measure: str, target: str, family: str, cluster: str | None = None) -> Slopes:
    """Return the slopes of `measure` on `target`: least squares over all rows, within families, and in between.

    `mixed` has a random intercept per family (REML): a mean of the other two that weighs the families' means by how
    little the intercepts differ. Its family effects are taken to be unrelated to the target, which `within` does not
    need: the two disagree where that is wrong. In its slope a family of one row counts; in `within` it does not.

    Intervals are 95%, from the jackknife that omits one cluster at a time (CV3 of MacKinnon, Nielsen and Webb 2023,
    "Fast and reliable jackknife and bootstrap methods for cluster-robust inference"), over its bias and with the
    degrees of freedom that it has where errors have one variance (`leverage`): few where few clusters are far from the
    others, as at a ceiling or of diverged settings. Below FEW the note says so. For `mixed` it is taken at the
    estimated variances, and the intercepts' is added, with two degrees less than families, from FEWEST families on.
    Settings are drawn, families fixed. How often they cover: docs/analysis.md.

    Errors: ValueError for an unknown column and for fewer than 3 rows. The slope of a constant measure is NaN, as is
    the one on a constant target. One that rounding of the measure may make is 0, and where the half width is rounding
    (all rows on one line) there is no interval.
    """
    rows, left_out = usable_rows(
        table, numbers=(measure, target), labels=(family, *([cluster] if cluster else [])), needed=3
    )
    y, x = rows[measure].to_numpy(), rows[target].to_numpy()
    families, names = pd.factorize(rows[family], sort=True)
    units = level_numbers(rows[cluster]) if cluster else np.arange(len(rows))
    described = {"unit": cluster or "row", "left_out": left_out}
    pooled = _slope(x, y, families, units, POOLED, described, "least squares")
    within = _within(x, y, families, units, described, names)
    mixed = _mixed(x, y, families, units, described)
    without = {str(name): _pooled(x[families != code], y[families != code]) for code, name in enumerate(names)}
    flips = tuple(name for name, value in without.items() if value * pooled.statistic < 0)
    return Slopes(pooled, within, mixed, without, flips, _simpson(pooled, within))


def _pooled(x: np.ndarray, y: np.ndarray) -> float:
    """Return the slope over all rows; NaN where there is none, or either does not vary."""
    if not (len(x) and varies(x) and varies(y)):
        return math.nan
    one = np.zeros(len(x), dtype=int)
    return _or_zero(slopes_without(x, y, one, one, POOLED)[0], slope_rounding(x, y, one, POOLED))


def _or_zero(slope: float, rounding: float) -> float:
    return 0.0 if abs(slope) <= rounding else slope


def _simpson(pooled: Slope, within: Slope) -> str:
    if not pooled.statistic * within.statistic < 0:
        return ""
    sure = all(slope.interval and slope.interval[0] * slope.interval[1] > 0 for slope in (pooled, within))
    return "reversed" if sure else "signs differ"


def _within(
    x: np.ndarray, y: np.ndarray, families: np.ndarray, units: np.ndarray, described: dict, names: pd.Index
) -> Slope:
    convention = "least squares with an intercept per family"
    if len(names) == 1:
        return _undefined(len(x), units, described, convention, "one family only: the pooled slope is all there is")
    single = np.bincount(families) == 1
    rows = ~single[families]
    note = f"families of one row add nothing: {', '.join(map(str, names[single]))}" if single.any() else ""
    if not rows.any():
        return _undefined(0, units[rows], described, convention, "every family has one row")
    return _slope(x[rows], y[rows], families[rows], units[rows], WITHIN, described, convention, note)


def _mixed(x: np.ndarray, y: np.ndarray, families: np.ndarray, units: np.ndarray, described: dict) -> Slope:
    convention = "random intercept per family, REML"
    if families.max() == 0:
        return _undefined(len(x), units, described, convention, "one family only: the pooled slope is all there is")
    residual, intercepts, note = _variances(x, y, families)
    if note:
        return _undefined(len(x), units, described, convention, note)
    ratio = residual / intercepts if intercepts > 0 else POOLED
    drawn = intercepts * family_weights(x, families, ratio) if intercepts > 0 else 0.0
    found = _slope(x, y, families, units, ratio, described, convention, variance=drawn)
    count = int(families.max()) + 1
    if count >= FEWEST:
        return found
    return replace(found, interval=None, note=f"no interval: {count} families, at least {FEWEST} needed")


def _undefined(n: int, units: np.ndarray, described: dict, convention: str, note: str) -> Slope:
    nothing = float("nan")
    return Slope(nothing, (nothing, nothing), n, len(np.unique(units)), convention=convention, note=note, **described)


def _slope(
    x: np.ndarray,
    y: np.ndarray,
    families: np.ndarray,
    units: np.ndarray,
    ratio: float,
    described: dict,
    convention: str,
    note: str = "",
    variance: float = 0.0,
) -> Slope:
    """Return the slope for a ratio of variances; the interval is the jackknife's, with `variance` more."""
    families, units = (np.unique(codes, return_inverse=True)[1] for codes in (families, units))
    value, without = slopes_without(x, y, families, units, ratio)
    count = len(without)
    if constant := next((name for name, of in (("target", x), ("measure", y)) if _constant(of, families, ratio)), ""):
        why = f"the {constant} does not vary" + " within families" * (ratio == WITHIN)
        return _undefined(len(x), units, described, convention, "; ".join(filter(None, (note, why))))
    rounding = slope_rounding(x, y, families, ratio)
    value = _or_zero(value, rounding)
    interval, caution = None, f"no interval: {count} units, at least {FEWEST} needed"
    if count >= FEWEST and np.isnan(without).any():
        caution = "no interval: one unit alone has another target"
    elif count >= FEWEST:
        half, freedom = _half_width(without - value, leverage(x, families, units, ratio), variance, families)
        caution = f"rough: few units carry it, {freedom:.1f} degrees of freedom" if freedom < FEW else ""
        if half <= rounding * (1 + abs(value) * np.abs(x).max() / np.abs(y).max()):
            caution = SAME
        else:
            interval = value - half, value + half
    note = "; ".join(filter(None, (note, caution)))
    return Slope(value, interval, len(x), count, convention=convention, note=note, **described)


def _half_width(changes: np.ndarray, design: Leverage, variance: float, families: np.ndarray) -> tuple[float, float]:
    """Return half of the interval's width and the degrees of freedom, of the jackknife and a variance of intercepts."""
    jackknife = float(np.square(changes).sum()) / design.bias
    parts = jackknife**2 / design.freedom + variance**2 / max(int(families.max()) - 1, 1)
    freedom = (jackknife + variance) ** 2 / parts if parts > 0 else design.freedom
    return float(stats.t.ppf(0.975, freedom)) * math.sqrt(jackknife + variance), freedom


def _constant(values: np.ndarray, families: np.ndarray, ratio: float) -> bool:
    """Return whether the values vary nowhere that counts: within families, where the slope is the one within them."""
    groups = families if ratio == WITHIN else np.zeros_like(families)
    return not any(varies(values[groups == group]) for group in np.unique(groups))


def _variances(x: np.ndarray, y: np.ndarray, families: np.ndarray) -> tuple[float, float, str]:
    """Return the variances of residuals and intercepts by REML, or the reason why no fit is sound.

    MixedLM says converged=True of fits with an infinite likelihood, a variance of 0 and the slope within families. So
    each of OPTIMISERS is tried, and a fit counts only if its likelihood is finite and its slope is the one that its own
    variances imply (least squares where the variance is 0); of these the likeliest. That the slope lie between those
    within and over all is no sound bound: with unequal families it need not, the means of families weigh otherwise.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM  # takes a second to import

    (x, x_size), (y, y_size) = standard(x), standard(y)
    sound: dict[float, tuple[float, float]] = {}
    if not (x_size and y_size):
        return 0.0, 0.0, f"the {'measure' if x_size else 'target'} does not vary"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MixedLM(y, np.column_stack([np.ones_like(x), x]), groups=families)
        for optimiser in OPTIMISERS:
            try:
                fit = model.fit(reml=True, method=optimiser)
            except (np.linalg.LinAlgError, ValueError):
                continue
            residual, intercepts = float(fit.scale), float(np.asarray(fit.cov_re).item())
            ratio = residual / intercepts if intercepts > 0 else POOLED
            implied = slopes_without(x, y, families, np.zeros_like(families), ratio)[0]
            if math.isfinite(fit.llf) and abs(float(fit.fe_params[1]) - implied) < 1e-5:
                sound[float(fit.llf)] = residual * y_size**2, intercepts * y_size**2
    if not sound:
        return 0.0, 0.0, f"no sound REML fit by {' or '.join(OPTIMISERS)}"
    return *sound[max(sound)], ""

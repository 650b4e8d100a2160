"""What shape has a relation: does it go one way only, and does a straight line break?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

SIDE, FEWEST_ROWS = 5, 12  # rows on either side of a break; rows that a fit is made of
PLACES = 1000  # of a break, at most: evenly among the observed x
CHUNK = 2_000_000  # numbers at once in a resampling


@dataclass(frozen=True)
class IsotonicFit:
    """The better of the rising and the falling step function: its R2, and how often permuted rows fit as well."""

    statistic: float  # R2: above 0 for noise too; None is its honest interval
    interval: None
    p: float
    direction: str  # "increasing" or "decreasing"
    fitted: np.ndarray  # (rows,), NaN where the row was left out
    n: int
    units: int
    unit: str
    left_out: int
    convention: str


@dataclass(frozen=True)
class SegmentedFit:
    """A line that breaks at `statistic`, next to the straight one; the break means little where p is large."""

    statistic: float
    interval: tuple[float, float]
    p: float  # of the straight line: how often its residuals, drawn again, break as clearly
    before: float  # slopes
    after: float
    r2: float
    aic: float  # the break counted as a parameter
    line_r2: float
    line_aic: float
    n: int
    units: int
    unit: str
    left_out: int
    convention: str


def isotonic_fit(x: np.ndarray, y: np.ndarray, *, permutations: int = 2000, seed: int = 0) -> IsotonicFit:
    """Return the monotone fit of y (n,) on x (n,), rising or falling, whichever has the higher R2.

    R2 is optimistic by construction: steps follow noise. So p = (1 + #{R2* >= R2})/(permutations + 1), where y is
    permuted over the rows and both directions are tried every time. Rows must be independent: average repeats of a
    setting first. Rows of equal x get one value. NaN where x or y is constant; ValueError for under 3 finite rows.
    """
    x, y, kept = _finite_pairs(x, y, needed=3)
    at, weights = np.unique(x, return_inverse=True, return_counts=True)[1:]
    fitted = np.full(len(kept), np.nan)
    said = (len(x), len(x), "row", int((~kept).sum()), "R2 of the better direction; p permutes rows, both directions")
    if len(weights) == 1 or _constant(y):
        return IsotonicFit(math.nan, None, math.nan, "", fitted, *said)
    y_centred = y - y.mean()
    risen, fallen = (_steps(y_centred, at, weights, sign) for sign in (1, -1))
    found = [float(weights @ np.square(steps)) for steps in (risen, fallen)]
    generator, reached = np.random.default_rng(seed), 0
    for _ in range(permutations):
        drawn = generator.permutation(y_centred)
        best = max(float(weights @ np.square(_steps(drawn, at, weights, sign))) for sign in (1, -1))
        reached += best >= max(found) * (1 - 1e-9)
    fitted[kept] = y.mean() + (risen if found[0] >= found[1] else fallen)[at]
    direction = "increasing" if found[0] >= found[1] else "decreasing"
    p = (1 + reached) / (permutations + 1)
    return IsotonicFit(max(found) / float(y_centred @ y_centred), None, p, direction, fitted, *said)


def _steps(y: np.ndarray, at: np.ndarray, weights: np.ndarray, sign: int) -> np.ndarray:
    means = np.bincount(at, weights=y) / weights
    return isotonic_regression(means, weights=weights, increasing=sign > 0).x


def segmented_fit(x: np.ndarray, y: np.ndarray, *, resamples: int = 2000, seed: int = 0) -> SegmentedFit:
    """Return the fit y = b0 + b1 x + b2 max(x - c, 0) of y (n,) on x (n,), c the best of the observed x.

    At least SIDE rows lie on either side of c. AIC counts c as a parameter. The interval of c is the percentile
    bootstrap of rows (95%). p is of the largest F over all c, against the same of straight lines with residuals drawn
    with replacement: an F test with one degree for the break is invalid, as c exists under the alternative only (Davies
    1987; Hansen 1996). Rows must be independent, of about equal variance. NaN where x or y is constant or x leaves no
    place for a break; ValueError for under FEWEST_ROWS finite rows.
    """
    x, y, kept = _finite_pairs(x, y, needed=FEWEST_ROWS)
    order = np.argsort(x, kind="stable")
    x, y, left_out = x[order], y[order], int((~kept).sum())
    said = (len(x), len(x), "row", left_out, f"break at an observed x, {SIDE} rows or more on either side")
    starts, ends = np.searchsorted(x, x, side="left"), np.searchsorted(x, x, side="right")
    places = np.flatnonzero((starts >= SIDE) & (len(x) - ends >= SIDE) & (starts == np.arange(len(x))))
    places = places[:: -(-len(places) // PLACES) or 1]
    if not len(places) or _constant(y):
        nan = math.nan
        return SegmentedFit(nan, (nan, nan), nan, nan, nan, nan, nan, nan, nan, *said)
    size, scale = float(x.std()), float(y.std())
    at, height = (x - x.mean()) / size, (y - y.mean()) / scale
    line, gains = (part[0] for part in _gains(at, height[None], np.ones((1, len(x))), places))
    best = places[gains.argmax()]
    design = np.column_stack([np.ones_like(at), at, np.maximum(at - at[best], 0)])
    b = np.linalg.lstsq(design, height, rcond=None)[0] * scale / size
    p, breaks = _resample(at, height, places, line, float(gains.max()), resamples, seed)
    low, high = np.quantile(x[breaks], [0.025, 0.975], method="inverted_cdf")
    rss, n = max(line - float(gains.max()), 0.0), len(x)
    r2, line_r2 = 1 - rss / n, 1 - float(line) / n
    aic, line_aic = (_aic(value * scale**2, n, k) for value, k in ((rss, 5), (line, 3)))
    before, after = float(b[1]), float(b[1] + b[2])
    interval = float(low), float(high)
    return SegmentedFit(float(x[best]), interval, p, before, after, r2, aic, line_r2, line_aic, *said)


def _aic(rss: float, n: int, parameters: int) -> float:
    """Return Akaike's criterion without the constants; the variance is one of the parameters."""
    return n * math.log(rss / n) + 2 * parameters if rss > 0 else -math.inf


def _resample(
    x: np.ndarray, y: np.ndarray, places: np.ndarray, line: float, gain: float, resamples: int, seed: int
) -> tuple[float, np.ndarray]:
    """Return p of the straight line, and the places (resamples,) of the break when rows are drawn again."""
    generator, n = np.random.default_rng(seed), len(x)
    residuals = y - np.polyval(np.polyfit(x, y, 1), x)
    reached, breaks = 0, []
    for first in range(0, resamples, max(1, CHUNK // n)):
        count = min(max(1, CHUNK // n), resamples - first)
        drawn = residuals[generator.integers(n, size=(count, n))]
        lines, gains = _gains(x, drawn, np.ones((1, n)), places)
        reached += int((gains.max(axis=1) * line >= gain * lines * (1 - 1e-9)).sum())  # F rises with gain over rss
        weights = generator.multinomial(n, np.full(n, 1 / n), size=count).astype(float)
        breaks.append(places[_gains(x, y[None], weights, places)[1].argmax(axis=1)])
    return (1 + reached) / (resamples + 1), np.concatenate(breaks)


def _gains(x: np.ndarray, y: np.ndarray, weights: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the residual sums of squares of straight lines (k,) and what a break at each place takes off (k, places).

    x (n,) is sorted; y and weights are (k, n), or (1, n) where all have the same. By sums over the rows from each place
    on: nothing is fitted twice.
    """

    def sums(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        running = np.cumsum(values[:, ::-1], axis=1)[:, ::-1]
        return running[:, :1], running[:, places]

    c = x[places]
    (n, n_up), (sx, x_up), (sxx, xx_up) = (sums(weights * x**power) for power in (0, 1, 2))
    (sy, y_up), (sxy, xy_up) = (sums(weights * y * x**power) for power in (0, 1))
    xx, xy = sxx - sx**2 / n, sxy - sx * sy / n
    yy = (weights * y * y).sum(axis=1, keepdims=True) - sy**2 / n
    total = x_up - c * n_up  # of the hinge h = max(x - c, 0)
    hx = xx_up - c * x_up - total * sx / n
    hh = xx_up - 2 * c * x_up + c**2 * n_up - total**2 / n - hx**2 / xx
    hy = xy_up - c * y_up - total * sy / n - hx * xy / xx
    gains = np.divide(
        hy**2, hh, out=np.zeros(np.broadcast(hy, hh).shape), where=np.broadcast_to(hh > 1e-12 * n, hy.shape)
    )
    return (yy - xy**2 / xx)[:, 0], gains


def _finite_pairs(x: np.ndarray, y: np.ndarray, *, needed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"x and y must be rows of the same length, not {x.shape} and {y.shape}")
    kept = np.isfinite(x) & np.isfinite(y)
    if kept.sum() < needed:
        raise ValueError(f"{kept.sum()} finite rows; at least {needed} needed")
    return x[kept], y[kept], kept


def _constant(values: np.ndarray) -> bool:
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max())

"""Does a straight line break, and where? A continuous line of two pieces, next to the straight one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from analysis.inference.rows import finite_pairs, varies

SIDE, FEWEST_ROWS = 5, 12  # rows at or beyond a break, on either side; rows that a fit is made of
PLACES = 1000  # of a break that resamples are asked for, at most: evenly among the observed x
CHUNK = 2_000_000  # numbers at once in a resampling
LINE = 64 * float(np.finfo(float).eps)  # of the size of the terms of a line: residuals so small are none
BEYOND = f"or beyond, where there are fewer than {SIDE} rows"
UNEVEN = "rough: the rows scatter more in one part of x than in another"
NEAR = 0.99  # how sure one must be that a break fits worse than the best to leave it out


@dataclass(frozen=True)
class SegmentedFit:
    """A line that breaks at `statistic`, next to the straight one; the break means little where p is large."""

    statistic: float
    interval: tuple[float, float]
    p: float  # of the straight line: how often its residuals, with signs drawn, break as clearly
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
    note: str = ""


def segmented_fit(x: np.ndarray, y: np.ndarray, *, resamples: int = 2000, seed: int = 0) -> SegmentedFit:
    """Return the fit y = b0 + b1 x + b2 max(x - c, 0) of y (n,) on x (n,), c the best of all places between rows.

    SIDE rows or more lie at or before c, and as many at or beyond it. The best c between two neighbouring x is where
    the lines fitted to the rows on either side meet, if they meet there (Hudson 1966). AIC counts c as a parameter.

    The 95% interval of c goes from the first to the last place where the lines through the rows before and beyond it
    meet but for what Welch's t allows: that holds at any noise, as nothing but two lines is fitted, and either side has
    its own variance. As lines also cross by chance far off, only places count that fit worse than the best by no more
    than an F at NEAR. p is of the largest F over c, against that of the straight line's residuals with signs drawn (the
    wild bootstrap: rows need not have one variance). An F test with one degree for the break is invalid: c exists under
    the alternative only (Davies 1987; Hansen 1996).

    Where the interval ends with the places that have SIDE rows, `note` says that the break may be beyond, and where the
    rows scatter unevenly, that the interval is rough (docs/analysis.md). Rows must be
    independent: average repeats of a setting first. NaN, with the reason in `note`, where x or y is
    constant, x leaves no place for a break, or the rows lie on a straight line, which has p 1; ValueError for under
    FEWEST_ROWS finite rows.
    """
    x, y, kept = finite_pairs(x, y, needed=FEWEST_ROWS)
    order = np.argsort(x, kind="stable")
    x, y, n = x[order], y[order], len(x)
    convention = f"a break anywhere with {SIDE} rows or more on either side"
    described: dict[str, Any] = {
        "n": n,
        "units": n,
        "unit": "row",
        "left_out": int((~kept).sum()),
        "convention": convention,
    }
    knots = _knots(x)
    if len(knots) < 2 or not varies(y):
        why = "y does not vary" if len(knots) > 1 else f"no stretch of x with {SIDE} rows of two values on either side"
        nan = math.nan
        return SegmentedFit(nan, (nan, nan), nan, nan, nan, nan, nan, nan, nan, **described, note=why)
    size, scale = float(x.std()), float(y.std())
    pieces = _Pieces.of((x - x.mean()) / size, (knots - x.mean()) / size)
    slope, rest = pieces.straighten((y - y.mean()) / scale)
    steepness = float(slope) * scale / size
    if np.abs(rest).max() * scale <= LINE * (np.abs(y).max() + abs(steepness) * np.abs(x).max()):
        found = (math.nan, (math.nan, math.nan), 1.0, steepness, steepness, 1.0, -math.inf, 1.0, -math.inf)
        return SegmentedFit(*found, **described, note="the rows lie on a straight line")
    best, gain = pieces.best(rest)
    design = np.column_stack([np.ones(n), pieces.x, np.maximum(pieces.x - best, 0)])
    b = np.linalg.lstsq(design, rest, rcond=None)[0]
    before, after = (steepness + float(change) * scale / size for change in (b[1], b[1] + b[2]))
    at, low, high = (float(x.mean() + size * place) for place in (best, *pieces.interval(rest, best, gain)))
    p, line = _p(pieces, rest, resamples, np.random.default_rng(seed)), float(rest @ rest)
    rss = max(line - gain, 0.0)
    aic, line_aic = (_aic(value * scale**2, n, k) for value, k in ((rss, 5), (line, 3)))
    beyond = min(low - knots[0], knots[-1] - high) <= 1e-9 * (knots[-1] - knots[0])
    fits = (1 - rss / n, aic, 1 - line / n, line_aic)
    notes = {BEYOND: beyond, UNEVEN: _are_uneven(pieces.x, rest - design @ b, best)}
    note = "; ".join(text for text, holds in notes.items() if holds)
    return SegmentedFit(at, (low, high), p, before, after, *fits, **described, note=note)


def _knots(x: np.ndarray) -> np.ndarray:
    """Return the values of sorted x (n,) that a break may be at: with SIDE rows, and two values, at or beyond each."""
    values = np.unique(x)
    if len(values) < 3:
        return values[:0]
    low, high = max(x[SIDE - 1], values[1]), min(x[-SIDE], values[-2])
    return values[(low <= values) & (values <= high)]


def _are_uneven(x: np.ndarray, rest: np.ndarray, at: float) -> bool:
    """Return whether residuals (of y of size 1) grow along x or away from the break; 1 of 20 even ones seem to."""
    if np.abs(rest).max() < 1e-9:  # rounding
        return False
    p = [stats.spearmanr(np.abs(rest), place).pvalue for place in (x, np.abs(x - at))]
    return min(p) < 0.025


def _aic(rss: float, n: int, parameters: int) -> float:
    """Return Akaike's criterion without the constants; the variance is one of the parameters."""
    return n * math.log(rss / n) + 2 * parameters if rss > 0 else -math.inf


def _p(pieces: _Pieces, rest: np.ndarray, resamples: int, generator: np.random.Generator) -> float:
    """Return how often the residuals of the straight line break as clearly as they do when their signs are drawn."""
    n, reached = len(rest), 0
    evened = rest / np.sqrt(1 - (1 + np.square(pieces.x)) / n)  # those of rows with leverage are too small
    asked, step = float(pieces.largest_f(rest[None])[0]) * (1 - 1e-9), max(1, CHUNK // n)
    for first in range(0, resamples, step):
        signs = generator.choice([-1.0, 1.0], size=(min(step, resamples - first), n))
        reached += int((pieces.largest_f(signs * evened) >= asked).sum())
    return (1 + reached) / (resamples + 1)


@dataclass(frozen=True)
class _Pieces:
    """Where a break may be: at `knots` (k,) and in the pieces between two, of which the rows `beyond` are alike.

    The hinge max(x - c, 0) is u - c v there, with u = x and v = 1 in the rows beyond and 0 before. `products` (3, k)
    are uu, uv and vv of what a straight line leaves of u and v.
    """

    x: np.ndarray  # (n,) sorted, of mean 0 and size 1
    knots: np.ndarray
    beyond: np.ndarray  # (k,) the first row beyond the knot
    products: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, knots: np.ndarray) -> _Pieces:
        beyond = np.searchsorted(x, knots, side="right")
        v, u, uu = (_sum_beyond(x**power, beyond) for power in (0, 1, 2))
        n = len(x)
        return cls(
            x, knots, beyond, np.stack([uu - (u**2 + uu**2) / n, u - (v * u + u * uu) / n, v - (v**2 + u**2) / n])
        )

    def straighten(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the slopes (...) of straight lines through values (..., n), and the residuals."""
        slopes = values @ self.x / len(self.x)
        return slopes, values - values.mean(axis=-1, keepdims=True) - slopes[..., None] * self.x

    def largest_f(self, values: np.ndarray) -> np.ndarray:
        """Return F of the best break at a knot for values (m, n), but for its degrees of freedom: (m,)."""
        every = slice(None, None, -(-len(self.knots) // PLACES))
        rest = self.straighten(values)[1]
        total, gain = np.square(rest).sum(axis=-1), self._gains(rest, every, self.knots[every]).max(axis=-1)
        return gain / np.maximum(total - gain, 1e-300)

    def best(self, rest: np.ndarray) -> tuple[float, float]:
        """Return the break that takes most off the residual sum of squares, and how much it takes off."""
        (uu, uv, vv), (u, v) = self.products[:, :-1], self._with(rest, slice(-1))
        with np.errstate(divide="ignore", invalid="ignore"):
            meets = (v * uu - u * uv) / (v * uv - u * vv)  # the derivative is 0
        within = (self.knots[:-1] < meets) & (meets < self.knots[1:])
        at = np.where(within, meets, self.knots[:-1])
        places = np.append(at, self.knots)
        gains = np.append(self._gains(rest, slice(-1), at), self._gains(rest, slice(None), self.knots))
        return float(places[gains.argmax()]), float(gains.max())

    def interval(self, rest: np.ndarray, best: float, gain: float) -> tuple[float, float]:
        """Return the first and the last break at which the lines on either side meet and that fits nearly as well."""
        n = len(self.x)
        (uu, uv, vv), (u, v) = self.products[:, :-1], self._with(rest, slice(-1))
        least = gain - (float(rest @ rest) - gain) * float(stats.f.ppf(NEAR, 1, n - 4)) / (n - 4)
        near = np.stack([v**2 - least * vv, -2 * (u * v - least * uv), u**2 - least * uu])
        conditions = np.stack([near, self._meeting(rest)])
        ends = np.stack([self.knots[:-1], self.knots[1:]])
        places = np.concatenate([ends, *map(_roots, conditions)])
        places = np.where((ends[0] <= places) & (places <= ends[1]), places, math.nan)
        powers = np.stack([places**2, places, np.ones_like(places)])
        terms = conditions[:, :, None] * powers[None]
        inside = (terms.sum(axis=1) >= -1e-9 * np.abs(terms).sum(axis=1)).all(axis=0)
        found = np.append(places[inside], best)
        return float(found.min()), float(found.max())

    def _meeting(self, rest: np.ndarray) -> np.ndarray:
        """Return a c^2 + b c + d (3, pieces) that is 0 or more where the lines on either side of c may well meet."""
        n, beyond = len(self.x), self.beyond[:-1]
        middle = (self.knots[:-1] + self.knots[1:]) / 2
        gap, variances, freedom = np.zeros((2, len(beyond))), [], []
        for sign, x, y, count in ((-1, self.x, rest, beyond), (1, self.x[::-1], rest[::-1], n - beyond)):
            slope, intercept, variance = _lines(x, y, count)
            gap += sign * np.stack([slope, intercept])
            variances.append(variance)
            freedom.append(count - 2)
        at = [np.square(middle) * a + middle * b + d for a, b, d in variances]
        welch = np.square(at[0] + at[1]) / np.maximum(at[0] ** 2 / freedom[0] + at[1] ** 2 / freedom[1], 1e-300)
        most = np.square(stats.t.ppf(0.975, np.maximum(welch, 1)))
        return most * (variances[0] + variances[1]) - np.stack([gap[0] ** 2, 2 * gap[0] * gap[1], gap[1] ** 2])

    def _with(self, rest: np.ndarray, at: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return the products of residuals (..., n) with u and v, for these pieces: (..., pieces) each."""
        beyond = self.beyond[at]
        return _sum_beyond(self.x * rest, beyond), _sum_beyond(rest, beyond)

    def _gains(self, rest: np.ndarray, at: slice, c: np.ndarray) -> np.ndarray:
        """Return what breaks at c (pieces,), one in each of these, take off the sum of squares: (..., pieces)."""
        (uu, uv, vv), (u, v) = self.products[:, at], self._with(rest, at)
        return np.square(u - c * v) / (uu - 2 * c * uv + c**2 * vv)


def _sum_beyond(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the sums of values (..., n) from each of the rows `first` on."""
    return np.cumsum(values[..., ::-1], axis=-1)[..., ::-1][..., first]


def _lines(x: np.ndarray, y: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return slope, intercept and the variance (3, k) at c, as a c^2 + b c + d, of lines through the first rows."""
    sx, sy, sxx, sxy, syy = (np.cumsum(values)[count - 1] for values in (x, y, x * x, x * y, y * y))
    mean, height = sx / count, sy / count
    spread = sxx - mean * sx
    slope = (sxy - mean * sy) / spread
    rest = np.maximum(syy - height * sy - slope * (sxy - mean * sy), LINE * syy) / (count - 2)
    inverse = rest / spread
    return slope, height - slope * mean, np.stack([inverse, -2 * inverse * mean, rest / count + inverse * mean**2])


def _roots(quadratics: np.ndarray) -> np.ndarray:
    """Return the two roots (2, k) of a c^2 + b c + d (3, k), NaN where there is none."""
    a, b, d = quadratics
    with np.errstate(divide="ignore", invalid="ignore"):
        half = -(b + np.copysign(np.sqrt(b * b - 4 * a * d), b)) / 2
        return np.stack([half / a, d / half])

"""Does a relation go one way only? The best step function that rises or falls."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

from analysis.inference.rows import finite_pairs, varies


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


def isotonic_fit(x: np.ndarray, y: np.ndarray, *, permutations: int = 2000, seed: int = 0) -> IsotonicFit:
    """Return the monotone fit of y (n,) on x (n,), rising or falling, whichever has the higher R2.

    R2 is optimistic by construction: steps follow noise. So p = (1 + #{R2* >= R2})/(permutations + 1), where y is
    permuted over the rows and both directions are tried every time. Rows must be independent: average repeats of a
    setting first. Rows of equal x get one value. NaN where x or y is constant; ValueError for under 3 finite rows.
    """
    x, y, kept = finite_pairs(x, y, needed=3)
    at, weights = np.unique(x, return_inverse=True, return_counts=True)[1:]
    fitted = np.full(len(kept), np.nan)
    described = (
        len(x),
        len(x),
        "row",
        int((~kept).sum()),
        "R2 of the better direction; p permutes rows, both directions",
    )
    if len(weights) == 1 or not varies(y):
        return IsotonicFit(math.nan, None, math.nan, "", fitted, *described)
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
    return IsotonicFit(max(found) / float(y_centred @ y_centred), None, p, direction, fitted, *described)


def _steps(y: np.ndarray, at: np.ndarray, weights: np.ndarray, sign: int) -> np.ndarray:
    means = np.bincount(at, weights=y) / weights
    return isotonic_regression(means, weights=weights, increasing=sign > 0).x

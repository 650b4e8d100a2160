"""How uncertain is a slope when rows come in units? The jackknife over units, its bias and its degrees of freedom."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import sparse

from analysis.inference.rows import ROUNDING, varies

CONSTANT = 1e-10  # of the variance of x: so little of it left is rounding
POOLED, WITHIN = math.inf, 0.0  # residual variance over that of the families' intercepts


class Leverage(NamedTuple):
    """What a design makes of the jackknife where all errors have one variance."""

    bias: float  # its mean, over the variance of the slope: above 1
    freedom: float  # of the chi-squared with the same mean and variance: few where few units carry the slope


def slopes_without(
    x: np.ndarray, y: np.ndarray, families: np.ndarray, units: np.ndarray, ratio: float
) -> tuple[float, np.ndarray]:
    """Return the slope, and the slopes without each unit (G,): by sums over families less those of the unit."""
    (x, x_size), (y, y_size) = standard(x), standard(y)
    found = _solve(_Sums.of(x, y, families, units, ratio).terms) * (y_size / x_size if x_size else math.nan)
    return float(found[0]), found[1:]


def slope_rounding(x: np.ndarray, y: np.ndarray, families: np.ndarray, ratio: float) -> float:
    """Return what rounding of y alone may make of a slope: ROUNDING of its size over the size of x that counts."""
    largest, (x, size) = float(np.abs(y).max()), standard(x)
    n, total, _, squares, _ = _normal_equations(_products(x, x, families), ratio).sum(axis=1)
    spread = squares - total**2 / n if n > 0 else squares
    return ROUNDING * largest / size * len(x) / float(spread) if spread > CONSTANT * len(x) else math.nan


def leverage(x: np.ndarray, families: np.ndarray, units: np.ndarray, ratio: float) -> Leverage:
    """Return the bias and the degrees of freedom of the sum over units of (slope without it - slope)^2.

    That is y'D'Dy, with a row of D (G, n) per unit, so that with errors of one variance its mean is tr DD' and its
    variance 2 tr (DD')^2 (Satterthwaite; Bell and McCaffrey 2002; CR3 in clubSandwich of R). A slope is w'y with
    w = (x - the family's mean, shrunk by `ratio`) / spread, so that D is what two columns and the families' means
    change without a unit, and the unit's own rows.
    """
    x = standard(x)[0]
    sums = _Sums.of(x, x, families, units, ratio)
    n, total, _, squares, _ = sums.terms
    centre = np.divide(total, n, out=np.zeros_like(n), where=n > 0)
    spread = squares - centre * total
    (size, means), (left, means_left) = _family_means(sums.whole), _family_means(sums.without)
    unit, family, kept = sums.unit, sums.family, size / (size + ratio)
    usual = kept[family] * means[family] + (1 - kept[family]) * centre[1:][unit]
    kept_left = left / np.maximum(left + ratio, 0.5)
    shrunk = np.where(left > 0.5, kept_left * means_left + (1 - kept_left) * centre[1:][unit], usual)
    own = (x - shrunk[sums.pair]) / spread[1:][units]

    shape = len(spread) - 1, len(size)
    columns = np.stack([x - (kept * means)[families], 1 - kept[families]])
    moved = sparse.csr_array(((shrunk - usual) / spread[1:][unit], (unit, family)), shape=shape)
    change = np.stack([1 / spread[0] - 1 / spread[1:], centre[1:] / spread[1:] - centre[0] / spread[0]], axis=1)
    beside = np.stack([np.bincount(units, weights=column * own) for column in columns], axis=1)
    rows = sparse.csr_array((np.bincount(sums.pair, weights=own), (unit, family)), shape=shape)
    of_families = np.stack([np.bincount(families, weights=column) for column in columns])
    gram = sparse.block_array([[columns @ columns.T, of_families], [of_families.T, sparse.diags_array(size)]])
    both = sparse.hstack([change, moved, beside, rows]).tocsr()
    eye = sparse.eye_array(len(size) + 2)
    middle = sparse.block_array([[gram, eye], [eye, None]]).tocsr()
    alone = np.bincount(units, weights=own**2)
    diagonal = np.asarray((both @ middle).multiply(both).sum(axis=1)).ravel()
    crossed = middle @ (both.T @ both)
    mean = float((alone + diagonal).sum())
    square = float(np.square(alone).sum() + 2 * alone @ diagonal + crossed.multiply(crossed.T).sum())
    weights = (x - (kept * means + (1 - kept) * centre[0])[families]) / spread[0]
    return Leverage(mean / float(weights @ weights), mean**2 / square)


def standard(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the values with mean 0 and size 1, and their size; a constant as zeros of size 0."""
    if not varies(values):
        return np.zeros_like(values), 0.0
    size = float(values.std())
    return (values - values.mean()) / size, size


def family_weights(x: np.ndarray, families: np.ndarray, ratio: float) -> float:
    """Return the sum over families of the squared weight that a family's intercept has in the slope."""
    terms = _normal_equations(_products(x, x, families), ratio)
    n, total, _, squares, _ = terms.sum(axis=1)
    weights = (terms[1] - terms[0] * total / n) / (squares - total**2 / n)
    return float(np.square(weights).sum())


class _Sums(NamedTuple):
    """Sums of 1, x, y, xx and xy, by family and without each unit that has rows in it."""

    whole: np.ndarray  # (5, families)
    without: np.ndarray  # (5, pairs)
    unit: np.ndarray  # of each pair of a unit and a family with rows in it
    family: np.ndarray
    pair: np.ndarray  # (n,) of each row
    terms: np.ndarray  # (5, 1 + G) the normal equations of all rows, and without each unit

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, families: np.ndarray, units: np.ndarray, ratio: float) -> _Sums:
        count = int(families.max()) + 1
        whole = _products(x, y, families)
        pairs, pair = np.unique(units * count + families, return_inverse=True)
        unit, family = pairs // count, pairs % count
        without = whole[:, family] - _products(x, y, pair)
        terms = _normal_equations(whole, ratio)
        changes = _normal_equations(without, ratio) - terms[:, family]
        by_unit = np.stack([np.bincount(unit, weights=change) for change in changes])
        total = terms.sum(axis=1)[:, None]
        return cls(whole, without, unit, family, pair, np.hstack([total, total + by_unit]))


def _products(x: np.ndarray, y: np.ndarray, codes: np.ndarray) -> np.ndarray:
    return np.stack([np.bincount(codes, weights=row) for row in (np.ones_like(x), x, y, x * x, x * y)])


def _family_means(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sizes and the means of x of sums (5, k); 0 where there is no row."""
    size = np.round(sums[0])
    return size, np.divide(sums[1], size, out=np.zeros_like(size), where=size > 0)


def _normal_equations(sums: np.ndarray, ratio: float) -> np.ndarray:
    """Return each family's part of X'V⁻¹X and X'V⁻¹y, times the residual variance: (5, families).

    `sums` (5, families) are of 1, x, y, xx and xy. V⁻¹ takes 11'/(n + ratio) from the identity, where `ratio` is the
    residual variance over that of the intercepts: infinite is least squares over all, 0 an intercept per family.
    """
    n, x, y, xx, xy = sums
    removed = np.divide(1, n + ratio, out=np.zeros_like(n), where=n > 0.5)
    kept = np.ones_like(n) if math.isinf(ratio) else ratio * removed
    return np.stack([n * kept, x * kept, y * kept, xx - removed * x * x, xy - removed * x * y])


def _solve(terms: np.ndarray) -> np.ndarray:
    """Return the slopes (k,) that solve the normal equations (5, k); NaN where x is constant."""
    n, x, y, xx, xy = terms
    mean = np.divide(x, n, out=np.zeros_like(x), where=n > 0)
    spread = xx - mean * x
    return np.divide(xy - mean * y, spread, out=np.full_like(x, np.nan), where=spread > CONSTANT * len(x))

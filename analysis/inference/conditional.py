"""Does a measure tell of the target what no two settings tell? Conditional mutual information, K."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.inference.granulated import numbered, setting_levels
from analysis.inference.resampling import FEWEST, bootstrap_values, usable

VARIANTS = {
    "jiang": "Jiang et al.: at most 2 axes, cells weighted by their pairs",
    "pgdl": "PGDL: exactly 2 axes, cells alike, self-pairs included",
}
PAIRS = 4_000_000  # numbers of a block of the matrix of pairs, so that memory stays small


class Null(NamedTuple):
    """K of the measure permuted freely over the rows."""

    mean: float
    p95: float


@dataclass(frozen=True)
class ConditionalInformation:
    """K, the set of axes that leaves least, and what a measure without relation would get."""

    k: float  # in [0, 1]
    interval: tuple[float, float]  # 95%
    subset: tuple[str, ...]  # that K is the minimum at
    by_subset: dict[tuple[str, ...], float]  # NaN where the target has no entropy left
    undefined: int  # subsets of NaN, left out of the minimum
    null: Null
    p: float
    n: int
    units: int
    unit: str
    left_out: int
    convention: str

    @property
    def statistic(self) -> float:
        """Return K."""
        return self.k


def conditional_mutual_information(
    table: pd.DataFrame,
    *,
    measure: str,
    target: str,
    axes: Sequence[str],
    variant: str = "jiang",
    cluster: str | None = None,
    permutations: int = 200,
    resamples: int = 200,
    seed: int = 0,
) -> ConditionalInformation:
    """Return K = min over S of I(V_mu; V_g | U_S) / H(V_g | U_S), V being 1 where run a is higher than run b, else 0.

    U_S are the settings of a and b in the axes S. "jiang" (Jiang et al. 2020, "Fantastic Generalization Measures",
    section 4) takes all S of at most 2 axes, the empty set too, ordered pairs a != b, and the mean over U_S by their
    pairs. "pgdl", the scorer of the NeurIPS 2020 competition, takes S of exactly 2 axes, pairs of a run with itself,
    and the plain mean over U_S; its score is 100 times the mean of K over tasks. It needs a complete grid with one run
    per cell. A tie counts as "not higher". S that leave the target no entropy are left out of the minimum.

    K has no sign: a measure that predicts the opposite gets as much, so look at granulated tau beside it. It is a
    plug-in estimate, biased upwards: `p` and `null` (the measure permuted freely over rows, clusters or not) tell it
    from none, not the interval. That is k +- 1.96 standard deviations of the bootstrap over `cluster` (None: rows),
    without pairs of copies of one row, clipped to [0, 1]; NaN for fewer than 5 units. Neither source gives one. The
    time is that of n^2 pairs for each permutation and resample: about 10 ms at 1,000 rows and 5 axes. ValueError for an
    axis with one level, and for pgdl with fewer than 2 axes or no grid. NaN where no S is defined: a constant target.
    """
    if variant not in VARIANTS:
        raise ValueError(f"unknown variant {variant!r}; known: {', '.join(VARIANTS)}")
    sample = usable(table, [measure, target], settings=axes, cluster=cluster)
    levels = setting_levels(sample.table, axes)
    if variant == "pgdl":
        _demand_grid(levels, axes)
    x, y = (sample.table[name].to_numpy(dtype=float) for name in (measure, target))
    sizes = (0, 1, 2) if variant == "jiang" else (2,)
    subsets = [subset for size in sizes for subset in combinations(range(len(axes)), size)]
    k_of = _prepared(y, levels, subsets, self_pairs=variant == "pgdl")
    every, described = np.ones(len(y)), sample.described

    by_subset = k_of(x, every)
    k = _least(by_subset)
    generator = np.random.default_rng(seed)
    null = np.array([_least(k_of(generator.permutation(x), every)) for _ in range(permutations)])

    def resampled(weights: np.ndarray) -> np.ndarray:
        return np.array([_least(k_of(x, column)) for column in weights.T])

    interval = float("nan"), float("nan")
    if described["units"] >= FEWEST and not np.isnan(k):
        values = bootstrap_values(resampled, sample.units, resamples=resamples, seed=seed)
        error = 1.96 * float(np.nanstd(values, ddof=1))
        interval = max(0.0, k - error), min(1.0, k + error)
    names = [tuple(axes[column] for column in subset) for subset in subsets]
    return ConditionalInformation(
        k=k,
        interval=interval,
        subset=() if np.isnan(k) else names[int(np.nanargmin(by_subset))],
        by_subset=dict(zip(names, by_subset.tolist(), strict=True)),
        undefined=int(np.isnan(by_subset).sum()),
        null=Null(float(null.mean()), float(np.quantile(null, 0.95))) if permutations else Null(np.nan, np.nan),
        p=float("nan") if np.isnan(k) else float((1 + (null >= k - 1e-12).sum()) / (permutations + 1)),
        **described,
        convention=VARIANTS[variant] + "; ties are not higher",
    )


def _least(values: np.ndarray) -> float:
    return float("nan") if np.isnan(values).all() else float(np.nanmin(values))


def _demand_grid(levels: np.ndarray, axes: Sequence[str]) -> None:
    if len(axes) < 2:
        raise ValueError(f"pgdl conditions on two axes; {len(axes)} is given")
    cells, runs = int(np.prod(levels.max(axis=0) + 1)), len(levels)
    distinct = int(numbered(levels).max()) + 1
    if not cells == runs == distinct:
        raise ValueError(
            f"pgdl needs a complete grid with one run per cell: {cells} cells, {distinct} filled; {runs} runs"
        )


def _prepared(
    y: np.ndarray, levels: np.ndarray, subsets: list[tuple[int, ...]], *, self_pairs: bool
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return a function of a measure (n,) and weights (n,) that returns K of every subset: (subsets,).

    The pairs of every two cells are counted by products with the one-hot cells of all subsets, side by side, so that
    the matrix of pairs is gone through once. Its entries are whole numbers below 2^24: exact in single precision.
    """
    rising = np.argsort(y, kind="stable")
    y, levels = y[rising], levels[rising]
    cells = [numbered(levels[:, list(subset)]) for subset in subsets]
    counts = [int(cell.max()) + 1 for cell in cells]
    one_hot = np.hstack([np.eye(count, dtype=np.float32)[cell] for cell, count in zip(cells, counts, strict=True)])
    edges = np.cumsum([0, *counts])
    blocks = [slice(edge, last) for edge, last in zip(edges, edges[1:], strict=False)]

    def k_of(measure: np.ndarray, weights: np.ndarray) -> np.ndarray:
        x, w = measure[rising], weights[rising]
        weighted = one_hot * w[:, None].astype(np.float32)
        lower = [_weight_below(values, weighted) for values in (x, y)]
        both = _weight_below_in_both(x, y, weighted)
        single = w.astype(float) if self_pairs else np.zeros(len(w))
        found = []
        for block in blocks:
            e = weighted[:, block].astype(float)
            size = e.sum(axis=0)
            pairs = np.outer(size, size) - np.diag(one_hot[:, block].T.astype(float) @ (np.square(w) - single))
            found.append(_ratio(pairs, *(e.T @ part[:, block] for part in (*lower, both)), alike=self_pairs))
        return np.array(found)

    return k_of


def _weight_below(values: np.ndarray, weighted: np.ndarray) -> np.ndarray:
    """Return for each row and column the weight of the rows with a lower value: (n, columns)."""
    order = np.argsort(values, kind="stable")
    total = np.vstack([np.zeros_like(weighted[:1]), np.cumsum(weighted[order], axis=0)])
    return total[np.searchsorted(values[order], values, side="left")]


def _weight_below_in_both(x: np.ndarray, y: np.ndarray, weighted: np.ndarray) -> np.ndarray:
    """Return for each row and column the weight of the rows lower in x and in y, which is sorted: (n, columns)."""
    found = np.empty_like(weighted)
    step = min(max(1, PAIRS // len(x)), 256)
    for first in range(0, len(x), step):
        rows = slice(first, first + step)
        before = slice(0, min(first + step, len(x)))
        higher = (x[rows, None] > x[before]) & (y[rows, None] > y[before])
        found[rows] = higher.astype(np.float32) @ weighted[before]
    return found


def _ratio(pairs: np.ndarray, in_x: np.ndarray, in_y: np.ndarray, both: np.ndarray, *, alike: bool) -> float:
    """Return I(V_mu; V_g | U) / H(V_g | U) from the pairs of every two cells: all, higher in x, in y, in both."""
    there = pairs > 0
    n, x, y, xy = (counts[there].astype(float) for counts in (pairs, in_x, in_y, both))
    joint = ((xy, x, y), (x - xy, x, n - y), (y - xy, n - x, y), (n - x - y + xy, n - x, n - y))
    information = sum(_plogs(cell, n * cell, first * second) for cell, first, second in joint) / n
    entropy = -sum(_plogs(cell, cell, n) for cell in (y, n - y)) / n
    share = np.full(len(n), 1 / len(n)) if alike else n / n.sum()
    below = float(share @ entropy)
    return float(np.clip(share @ information / below, 0, 1)) if below > 0 else float("nan")


def _plogs(count: np.ndarray, above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return count log2(above / below), 0 where the count is 0."""
    present = count > 0
    return np.where(present, count * np.log2(np.where(present, above, 1) / np.where(present, below, 1)), 0)

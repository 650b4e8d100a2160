"""Does a measure inform about the target beyond any two settings? Conditional mutual information, K."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.inference.granulated import numbered, setting_levels
from analysis.inference.pair_information import information_given
from analysis.inference.resampling import jackknife, usable

VARIANTS = {
    "jiang": "Jiang et al.: at most 2 axes, cells weighted by their pairs",
    "pgdl": "PGDL: exactly 2 axes, cells alike, self-pairs included",
}
FEW = 30  # units: of fewer the interval is too narrow
LARGEST = 1_500_000  # rows times cells, and pairs of cells: 1,000 runs of 5 axes of 10 levels have 1,150,000


class Null(NamedTuple):
    """K of the measure permuted over the clusters of one size, or over the rows."""

    mean: float
    p95: float


@dataclass(frozen=True)
class ConditionalInformation:
    """K, the set of axes that leaves least, and what a measure without relation would get."""

    k: float  # in [0, 1]
    interval: tuple[float, float]  # 95%
    subset: tuple[str, ...]  # that K is the minimum at; none where K is NaN
    by_subset: dict[tuple[str, ...], float]  # NaN where the target has no entropy left
    undefined: int  # subsets of NaN, left out of the minimum
    null: Null
    p: float
    n: int
    units: int
    unit: str
    left_out: int
    convention: str
    note: str  # why K is NaN, or what to know of the interval

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
    seed: int = 0,
) -> ConditionalInformation:
    """Return K = min over S of I(V_mu; V_g | U_S) / H(V_g | U_S), V being 1 where run a is higher than run b, else 0.

    U_S are the settings of a and b in the axes S. "jiang" (Jiang et al. 2020, "Fantastic Generalization Measures",
    section 4) takes all S of at most 2 axes, the empty set too, ordered pairs a != b, and the mean over U_S by their
    pairs. "pgdl", the scorer of the NeurIPS 2020 competition, takes S of exactly 2 axes, pairs of a run with itself,
    and the plain mean over U_S; its score is 100 times the mean of K over tasks. It needs a complete grid with one run
    per cell. A tie counts as "not higher". S that leave the target no entropy are left out of the minimum and counted;
    where that is all but the empty one, as with continuous settings that each occur once, K is NaN, and `note` says
    why: it would be that given nothing.

    K has no sign: a measure that predicts the opposite gets as much, so look at granulated tau beside it. It is a
    plug-in estimate, biased upwards: `p` and `null` tell it from none, not the interval. They are of the measure
    permuted over rows, or with `cluster` over clusters: those of equal size exchange their rows, in the order of the
    table, as repeats of a setting are not exchangeable one by one; a size that occurs once stays in place, which makes
    p larger, 1 where all differ. The interval is the jackknife's over `cluster` (None: rows), k +- t error within
    [0, 1]; NaN for fewer than 5 units, and where K is undefined without one. Neither source gives one.

    The time is that of n^2 pairs by the cells of all S, for each permutation and unit left out: 1,000 rows take 10 ms
    with 5 axes of 5 levels, and 50 ms of 10. ValueError for too many levels (`LARGEST`), an axis with one, and for pgdl
    with fewer than 2 axes or no grid.
    """
    if variant not in VARIANTS:
        raise ValueError(f"unknown variant {variant!r}; known: {', '.join(VARIANTS)}")
    sample = usable(table, [measure, target], settings=axes, cluster=cluster)
    levels = setting_levels(sample.table, axes)
    x, y = (sample.table[name].to_numpy(dtype=float) for name in (measure, target))
    subsets, cells = _cells(levels, axes, variant)
    k_of = information_given(y, cells, self_pairs=variant == "pgdl")
    given = np.array([len(subset) > 0 for subset in subsets])

    def least(measured: np.ndarray, weights: np.ndarray) -> float:
        return _least(k_of(measured, weights), given)

    by_subset = k_of(x, np.ones(len(y)))
    names = [tuple(axes[column] for column in subset) for subset in subsets]
    k = _least(by_subset, given)
    interval = _interval(least, x, sample.units, k)
    null, p = _null(least, x, sample.units, k, permutations, seed)
    return ConditionalInformation(
        k=k,
        interval=interval,
        subset=() if np.isnan(k) else names[int(np.nanargmin(by_subset))],
        by_subset=dict(zip(names, by_subset.tolist(), strict=True)),
        undefined=int(np.isnan(by_subset).sum()),
        null=null,
        p=p,
        **sample.described,
        convention=VARIANTS[variant] + "; ties are not higher",
        note=_note(y) if np.isnan(k) else _caution(interval, sample.described["units"]),
    )


def _least(by_subset: np.ndarray, given: np.ndarray) -> float:
    """Return the least of the subsets, NaN where none in which anything is given is defined."""
    return float("nan") if np.isnan(by_subset[given]).all() else float(np.nanmin(by_subset))


def _note(y: np.ndarray) -> str:
    if (y == y[0]).all():
        return "the target is constant"
    return "with any axis held fixed the target has no information left: bin their levels or repeat the runs"


def _caution(interval: tuple[float, float], units: int) -> str:
    if np.isnan(interval[0]) or units >= FEW:
        return ""
    return f"of {units} units the interval is too narrow: in simulations 85 to 90 of 100 held the truth"


def _null(
    least: Callable[[np.ndarray, np.ndarray], float],
    x: np.ndarray,
    units: np.ndarray,
    k: float,
    permutations: int,
    seed: int,
) -> tuple[Null, float]:
    """Return K's null, of units of one size that exchange their rows of x (n,), and the p of k."""
    if np.isnan(k) or not permutations:
        return Null(float("nan"), float("nan")), float("nan")
    generator, every = np.random.default_rng(seed), np.ones(len(x))
    order, sizes = np.argsort(units, kind="stable"), np.bincount(units)
    starts = np.cumsum(sizes) - sizes
    alike = [order[starts[sizes == size][:, None] + np.arange(size)] for size in np.unique(sizes)]
    found, again = np.empty(permutations), x.copy()
    for i in range(permutations):
        for rows in alike:
            again[rows] = x[generator.permutation(rows)]
        found[i] = least(again, every)
    p = (1 + (found >= k - 1e-12).sum()) / (permutations + 1)
    return Null(float(found.mean()), float(np.quantile(found, 0.95))), float(p)


def _interval(
    least: Callable[[np.ndarray, np.ndarray], float], x: np.ndarray, units: np.ndarray, k: float
) -> tuple[float, float]:
    if np.isnan(k):
        return float("nan"), float("nan")
    found = jackknife(lambda weights: np.array([least(x, column) for column in weights.T]), units)
    if np.isnan(found.error) or found.alike:
        return float("nan"), float("nan")
    return max(0.0, k - found.half), min(1.0, k + found.half)


def _cells(levels: np.ndarray, axes: Sequence[str], variant: str) -> tuple[list[tuple[int, ...]], list[np.ndarray]]:
    """Return the sets of axes, the largest last, and the number of each row's cell (n,) in each."""
    if variant == "pgdl":
        _demand_grid(levels, axes)
    sizes = (0, 1, 2) if variant == "jiang" else (2,)
    subsets = [subset for size in sizes for subset in combinations(range(len(axes)), size)]
    cells = [numbered(levels[:, list(subset)]) for subset in subsets]
    _demand_few(cells, levels, axes)
    return subsets, cells


def _demand_few(cells: list[np.ndarray], levels: np.ndarray, axes: Sequence[str]) -> None:
    counts = np.array([int(cell.max()) + 1 for cell in cells])
    columns, pairs = int(counts.sum()), int(np.square(counts).sum())
    if len(levels) * columns + pairs > LARGEST:
        most = int(levels.max(axis=0).argmax())
        raise ValueError(
            f"too many levels, axis {axes[most]!r} has {levels[:, most].max() + 1}: bin them, or take fewer axes"
            f" ({len(levels)} rows x {columns} cells + {pairs} pairs of cells exceed {LARGEST})"
        )


def _demand_grid(levels: np.ndarray, axes: Sequence[str]) -> None:
    if len(axes) < 2:
        raise ValueError(f"pgdl conditions on two axes; {len(axes)} is given")
    cells, runs = int(np.prod(levels.max(axis=0) + 1)), len(levels)
    distinct = int(numbered(levels).max()) + 1
    if not cells == runs == distinct:
        raise ValueError(
            f"pgdl needs a complete grid with one run per cell: {cells} cells, {distinct} filled; {runs} runs"
        )

"""Do two quantities still rise together when others are held fixed? Partial rank correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.inference.meta import NEAR_ONE, ROUGH, fisher_interval
from analysis.inference.rows import equate, level_numbers, usable_rows

FEW = 6  # rows less columns held fixed, below which the interval covers nearly always
NEW = 1e-9  # of a column's size: less than this beside the columns before it is rounding


@dataclass(frozen=True)
class PartialCorrelation:
    """A rank correlation given `k` columns; NaN, with the reason in `note`, where it is undefined."""

    statistic: float
    interval: tuple[float, float]
    p: float
    n: int
    k: int  # columns held fixed: each category but one of a categorical, without the dropped
    dropped: tuple[str, ...]  # constant, or a combination of those before
    units: int
    unit: str
    left_out: int
    convention: str
    note: str = ""


def partial_correlation(
    table: pd.DataFrame, *, measure: str, target: str, given: Sequence[str], cluster: str | None = None
) -> PartialCorrelation:
    """Return Spearman's correlation of `measure` and `target` with the columns `given` held fixed.

    Ranks of all columns, then the correlation of what those of `given` leave of both, by least squares. (By the inverse
    of a covariance, as in pingouin 0.7, opposite rankings would have +1: the matrix is singular.) A column of `given`
    that is not numeric becomes a dummy per category but the first; constant columns and combinations of earlier ones
    are dropped, and named. The 95% interval is that of `fisher_interval` for n - k rows, and p that of t with n - k - 2
    degrees of freedom, at most that of one swap of neighbours less than 1; n - k is at least 4. With `cluster` the rows
    of one cluster are averaged first, so that n is the number of clusters and repeats do not count as evidence; a
    categorical must be constant in each.

    The ranks leave a monotone but not linear dependence on `given` in part unexplained: among many rows that remainder
    is significant. ValueError for an unknown column, a column given twice, and too few rows.
    """
    names = [measure, target, *given]
    if len(set(names)) < len(names):
        raise ValueError(f"a column is named twice: {', '.join(names)}")
    words = [name for name in given if name in table and not pd.api.types.is_numeric_dtype(table[name])]
    numbers, labels = [name for name in names if name not in words], words + ([cluster] if cluster else [])
    rows, left_out = usable_rows(table, numbers=numbers, labels=labels, needed=4)
    if cluster:
        rows = _by_cluster(rows, cluster, numbers)
    ranks, dropped = _covariates(rows, list(given))
    ranks.insert(0, "target", rows[target].rank().to_numpy())
    ranks.insert(0, "measure", rows[measure].rank().to_numpy())
    n, k = len(ranks), ranks.shape[1] - 2
    if n - k < 4:
        raise ValueError(f"{n} rows for {k} columns held fixed; at least {k + 4} needed")
    value, p, note = _partial(ranks)
    interval = _fisher(value, n - k) if math.isfinite(value) else (value, value)
    wide = f"wide: {n} rows with {k} columns held fixed" if n - k < FEW else ""
    note = note or "; ".join(filter(None, (wide, ROUGH if abs(value) >= NEAR_ONE else "")))
    described = (n, cluster or "row", left_out, "Spearman: ranks, ties get their mean rank")
    return PartialCorrelation(value, interval, p, n, k, dropped, *described, note)


def _by_cluster(rows: pd.DataFrame, cluster: str, numbers: list[str]) -> pd.DataFrame:
    """Return a row per cluster: the means of numbers, the one value of the others."""
    same = rows[cluster].groupby(level_numbers(rows[cluster])).transform("first")
    groups = rows.assign(**{cluster: same}).groupby(cluster, sort=False, observed=True)
    others = [name for name in rows if name not in (cluster, *numbers)]
    mixed = [name for name in others if (groups[name].nunique() > 1).any()]
    if mixed:
        raise ValueError(f"not constant in each {cluster!r}: {', '.join(mixed)}")
    means = groups[[name for name in numbers if name != cluster]].mean().apply(equate, raw=True)
    return means.join(groups[others].first()).reset_index()


def _covariates(rows: pd.DataFrame, given: list[str]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the ranks of the columns that are not combinations of others, and the names of the dropped."""
    columns: dict[str, np.ndarray] = {}
    for name in given:
        if pd.api.types.is_numeric_dtype(rows[name]):
            columns[name] = rows[name].to_numpy()
        else:
            levels = sorted(rows[name].unique(), key=str)
            columns |= {f"{name}={level}": (rows[name] == level).to_numpy(float) for level in levels[1:]}
            columns |= {name: np.zeros(len(rows))} if len(levels) == 1 else {}
    kept, dropped, basis = {}, [], np.zeros((len(rows), 0))
    for name, values in columns.items():
        ranks = stats.rankdata(values)
        rest = ranks - ranks.mean()
        size = float(np.linalg.norm(rest))
        for _ in range(2):  # once leaves rounding of the size of NEW
            rest = rest - basis @ (basis.T @ rest)
        if float(np.linalg.norm(rest)) <= NEW * max(size, 1.0):
            dropped.append(name)
        else:
            kept[name] = ranks
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
    return pd.DataFrame(kept, index=range(len(rows))), tuple(dropped)


def _partial(ranks: pd.DataFrame) -> tuple[float, float, str]:
    """Return the correlation of what the others leave of the first two columns of ranks, its p, why it is undefined."""
    given = ranks.to_numpy()[:, 2:]
    design = np.column_stack([np.ones(len(ranks)), given])
    left = []
    for name in ("measure", "target"):
        values = ranks[name].to_numpy()
        rest = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
        if np.linalg.norm(rest) <= NEW * np.linalg.norm(values):
            return float("nan"), float("nan"), f"the {name} is constant, or a combination of what is held fixed"
        left.append(rest / np.linalg.norm(rest))
    value = float(np.clip(left[0] @ left[1], -1, 1))
    freedom = len(ranks) - given.shape[1] - 2
    most = min(abs(value), _swapped(len(ranks) - given.shape[1]))
    size = most * math.sqrt(freedom / (1 - most**2))
    return value, float(2 * stats.t.sf(size, freedom)), ""


def _swapped(rows: int) -> float:
    """Return the rank correlation of so many rows that agree but for one swap of neighbours: the most that is known."""
    return 1 - 12 / (rows * (rows**2 - 1))


def _fisher(value: float, rows: int) -> tuple[float, float]:
    """Return Fisher's interval for so many rows less columns held fixed; at 1 that of one swap of neighbours less."""
    most = _swapped(rows)
    low, high = fisher_interval(math.copysign(min(abs(value), most), value), rows)
    if abs(value) <= most:
        return low, high
    return (low, 1.0) if value > 0 else (-1.0, high)

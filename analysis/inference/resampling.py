"""How uncertain is a statistic? Percentile bootstrap over the rows of a table, over runs, or over what pairs share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.inference.rows import usable_rows

FEWEST = 5  # runs, or clusters, that an interval is given for: of 2 or 3 runs it covers the truth in 50 to 75 of 100
WEIGHTS = 4_000_000  # numbers of weights at a time: rows times resamples, so that memory stays small
Interval = Callable[..., tuple[float, float] | None]  # of statistic and runs


class Sample(NamedTuple):
    """The rows of a table that can be used, and the unit that is resampled as a whole."""

    table: pd.DataFrame
    units: np.ndarray  # (n,) the number of each row's unit, from 0
    unit: str  # its name: the cluster's column, or "row"
    left_out: int  # rows with a value that is missing or not finite

    @property
    def described(self) -> dict[str, Any]:
        """Return what every result says of its sample: n, units, unit, left_out."""
        return {"n": len(self.units), "units": _count(self.units), "unit": self.unit, "left_out": self.left_out}


def usable(
    table: pd.DataFrame, numbers: Sequence[str], *, settings: Sequence[str] = (), cluster: str | None = None
) -> Sample:
    """Return the rows in which the columns `numbers` are finite and the cluster is not missing, as `usable_rows`."""
    labels = [] if cluster is None else [cluster]
    rows, left_out = usable_rows(table, numbers=numbers, labels=labels, settings=settings, needed=2)
    rows = rows.reset_index(drop=True)
    units = np.arange(len(rows)) if cluster is None else pd.factorize(rows[cluster])[0]
    return Sample(rows, units, "row" if cluster is None else str(cluster), left_out)


def resamples_for(n: int) -> int:
    """Return how many resamples an interval of n rows takes unless told: 2000 up to 2,000 rows, 200 above."""
    return 2000 if n <= 2000 else 200


def bootstrap_values(
    statistic: Callable[[np.ndarray], np.ndarray], units: np.ndarray, *, resamples: int | None = None, seed: int = 0
) -> np.ndarray:
    """Return the statistic of every resample of whole units, drawn with replacement: (resamples,), NaN where undefined.

    `statistic` takes the weights (n, some resamples): how often each of the n rows was drawn. That is many times
    faster than to draw rows and start again, and lets the statistic know which rows are copies of one.
    """
    generator, count = np.random.default_rng(seed), _count(units)
    resamples = resamples_for(len(units)) if resamples is None else resamples
    step = max(1, WEIGHTS // len(units))
    values = []
    for first in range(0, resamples, step):
        number = min(step, resamples - first)
        drawn = generator.integers(count, size=(number, count)) + count * np.arange(number)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=number * count).reshape(number, count)
        values.append(statistic(weights.T.astype(np.int32)[units]))
    return np.concatenate(values) if values else np.empty(0)


def percentile_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return the ends between which lies `level` of the values that are not NaN; NaN where there are none."""
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def cluster_bootstrap(
    statistic: Callable[[pd.DataFrame], float],
    table: pd.DataFrame,
    *,
    cluster: str | None = None,
    resamples: int | None = None,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the 95% percentile interval of any statistic of a table whose clusters (None: rows) are drawn again.

    All rows of a drawn cluster come with it; a cluster that is drawn twice is two of them, so that the column `cluster`
    of a resample is numbered anew. Resamples in which the statistic is NaN are left out; if all are, the ends are NaN.
    scipy.stats.bootstrap knows no clusters, and returns NaN as soon as one resample is undefined.
    """
    sample = usable(table, [], settings=[*table.columns], cluster=cluster)
    order, sizes = np.argsort(sample.units, kind="stable"), np.bincount(sample.units)
    members = np.split(order, np.cumsum(sizes)[:-1])
    generator, values = np.random.default_rng(seed), []
    for _ in range(resamples_for(len(order)) if resamples is None else resamples):
        drawn = generator.integers(len(sizes), size=len(sizes))
        again = sample.table.iloc[np.concatenate([members[unit] for unit in drawn])].reset_index(drop=True)
        if cluster is not None:
            again[cluster] = np.repeat(np.arange(len(drawn)), sizes[drawn])
        values.append(float(statistic(again)))
    return percentile_interval(np.array(values))


def _count(units: np.ndarray) -> int:
    return int(units.max()) + 1


def runs_interval(
    statistic: Callable[..., float], *trials: np.ndarray, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> tuple[float, float] | None:
    """Return the percentile interval of statistic(*trials) when the runs of each trial (runs, ...) are drawn again.

    Every trial's runs are drawn on their own. None where a trial has fewer than FEWEST. Undefined resamples are left
    out; the ends are values that occurred, so that they may be infinite.
    """
    if any(len(trial) < FEWEST for trial in trials):
        return None
    generator = np.random.default_rng(seed)
    values = np.empty(resamples)
    for i in range(resamples):
        values[i] = statistic(*(trial[generator.integers(len(trial), size=len(trial))] for trial in trials))
    return _ends(values, level)


def over_pairs(ends: np.ndarray, *, level: float = 0.95, resamples: int = 500, seed: int = 0) -> Interval:
    """Return an interval of statistic(values (P, ...)) over pairs whose `ends` (P, 2) are shared with other pairs.

    The distinct ends of either side are drawn again, each side on its own, and a pair counts as often as its first end
    was drawn times its second. Drawn pair by pair, pairs of one image would count as independent. None where a side has
    fewer than FEWEST.
    """
    sides = [np.unique(column, return_inverse=True)[1] for column in np.asarray(ends).T]
    return partial(_pairs_interval, sides=sides, level=level, resamples=resamples, seed=seed)


def _pairs_interval(
    statistic: Callable[..., float],
    values: np.ndarray,
    *,
    sides: list[np.ndarray],
    level: float,
    resamples: int,
    seed: int,
) -> tuple[float, float] | None:
    counts = [int(side.max()) + 1 if len(side) else 0 for side in sides]
    if min(counts) < FEWEST:
        return None
    generator = np.random.default_rng(seed)
    found = np.full(resamples, np.nan)
    for i in range(resamples):
        drawn = [np.bincount(generator.integers(count, size=count), minlength=count) for count in counts]
        times = np.prod([number[side] for number, side in zip(drawn, sides, strict=True)], axis=0)
        if times.any():
            found[i] = statistic(np.repeat(values, times, axis=0))
    return _ends(found, level)


def no_interval(statistic: Callable[..., float], *runs: np.ndarray) -> None:
    """Return no interval: for a minimum, which resampling can only raise, and for a count."""
    return


def _ends(values: np.ndarray, level: float) -> tuple[float, float] | None:
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return float(low), float(high)

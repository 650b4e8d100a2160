"""How uncertain is a statistic? Percentile bootstrap over the rows of a table, over runs, or over what pairs share."""

from collections.abc import Callable
from functools import partial

import numpy as np

FEWEST = 5  # runs, or clusters, that an interval is given for: of 2 or 3 runs it covers the truth in 50 to 75 of 100
Interval = Callable[..., tuple[float, float] | None]  # of statistic and runs


def bootstrap_interval(
    statistic: Callable[..., float], *columns: np.ndarray, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile interval of statistic(*columns) when whole rows (n,) are drawn again with replacement.

    Resamples in which the statistic is undefined (a constant column) are left out; if all are, the ends are NaN.
    scipy.stats.bootstrap returns NaN as soon as one resample is undefined, which small n makes likely.
    """
    generator = np.random.default_rng(seed)
    count = len(columns[0])
    values = np.empty(resamples)
    for i in range(resamples):
        rows = generator.integers(count, size=count)
        values[i] = statistic(*(column[rows] for column in columns))
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


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

"""How uncertain is a statistic? Percentile bootstrap over the rows of a table, each row one trial; or over runs."""

from collections.abc import Callable

import numpy as np


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

    Every trial's runs are drawn on their own. None where a trial has a single run. Undefined resamples are left out;
    the ends are values that occurred, so that they may be infinite.
    """
    if any(len(trial) < 2 for trial in trials):
        return None
    generator = np.random.default_rng(seed)
    values = np.empty(resamples)
    for i in range(resamples):
        values[i] = statistic(*(trial[generator.integers(len(trial), size=len(trial))] for trial in trials))
    values = np.sort(values[~np.isnan(values)])
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return float(low), float(high)

"""How uncertain is a statistic? The jackknife over units; the percentile bootstrap over runs, or what pairs share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from analysis.inference.rows import equate, level_numbers, usable_rows

ALIKE = 1e-9  # an error of a statistic of size 1 that is rounding
SAME = "no interval: it is the same without any one of the units"
FEWEST = 5  # runs, or clusters, that an interval is given for: of 2 or 3 runs it covers the truth in 50 to 75 of 100
GROUPS = 200  # of units that are left out in turn, at most
UNDEFINED = 0.01  # of resamples, without a value, that an interval is given for
WEIGHTS = 4_000_000  # numbers of weights at a time: rows times resamples, so that memory stays small
Interval = Callable[..., tuple[float, float] | None]  # of statistic and runs


class Sample(NamedTuple):
    """The rows of a table that can be used, and the unit whose rows belong together."""

    table: pd.DataFrame
    units: np.ndarray  # (n,) the number of each row's unit, from 0
    unit: str  # its name: the cluster's column, or "row"
    left_out: int  # rows with a value that is missing or not finite

    @property
    def described(self) -> dict[str, Any]:
        """Return the fields that every result has on its sample: n, units, unit, left_out."""
        return {"n": len(self.units), "units": _count(self.units), "unit": self.unit, "left_out": self.left_out}


def usable(
    table: pd.DataFrame, numbers: Sequence[str], *, settings: Sequence[str] = (), cluster: str | None = None
) -> Sample:
    """Return the rows in which the columns `numbers` are finite and the cluster is not missing, as `usable_rows`."""
    labels = [] if cluster is None else [cluster]
    rows, left_out = usable_rows(table, numbers=numbers, labels=labels, settings=settings, needed=2)
    rows = rows.reset_index(drop=True)
    units = np.arange(len(rows)) if cluster is None else level_numbers(rows[cluster])
    return Sample(rows, units, "row" if cluster is None else str(cluster), left_out)


def unit_means(table: pd.DataFrame, numbers: Sequence[str], *, family: str, cluster: str | None = None) -> pd.DataFrame:
    """Return a row per unit: its family, and the means of these numbers over its rows that have all of them.

    ValueError for a cluster that is in several families: numbered within each, they would be taken for one.
    """
    rows, units, *_ = usable(table, numbers, settings=[family], cluster=cluster)
    groups = rows.groupby(units)
    if cluster is not None and (spread := groups[family].nunique(dropna=False) > 1).any():
        shared = rows[units == spread.idxmax()]
        named = " and ".join(map(str, shared[family].unique()[:2]))
        raise ValueError(f"{cluster} {shared[cluster].iloc[0]} is in {named}: number units through all families")
    means = groups[list(numbers)].mean().apply(equate, raw=True)
    return means.assign(**{family: groups[family].first()})


def resamples_for(n: int) -> int:
    """Return how many resamples or permutations n rows take by default: 2000 up to 2,000 rows, 200 above."""
    return 2000 if n <= 2000 else 200


class Jackknife(NamedTuple):
    """A statistic of all rows, and its standard error by leaving out every unit in turn."""

    statistic: float
    error: float  # NaN where the statistic is undefined without some unit: nothing is known of its spread then
    freedom: int  # units left out, one at a time or in groups, less one

    @property
    def half(self) -> float:
        """Return half the width of the 95% interval, by Student's t."""
        return float(stats.t.ppf(0.975, self.freedom)) * self.error

    @property
    def alike(self) -> bool:
        """Whether the statistic, of size 1, is the same without any of the units: nothing is known of its spread."""
        return self.error <= ALIKE


def jackknife(statistic: Callable[[np.ndarray], np.ndarray], units: np.ndarray) -> Jackknife:
    """Return the statistic of n rows, with the standard error of the jackknife that leaves out one of `units` (n,).

    `statistic` takes some columns of weights (n, k), 1 for the rows that count and 0 for the others, and returns (k,).
    Error: sqrt((G - 1) / G sum (s_g - mean)^2) over the statistic without each of G units; of more than GROUPS, which
    are dealt to so many groups, without each of these. NaN for fewer than FEWEST units, and where any s_g is NaN.
    Where few units differ from the rest, a bootstrap has the statistic in some resamples only, which are not like the
    others; what leaving out one unit may undo has no error here.
    """
    count = _count(units)
    groups = min(count, GROUPS)
    dealt = np.arange(count) if count <= GROUPS else np.random.default_rng(0).permutation(count) % GROUPS
    group, columns = dealt[units], np.arange(-1, groups if count >= FEWEST else 0)  # without none of them first
    step = max(1, WEIGHTS // len(units))
    parts = [columns[first : first + step] for first in range(0, len(columns), step)]
    values = np.concatenate([statistic((group[:, None] != part).astype(np.int32)) for part in parts])
    left = values[1:]
    error = math.sqrt((groups - 1) / groups * np.square(left - left.mean()).sum()) if len(left) else math.nan
    return Jackknife(float(values[0]), error, groups - 1)


def without_bias(found: Jackknife, statistic: Callable[[np.ndarray], np.ndarray], units: np.ndarray) -> Jackknife:
    """Return the jackknife of few units without what it takes twice: the variance that pairs of units make together.

    Efron and Stein (1981, "The jackknife estimate of variance"): by the statistic without each pair of units, scaled so
    that the error of a mean over all pairs of units, as tau is, has no bias. It is left as it is where the statistic is
    undefined without some pair, and where it is rounding.
    """
    count = found.freedom + 1
    first, second = np.triu_indices(count, 1)
    columns = np.concatenate([np.stack([np.arange(count)] * 2), np.stack([first, second])], axis=1)
    values = statistic((units[:, None, None] != columns).all(axis=1).astype(np.int32))
    one, pair = values[:count], values[count:]
    together = count * found.statistic - (count - 1) * (one[first] + one[second]) + (count - 2) * pair
    twice = (count - 3) / (count * (count - 1) * (count - 2)) * np.square(together - together.mean()).sum()
    if found.alike or not math.isfinite(twice):
        return found
    return found._replace(error=math.sqrt(max(found.error**2 - twice, twice * (count - 2) / count)))


def differing_units(values: np.ndarray, units: np.ndarray) -> int:
    """Return how many units have a row that differs from the value (n,) that more than half of them share; else all."""
    levels = np.unique(values, return_inverse=True)[1]
    sharing = np.bincount(levels[np.unique(np.stack([levels, units]), axis=1, return_index=True)[1]])
    count, most = _count(units), int(sharing.argmax())
    return len(np.unique(units[levels != most])) if sharing[most] > count / 2 else count


def percentile_interval(values: np.ndarray, level: float = 0.95, method: Any = "linear") -> tuple[float, float]:
    """Return the ends between which lies `level` of the values of resamples, by numpy's `method` of quantiles.

    NaN where more than UNDEFINED of them are NaN: those in which the statistic exists are not like the others.
    """
    defined = values[~np.isnan(values)]
    if len(defined) < max((1 - UNDEFINED) * len(values), 1):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2], method=method)
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
    of a resample is numbered anew. The ends are NaN where the statistic is in more than one of 100 resamples.
    scipy.stats.bootstrap knows no clusters, and returns NaN as soon as one resample is undefined.
    """
    rows = table if cluster is None else table[table[cluster].notna()]
    units = usable(rows, [], cluster=cluster).units
    order, sizes = np.argsort(units, kind="stable"), np.bincount(units)
    members = np.split(order, np.cumsum(sizes)[:-1])
    generator, values = np.random.default_rng(seed), []
    for _ in range(resamples_for(len(order)) if resamples is None else resamples):
        drawn = generator.integers(len(sizes), size=len(sizes))
        again = rows.iloc[np.concatenate([members[unit] for unit in drawn])].reset_index(drop=True)
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

    Every trial's runs are drawn on their own. None where a trial has fewer than FEWEST, where all are one (`are_one`),
    and where the statistic is undefined in more than one of 100 resamples. The ends are values that occurred, so that
    they may be infinite. The statistic is one of runs in any order: what is drawn again (of 5 runs 126 ways) is known.
    """
    if any(len(trial) < FEWEST for trial in trials) or all(map(are_one, trials)):
        return None
    generator = np.random.default_rng(seed)
    values, known = np.empty(resamples), {}
    for i in range(resamples):
        drawn = tuple(tuple(sorted(generator.integers(len(trial), size=len(trial)).tolist())) for trial in trials)
        if drawn not in known:
            known[drawn] = statistic(*(trial[list(runs)] for trial, runs in zip(trials, drawn, strict=True)))
        values[i] = known[drawn]
    return _ends(values, level)


def are_one(runs: np.ndarray) -> bool:
    """Return whether all runs (runs, ...) are equal to the last bit, in values that are not all whole, as counts are.

    Such runs are one that was made, or written, several times: they do not say how far runs spread.
    """
    first = runs[0]
    return bool((runs == first).all() and (first[np.isfinite(first)] % 1).any())


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
    ends = percentile_interval(values, level, "inverted_cdf")
    return None if math.isnan(ends[0]) else ends

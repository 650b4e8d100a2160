"""How often does a measure give the wrong sign of a change in generalization, environment by environment?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from analysis.inference.granulated import numbered, setting_levels
from analysis.inference.resampling import jackknife, usable

FEW = 40  # environments: of fewer the interval is too narrow
PAIRS = 2_000_000  # of runs at a time, so that memory stays small


@dataclass(frozen=True)
class SignError:
    """The sign error of every environment with enough weight, and its summaries: the largest is the robust one."""

    table: pd.DataFrame  # a row per environment: axis, from_level, to_level, first, second, error, ess, pairs
    configurations: pd.DataFrame  # the settings of each configuration, by the number in `first` and `second`
    mean: float
    interval: tuple[float, float]  # 95%, of the mean
    p90: float
    max: float
    over_half: float  # share of environments in which the sign is more often wrong than right
    by_axis: pd.DataFrame  # a row per axis: environments, mean, p90, max, over_half
    n: int  # environments kept; each pair of configurations is two
    excluded: int  # environments with a lower effective sample size
    largest_ess: float  # of all environments, NaN where there are none
    units: int
    unit: str
    left_out: int  # runs
    convention: str
    note: str  # what to know of the interval

    @property
    def statistic(self) -> float:
        """Return the mean over environments."""
        return self.mean


class _Pairs(NamedTuple):
    """Configurations that differ in one axis, each pair once, the lower level first."""

    axis: np.ndarray
    first: np.ndarray
    second: np.ndarray


def sign_error(
    table: pd.DataFrame,
    *,
    measure: str,
    target: str,
    axes: Sequence[str],
    test_size: int,
    min_ess: float = 12,
) -> SignError:
    """Return how often a change of one setting moves `measure` and `target` in opposite directions.

    An environment is an ordered pair of configurations that differ in exactly one of `axes` (a missing setting is a
    level of its own). Its error is sum w (1 - sgn(dmu) sgn(dg)) / 2 / sum w over all pairs of their runs; a tie costs
    0.5. The weight says how sure the sign of dg is, `target` being an accuracy or error in [0, 1] on `test_size`
    examples: w = max(0, 1 - 2 exp(-2 n (|dg| / 2)^2))^2 (Hoeffding), then max(w - 0.5, 0). Environments are kept whose
    effective sample size (sum w)^2 / sum w^2 is at least `min_ess`, which is at most their pairs of runs: of a single
    run per configuration none is (Dziugaite et al. 2020, "In Search of Robust Measures of Generalization", and its
    code, whose 0.5 and 12 these are).

    An environment and its reverse have the same error, and those that share a configuration depend on each other: the
    interval, of the mean, is the jackknife's over the configurations that are in one; the source has none. NaN for
    fewer than 5, where there is nothing without one, and where all err alike; every number is NaN where no environment
    is kept. ValueError for an axis with one level, and a target outside [0, 1].
    """
    sample = usable(table, [measure, target], settings=axes)
    x, y = (sample.table[name].to_numpy(dtype=float) for name in (measure, target))
    _demand_share(y, target)
    levels = setting_levels(sample.table, axes)
    configuration = numbered(levels)
    one_run = np.unique(configuration, return_index=True)[1]
    settings = sample.table[list(axes)].iloc[one_run].reset_index(drop=True)
    pairs = _pairs(levels[one_run])
    found = _errors(x, y, configuration, pairs, test_size)
    kept = found["ess"].to_numpy() >= min_ess * (1 - 1e-9)  # rounding: equal weights have as many as there are pairs
    pairs, there = _Pairs(*(part[kept] for part in pairs)), found[kept]
    environments = _both_ways(pairs, there, settings, axes)
    interval = _interval(pairs, there["error"].to_numpy())
    few = len(environments) < FEW and not math.isnan(interval[0])
    return SignError(
        table=environments,
        configurations=settings,
        interval=interval,
        **_summary(environments["error"]),
        by_axis=_by_axis(environments, axes),
        n=len(environments),
        excluded=2 * int((~kept).sum()),
        largest_ess=float(found["ess"].max()),
        units=len(settings),
        unit="configuration",
        left_out=sample.left_out,
        convention=f"ties cost 0.5; environments of an effective sample size of at least {min_ess:g}",
        note=f"of {len(environments)} environments the interval is too narrow: 85 to 90 of 100 hold the truth" * few,
    )


def _demand_share(y: np.ndarray, target: str) -> None:
    if y.min() < 0 or y.max() > 1:
        raise ValueError(
            f"{target!r} is to be a share in [0, 1], as an accuracy is; it goes from {y.min()} to {y.max()}"
        )


def _pairs(levels: np.ndarray) -> _Pairs:
    """Return the pairs of configurations, of levels (configurations, axes), that differ in exactly one axis."""
    found = []
    for axis in range(levels.shape[1]):
        group = numbered(np.delete(levels, axis, axis=1))
        order = np.lexsort((levels[:, axis], group))
        for ahead in range(1, int(np.bincount(group).max())):
            same = group[order[ahead:]] == group[order[:-ahead]]
            first, second = order[:-ahead][same], order[ahead:][same]
            found.append(np.stack([np.full(len(first), axis), first, second]))
    return _Pairs(*np.concatenate(found, axis=1)) if found else _Pairs(*np.empty((3, 0), dtype=int))


def _errors(x: np.ndarray, y: np.ndarray, configuration: np.ndarray, pairs: _Pairs, test_size: int) -> pd.DataFrame:
    """Return the error, effective sample size and number of pairs of runs of each pair of configurations."""
    runs, sizes = np.argsort(configuration, kind="stable"), np.bincount(configuration)
    starts = np.cumsum(sizes) - sizes
    count = sizes[pairs.first] * sizes[pairs.second]
    ends, sums = np.cumsum(count), np.zeros((3, len(count)))
    for start in range(0, int(count.sum()), PAIRS):
        pair = np.arange(start, min(start + PAIRS, ends[-1]))
        where = np.searchsorted(ends, pair, side="right")
        place, width = pair - (ends - count)[where], sizes[pairs.second[where]]
        one = runs[starts[pairs.first[where]] + place // width]
        other = runs[starts[pairs.second[where]] + place % width]
        change = y[one] - y[other]
        weight = np.maximum(0, 1 - 2 * np.exp(-2 * test_size * np.square(change / 2))) ** 2
        weight = np.maximum(weight - 0.5, 0)
        wrong = (1 - np.sign(x[one] - x[other]) * np.sign(change)) / 2
        first = where[0]
        for row, values in zip(sums, (weight, weight**2, weight * wrong), strict=True):
            part = np.bincount(where - first, values)
            row[first : first + len(part)] += part
    total, square, wrong = sums
    weighed = total > 0
    error = np.divide(wrong, total, out=np.full(len(total), np.nan), where=weighed)
    ess = np.divide(total**2, square, out=np.zeros(len(total)), where=weighed)
    return pd.DataFrame({"error": error, "ess": ess, "pairs": count})


def _both_ways(pairs: _Pairs, found: pd.DataFrame, settings: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """Return a row for each environment: those of the pairs, then their reverses."""
    first, second = np.append(pairs.first, pairs.second), np.append(pairs.second, pairs.first)
    axis = np.tile(pairs.axis, 2)
    values = settings.astype(object).to_numpy()
    named = {"axis": np.array(axes, dtype=object)[axis], "from_level": values[first, axis]}
    named |= {"to_level": values[second, axis], "first": first, "second": second}
    return pd.concat([pd.DataFrame(named), pd.concat([found, found], ignore_index=True)], axis=1)


def _interval(pairs: _Pairs, error: np.ndarray) -> tuple[float, float]:
    """Return the interval of the mean, of the configurations that are in a pair; NaN where it has none."""
    if not len(error):
        return float("nan"), float("nan")
    ends = np.unique([pairs.first, pairs.second], return_inverse=True)[1].reshape(2, -1)
    count = int(ends.max()) + 1
    each, wrong = (sparse.csr_array((values, ends), shape=(count, count)) for values in (np.ones(len(error)), error))

    def mean(weights: np.ndarray) -> np.ndarray:
        w = weights.astype(float)
        total, part = (np.einsum("ij,ij->j", w, matrix @ w) for matrix in (each, wrong))
        return np.divide(part, total, out=np.full(len(total), np.nan), where=total > 0)

    found = jackknife(mean, np.arange(count))
    if math.isnan(found.error) or found.alike:
        return float("nan"), float("nan")
    return max(found.statistic - found.half, 0.0), min(found.statistic + found.half, 1.0)


def _by_axis(environments: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    parts = {name: environments.loc[environments["axis"] == name, "error"] for name in axes}
    rows = {name: {"environments": len(part), **_summary(part)} for name, part in parts.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def _summary(error: pd.Series) -> dict[str, float]:
    if not len(error):
        return dict.fromkeys(("mean", "p90", "max", "over_half"), float("nan"))
    summary = {"mean": error.mean(), "p90": error.quantile(0.9), "max": error.max(), "over_half": (error > 0.5).mean()}
    return {name: float(value) for name, value in summary.items()}

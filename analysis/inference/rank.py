"""Do two quantities rise together? Rank correlations with an interval, and the number of trials they rest on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.inference.resampling import FEWEST, Sample, bootstrap_values, percentile_interval, usable
from analysis.inference.weighted import groups_of, weight_inside, weighted_tau

NEAR_ONE = 1 - 1e-15  # Fisher's z of it is finite
TAU = {"a": "tau-a: ties count 0", "b": "tau-b: corrected for ties"}


class Association(NamedTuple):
    """A rank correlation, its 95% interval, and what it rests on."""

    statistic: float
    interval: tuple[float, float]
    n: int  # rows used
    units: int  # resampled as a whole
    unit: str
    left_out: int  # rows with a value that is missing or not finite
    convention: str


def kendall_tau(
    x: ArrayLike,
    y: ArrayLike,
    *,
    variant: str = "b",
    clusters: ArrayLike | None = None,
    resamples: int | None = None,
    seed: int = 0,
) -> Association:
    """Return Kendall's tau of x (n,) and y (n,), with rows of one of `clusters` (n,) resampled together.

    Variant "b" corrects for ties; "a" divides by all n (n - 1) / 2 pairs, so that ties pull it towards 0
    (Jiang et al. 2020, "Fantastic Generalization Measures"). "b" is NaN where either is constant, "a" is then 0.

    The interval is the percentile bootstrap of Fisher's z over clusters (None: rows), moved so that the median of the
    resamples is the estimate. Copies of one row form no pair, which would be a tie that the data do not have:
    resampling would shrink tau-a. Of 400 samples of two normal variables of correlation 0, 0.5, 0.8 and 0.95 it covered
    the truth in 93 to 97 of 100 for 10, 20 and 50 units of one row, in 92 to 97 of two rows with an effect of their
    unit, Spearman and tau-a alike (error 1.1); for 5 units in 88 to 100; for fewer it is NaN. Of 150 sweeps of 6
    families of 5 levels, in which the families are fixed but drawn again all the same, it covered the mean estimate in
    93 to 100. A perfectly monotone sample, whose every resample is too, gets what Fieller's standard error says of one
    swap less, up to 1.
    """
    if variant not in TAU:
        raise ValueError(f"unknown variant {variant!r}; known: {', '.join(TAU)}")
    sample = _sample(x, y, clusters, None)
    a, b = (sample.table[name].to_numpy(dtype=float) for name in "xy")

    def tau(weights: np.ndarray) -> np.ndarray:
        inside = weight_inside(weights, sample.units)
        return weighted_tau(a, b, weights, variant=variant, units=sample.units, inside=inside)

    return _associate(tau, sample, TAU[variant], resamples, seed)


def spearman(
    x: ArrayLike,
    y: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    blocks: ArrayLike | None = None,
    resamples: int | None = None,
    seed: int = 0,
) -> Association:
    """Return Spearman's rank correlation of x (n,) and y (n,); NaN where either is constant.

    With `blocks` (n,), such as families, it is the correlation within them, the statistic of `permutation_p`. The
    interval is as for `kendall_tau`, with midranks of the resample, in which copies of a row are tied: that shrinks its
    correlation, so that its plain percentiles covered the mean estimate of those sweeps in 23 to 98 of 100.
    """
    sample = _sample(x, y, clusters, blocks)
    a, b, block = (sample.table[name].to_numpy() for name in ("x", "y", "block"))

    def correlation(weights: np.ndarray) -> np.ndarray:
        return _weighted_spearman(a, b, weights, block)

    convention = "Spearman: ties have their mean rank" + ("" if blocks is None else "; ranks within blocks")
    return _associate(correlation, sample, convention, resamples, seed)


def permutation_p(
    x: ArrayLike, y: ArrayLike, *, blocks: ArrayLike | None = None, permutations: int = 2000, seed: int = 0
) -> float:
    """Return the two-sided p of Spearman's correlation when y (n,) is permuted within `blocks` (n,) only.

    p = (1 + #{|r*| >= |r|}) / (permutations + 1). With one block per family it tests the relation within families:
    r is then of ranks within the family, centred and divided by its size + 1. Of ranks over all rows, r* would have the
    relation between families for its mean instead of 0, and |r| could not say which side is extreme. Rows that are
    repeats of one setting are not exchangeable one by one: give their means. NaN where r is undefined: a constant.
    """
    sample = _sample(x, y, None, blocks)
    a, b, block = (sample.table[name].to_numpy() for name in ("x", "y", "block"))
    every = np.ones((len(a), 1), dtype=np.int32)
    first, second = (_ranks(values, every, block)[:, 0] for values in (a, b))
    if not (first.any() and second.any()):
        return float("nan")
    generator, found = np.random.default_rng(seed), np.zeros(permutations)
    for members in pd.Series(block).groupby(block).indices.values():
        step = max(1, 4_000_000 // len(members))
        for start in range(0, permutations, step):
            here = slice(start, min(start + step, permutations))
            again = np.tile(second[members], (here.stop - here.start, 1))
            found[here] += generator.permuted(again, axis=1) @ first[members]
    reached = np.abs(found) >= abs(first @ second) - 1e-9  # rounding
    return float((1 + reached.sum()) / (permutations + 1))


def _weighted_spearman(x: np.ndarray, y: np.ndarray, weights: np.ndarray, block: np.ndarray) -> np.ndarray:
    first, second = _ranks(x, weights, block), _ranks(y, weights, block)
    product, *sizes = (
        np.einsum("ij,ij,ij->j", weights, a, b) for a, b in ((first, second), (first, first), (second, second))
    )
    size = np.sqrt(sizes[0] * sizes[1])
    return np.divide(product, size, out=np.full_like(product, np.nan), where=size > 0)


def _ranks(values: np.ndarray, weights: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Return midranks within blocks, less their mean there and over the block's size + 1: (n, resamples)."""
    order, starts = groups_of(block, values)
    tied = np.add.reduceat(weights[order], starts, axis=0).astype(float)
    middle = np.cumsum(tied, axis=0) - tied / 2
    heads = groups_of(block[order][starts])[1]
    size = np.add.reduceat(tied, heads, axis=0)
    mean = np.add.reduceat(tied * middle, heads, axis=0) / np.maximum(size, 1)
    groups = np.diff(heads, append=len(starts))
    scaled = (middle - np.repeat(mean, groups, axis=0)) / (np.repeat(size, groups, axis=0) + 1)
    ranks = np.empty(weights.shape)
    ranks[order] = np.repeat(scaled, np.diff(starts, append=len(order)), axis=0)
    return ranks


def _sample(x: ArrayLike, y: ArrayLike, clusters: ArrayLike | None, blocks: ArrayLike | None) -> Sample:
    """Return x, y and the number of the block as a table, with its units; all are of one length, by place."""
    given = {"x": np.asarray(x, dtype=float), "y": np.asarray(y, dtype=float)}
    name = None if clusters is None else str(getattr(clusters, "name", None) or "cluster")
    given["block"] = np.zeros(len(given["x"]), dtype=int)
    if blocks is not None:
        given["block"] = pd.factorize(np.asarray(blocks), use_na_sentinel=False)[0]
    if name is not None:
        given["unit"] = np.asarray(clusters)
    if len({len(values) for values in given.values()}) > 1:
        raise ValueError("not of one length: " + ", ".join(f"{key} {len(values)}" for key, values in given.items()))
    sample = usable(pd.DataFrame(given), ["x", "y"], settings=["block"], cluster=None if name is None else "unit")
    return sample if name is None else sample._replace(unit=name)


def _associate(
    statistic: Callable[[np.ndarray], np.ndarray], sample: Sample, convention: str, resamples: int | None, seed: int
) -> Association:
    value = float(statistic(np.ones((len(sample.units), 1), dtype=np.int32))[0])
    described = sample.described
    one_swap, error = _one_swap(described["units"], "tau" in convention)
    if described["units"] < FEWEST or np.isnan(value):
        interval = float("nan"), float("nan")
    elif abs(value) > 1 - 1e-9:  # every resample is 1 or -1 too
        end = float(np.tanh(np.arctanh(one_swap) - 1.96 * error))
        interval = (end, 1.0) if value > 0 else (-1.0, -end)
    else:
        values = bootstrap_values(statistic, sample.units, resamples=resamples, seed=seed)
        interval = _moved_interval(values, value, max(one_swap, abs(value)))
    return Association(value, interval, **described, convention=convention)


def _one_swap(units: int, is_tau: bool) -> tuple[float, float]:
    """Return the correlation of units that one swap keeps from 1, and Fieller's standard error of its Fisher's z."""
    if units < FEWEST:
        return float("nan"), float("nan")
    if is_tau:
        return 1 - 4 / (units * (units - 1)), np.sqrt(0.437 / (units - 4))
    return 1 - 12 / (units * (units**2 - 1)), np.sqrt(1.06 / (units - 3))


def _moved_interval(values: np.ndarray, value: float, highest: float) -> tuple[float, float]:
    """Return the percentile interval of Fisher's z of values, moved so that their median is `value`.

    A median of 1 or -1, of a sample that is almost monotone, counts as `highest`: Fisher's z of 1 is infinite.
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    ends = percentile_interval(np.arctanh(np.clip(values, -NEAR_ONE, NEAR_ONE)))
    middle = np.clip(np.median(values), -highest, highest)
    low, high = np.tanh(np.array(ends) - np.arctanh(middle) + np.arctanh(value))
    return min(float(low), value), max(float(high), value)  # rounding

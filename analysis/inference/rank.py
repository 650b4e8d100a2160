"""Do two quantities rise together? Rank correlations with an interval, and the number of trials they rest on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.inference.resampling import FEWEST, Sample, bootstrap_values, percentile_interval, usable

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

    The interval is the percentile bootstrap over clusters (None: rows). Copies of one row form no pair, which would be
    a tie that the data do not have: resampling would shrink tau-a. Of 1000 samples of two normal variables of
    correlation 0, 0.5, 0.8 and 0.95 it covered the truth in 93.6 to 97.7 of 100, for 10, 20 and 50 units of 1 and 2
    rows, Spearman and tau alike; for 7 in 93 to 100, for 5 or 6 in 88 to 100; for fewer it is NaN. A perfectly monotone
    sample, whose every resample is too, gets what Fieller's standard error says of one swap less, up to 1.
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
    interval is as for `kendall_tau`, with midranks of the resample, in which copies of a row are tied.
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


def weighted_tau(
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    *,
    variant: str,
    units: np.ndarray | None = None,
    inside: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Return Kendall's tau of x (n,) and y (n,) for each column of weights (n, resamples): (resamples,).

    With weights w, tau-a is sum w_i w_j s_ij / sum w_i w_j over the pairs i != j, s_ij being 1, -1 or 0 for a tie;
    tau-b divides by the pairs that differ in x and in y, as ever. NaN where that is 0. The rows of one of `units` (n,)
    share their weight, and a pair within one weighs w `inside` (resamples,) instead of w^2: see `weight_inside`.
    Discordant pairs are counted by merge sort (Knight 1966), for all resamples at once: n log n steps.
    """
    single = np.square(weights, dtype=float).sum(axis=0)
    pairs, in_x, in_y, in_both = ((_squares(weights, *by) - single) / 2 for by in ((), (x,), (y,), (x, y)))
    difference = pairs - in_x - in_y + in_both - 2 * _discordant(x, y, weights)
    if units is not None and units.max() + 1 < len(units):
        first, second = pairs_within(units)
        own = weights[first] * inside - np.square(weights[first])
        same_x, same_y = x[first] == x[second], y[first] == y[second]
        pairs, in_x, in_y = pairs + own.sum(axis=0), in_x + same_x @ own, in_y + same_y @ own
        difference = difference + (np.sign(x[first] - x[second]) * np.sign(y[first] - y[second])) @ own
    size = pairs if variant == "a" else np.sqrt((pairs - in_x) * (pairs - in_y))
    return np.divide(difference, size, out=np.full_like(difference, np.nan), where=size > 0)


def weight_inside(weights: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Return how much a pair of rows within one of units (n,) weighs for each copy of its unit: (resamples,).

    Copies of a unit form no pairs with each other, so pairs across units lose some of their weight, sum over u != v of
    w_u w_v instead of G (G - 1); the pairs inside lose as much, or they would count for more than in the sample.
    """
    own = weights[np.unique(units, return_index=True)[1]].astype(float)
    count = len(own)
    return (np.square(own.sum(axis=0)) - np.square(own).sum(axis=0)) / max(count * (count - 1), 1)


def pairs_within(units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of every pair within one of units (n,), numbered from 0, each pair once: (pairs,) twice."""
    order, sizes = np.argsort(units, kind="stable"), np.bincount(units)
    starts, found = np.cumsum(sizes) - sizes, [np.empty((2, 0), dtype=int)]
    for size in np.unique(sizes[sizes > 1]):
        one, other = np.triu_indices(size, 1)
        firsts = starts[sizes == size][:, None]
        found.append(np.stack([order[firsts + one].ravel(), order[firsts + other].ravel()]))
    first, second = np.concatenate(found, axis=1)
    return first, second


def _squares(weights: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    """Return the sum over groups of rows that agree in all keys of their weight squared."""
    if not keys:
        return np.square(weights.sum(axis=0, dtype=float))
    order, starts = _groups(*keys)
    sums = weights if len(starts) == len(order) else np.add.reduceat(weights[order], starts, axis=0)
    return np.square(sums, dtype=float).sum(axis=0)


def _groups(*keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return an order that sorts by the first key, then the next, and where in it each group that agrees starts."""
    order = np.lexsort(keys[::-1])
    changes = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    return order, np.append(0, np.flatnonzero(changes) + 1)


def _discordant(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted number of pairs of which one is higher in x, the other in y: (resamples,)."""
    order = np.lexsort((y, x))  # of those tied in x none is discordant
    y, weights, place = y[order], weights[order], np.arange(len(order))
    found = np.zeros(weights.shape[1])
    for level in range((len(order) - 1).bit_length()):  # pairs of the lower and the higher half of a block in x
        lower, block = (place >> level) & 1 == 0, place >> (level + 1)
        order = np.lexsort((lower, -y, block))
        here, low = weights[order], lower[order]
        above = np.cumsum(here * low[:, None], axis=0, dtype=here.dtype)  # weight of the lower half with a higher y
        heads = np.arange(1 << (level + 1), len(order), 1 << (level + 1))  # of blocks but the first
        before = np.vstack([np.zeros_like(above[:1]), above[heads - 1]])
        high = ~low
        above = above[high] - before[block[order][high]]
        found += np.einsum("ij,ij->j", above, here[high], dtype=float)
    return found


def _weighted_spearman(x: np.ndarray, y: np.ndarray, weights: np.ndarray, block: np.ndarray) -> np.ndarray:
    first, second = _ranks(x, weights, block), _ranks(y, weights, block)
    product, *sizes = (
        np.einsum("ij,ij,ij->j", weights, a, b) for a, b in ((first, second), (first, first), (second, second))
    )
    size = np.sqrt(sizes[0] * sizes[1])
    return np.divide(product, size, out=np.full_like(product, np.nan), where=size > 0)


def _ranks(values: np.ndarray, weights: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Return midranks within blocks, less their mean there and over the block's size + 1: (n, resamples)."""
    order, starts = _groups(block, values)
    tied = np.add.reduceat(weights[order], starts, axis=0).astype(float)
    middle = np.cumsum(tied, axis=0) - tied / 2
    heads = _groups(block[order][starts])[1]
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
    if described["units"] < FEWEST or np.isnan(value):
        interval = float("nan"), float("nan")
    elif abs(value) > 1 - 1e-9:
        interval = _beside_one(value, described["units"], "tau" in convention)
    else:
        interval = percentile_interval(bootstrap_values(statistic, sample.units, resamples=resamples, seed=seed))
    return Association(value, interval, **described, convention=convention)


def _beside_one(value: float, units: int, is_tau: bool) -> tuple[float, float]:
    """Return an interval of a correlation of 1 or -1, which every resample repeats: Fieller's of one swap less."""
    one_swap = 1 - (4 / (units * (units - 1)) if is_tau else 12 / (units * (units**2 - 1)))
    error = np.sqrt(0.437 / (units - 4) if is_tau else 1.06 / (units - 3))
    end = float(np.tanh(np.arctanh(one_swap) - 1.96 * error))
    return (end, 1.0) if value > 0 else (-1.0, -end)

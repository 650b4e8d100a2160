"""Do two quantities rise together? Rank correlations with an interval, and the number of trials they rest on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.inference.resampling import FEWEST, SAME, Jackknife, Sample, jackknife, usable, without_bias
from analysis.inference.rows import as_numbers, demand_values, equate
from analysis.inference.weighted import groups_of, weighted_tau

TAU = {"a": "tau-a: ties count 0", "b": "tau-b: corrected for ties"}
CONSTANT = "one of the two does not vary"
BIASED = 16  # units below which the jackknife's error is too large by more than a tenth
FEW = 8  # and below which the interval covers up to 100 of 100
WIDE = f"wide: fewer than {FEW} units"
ONE = 1e-9  # a correlation so near to 1 is 1
LEVEL, PERMUTATIONS = 0.05, 1000  # of the test that 0 has to fail to be outside an interval


class Association(NamedTuple):
    """A rank correlation, its 95% interval, and what it rests on."""

    statistic: float
    interval: tuple[float, float]  # NaN where there is none
    n: int  # rows used
    units: int  # left out as a whole
    unit: str
    left_out: int  # rows with a value that is missing or not finite
    convention: str
    note: str = ""  # why it is undefined, or has no interval, or a wide one
    p: float = math.nan  # of the test that stretched the interval to 0; NaN where it has not


def kendall_tau(x: ArrayLike, y: ArrayLike, *, variant: str = "b", clusters: ArrayLike | None = None) -> Association:
    """Return Kendall's tau of x (n,) and y (n,), with rows of one of `clusters` (n,) left out together.

    Variant "b" corrects for ties; "a" divides by all n (n - 1) / 2 pairs, so that ties pull it towards 0
    (Jiang et al. 2020, "Fantastic Generalization Measures"). NaN where either is constant.

    The interval is the jackknife's over clusters (None: rows) on Fisher's scale: atanh tau +- t error / (1 - tau^2),
    with t of as many degrees as clusters less one, and below BIASED clusters without the jackknife's bias. It has 0 in
    it unless the means of clusters, permuted, come as far from 0 in 5 of 100 cases or fewer: of ten units of which one
    differs from the rest, they do in 20. There is none below 5 units, where without one of them nothing varies, and
    where it is the same without any but not 1; below FEW it is wide, and its note says so. How often it covers the
    truth: docs/analysis.md. A perfectly monotone sample, which stays so without any unit, gets what Fieller's standard
    error says of one swap less, up to 1.
    """
    if variant not in TAU:
        raise ValueError(f"unknown variant {variant!r}; known: {', '.join(TAU)}")
    sample = _sample(x, y, clusters, None)
    a, b = (sample.table[name].to_numpy(dtype=float) for name in "xy")
    return _associate(lambda weights: weighted_tau(a, b, weights, variant=variant), sample, TAU[variant])


def spearman(
    x: ArrayLike, y: ArrayLike, *, clusters: ArrayLike | None = None, blocks: ArrayLike | None = None
) -> Association:
    """Return Spearman's rank correlation of x (n,) and y (n,); NaN where either is constant.

    With `blocks` (n,), such as families, it is the correlation within them, the statistic of `permutation_p`. The
    interval is as for `kendall_tau`; what is permuted for it stays within blocks. Of a sample that is monotone in every
    block it is that of as many units as Fisher's z of the blocks, each of n - 3, weigh together: there is none in
    blocks of 3. ValueError for a cluster that is in several blocks.
    """
    sample = _sample(x, y, clusters, blocks)
    a, b, block = (sample.table[name].to_numpy() for name in ("x", "y", "block"))
    _demand_one_block(sample, block)
    convention = "Spearman: ties have their mean rank" + ("" if blocks is None else "; ranks within blocks")
    return _associate(lambda weights: _weighted_spearman(a, b, weights, block), sample, convention)


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
    return _permutation_p(_centred_ranks(a, b, block), block, permutations, seed)


def _permutation_p(ranks: np.ndarray, block: np.ndarray, permutations: int, seed: int) -> float:
    first, second = ranks
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


def _chance(ranks: np.ndarray, block: np.ndarray) -> float:
    """Return the share of permutations within blocks that come as far from 0; 0 without any if that is far."""
    numbers, counts = np.unique(block, return_inverse=True, return_counts=True)[1:]
    squares = np.prod([np.bincount(numbers, each**2) for each in ranks], axis=0)
    variance = float((squares / np.maximum(counts - 1, 1)).sum())
    if (ranks[0] @ ranks[1]) ** 2 > variance / LEVEL:  # Chebyshev's inequality
        return 0.0
    return _permutation_p(ranks, block, PERMUTATIONS, 0)


def _centred_ranks(x: np.ndarray, y: np.ndarray, block: np.ndarray) -> np.ndarray:
    every = np.ones((len(x), 1), dtype=np.int32)
    return np.stack([_ranks(values, every, block)[:, 0] for values in (x, y)])


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
    given = {"x": as_numbers(x, "x"), "y": as_numbers(y, "y")}
    name = None if clusters is None else str(getattr(clusters, "name", None) or "cluster")
    given["block"] = np.zeros(len(given["x"]), dtype=int)
    if blocks is not None:
        given["block"] = pd.factorize(_labels(blocks, "blocks"), use_na_sentinel=False)[0]
    if name is not None:
        given["unit"] = _labels(clusters, name).to_numpy()
    if len({len(values) for values in given.values()}) > 1:
        raise ValueError("not of one length: " + ", ".join(f"{key} {len(values)}" for key, values in given.items()))
    sample = usable(pd.DataFrame(given), ["x", "y"], settings=["block"], cluster=None if name is None else "unit")
    return sample if name is None else sample._replace(unit=name)


def _demand_one_block(sample: Sample, block: np.ndarray) -> None:
    """Raise ValueError for a cluster that is in several blocks: numbered within each, they would be taken for one."""
    pairs = np.unique(np.stack([sample.units, block]), axis=1)[0]
    if len(pairs) > len(np.unique(pairs)):
        shared = int(np.flatnonzero(np.bincount(pairs) > 1)[0])
        named = sample.table["unit"][sample.units == shared].iloc[0]
        raise ValueError(f"{sample.unit} {named} is in several blocks: number units through all blocks")


def _labels(values: ArrayLike | None, name: str) -> pd.Series:
    labels = pd.Series(np.asarray(values))
    demand_values(labels, name)
    return labels


def _associate(statistic: Callable[[np.ndarray], np.ndarray], sample: Sample, convention: str) -> Association:
    found, described = jackknife(statistic, sample.units), sample.described
    units, note = described["units"], ""
    if FEWEST <= units < BIASED:
        found = without_bias(found, statistic, sample.units)
    is_tau, p = "tau" in convention, math.nan
    weight = units if is_tau else _monotone_units(sample)
    interval = correlation_interval(found, weight, is_tau=is_tau)
    if math.isnan(found.statistic):
        note = CONSTANT
    elif units < FEWEST:
        note = f"no interval: {units} units, at least {FEWEST} needed"
    elif math.isnan(found.error):
        note = f"no interval: all but one of {units} units are the same"
    elif math.isnan(interval[0]):
        note = SAME if abs(found.statistic) < 1 - ONE else f"no interval: {units} units in blocks of too few"
    else:
        note = WIDE if units < FEW else ""
        interval, p = _with_chance(interval, sample)
    return Association(found.statistic, interval, **described, convention=convention, note=note, p=p)


def _monotone_units(sample: Sample) -> int:
    """Return the units that a monotone sample counts as: 3 more than the sum over blocks of their units less 3."""
    blocks = sample.table["block"].to_numpy()[np.unique(sample.units, return_index=True)[1]]
    return 3 + int(np.maximum(np.bincount(blocks) - 3, 0).sum())


def correlation_interval(found: Jackknife, units: int, *, is_tau: bool = False) -> tuple[float, float]:
    """Return the 95% interval of a rank correlation of so many units on Fisher's scale; NaN where there is none."""
    value = found.statistic
    monotone = abs(value) > 1 - ONE  # without any unit too
    if math.isnan(found.error) or (units < FEWEST if monotone else found.alike):
        return math.nan, math.nan
    if monotone:
        low, high = monotone_interval(units, is_tau=is_tau)
        return (low, high) if value > 0 else (-high, -low)
    half = found.half / (1 - value**2)
    return math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half)


def monotone_interval(units: int, *, is_tau: bool) -> tuple[float, float]:
    """Return the interval of a correlation of 1: from what Fieller's standard error says of one swap less, up to 1."""
    swap, variance = 12 / (units * (units**2 - 1)), 1.06 / (units - 3)
    if is_tau:
        swap, variance = 4 / (units * (units - 1)), 0.437 / (units - 4)
    return math.tanh(math.atanh(1 - swap) - 1.96 * math.sqrt(variance)), 1.0


def _with_chance(interval: tuple[float, float], sample: Sample) -> tuple[tuple[float, float], float]:
    """Return the interval, stretched to 0 where the means of units, permuted within blocks, come as far in 5 of 100.

    And the p of that, NaN where it was not stretched.
    """
    low, high = interval
    if low <= 0 <= high:
        return interval, math.nan
    x, y, block = (sample.table[name].to_numpy() for name in ("x", "y", "block"))
    firsts, counts = np.unique(sample.units, return_index=True, return_counts=True)[1:]
    x, y = (equate(np.bincount(sample.units, values) / counts) for values in (x, y))
    ranks, block = _centred_ranks(x, y, block[firsts]), block[firsts]
    p = _chance(ranks, block)
    return (interval, math.nan) if p <= LEVEL else ((min(low, 0.0), max(high, 0.0)), p)

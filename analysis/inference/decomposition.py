"""Why does a mean over paths differ between two networks: other kinds of paths, or other values on the same kinds?

Kitagawa 1955 ("Components of a difference between two rates", JASA 50), Oaxaca 1973 and Blinder 1973, in the form that
treats both networks alike. The kind of a path is the number of changes of the predicted class along it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from analysis.inference.resampling import FEWEST
from specbias.measurement.correction import corrected
from specbias.measurement.standard_error import standard_errors

CROSSINGS = ("0", "1", "2", "3 or more")


class OnPaths(NamedTuple):
    """One network on P paths: (P,) each."""

    crossings: np.ndarray  # whole numbers: how often the predicted class changes
    value: np.ndarray  # what the mean is taken of
    weight: np.ndarray  # of the path in the mean; ones where it is a plain one


class InBoth(NamedTuple):
    """One network, some of whose P paths are in float32: what it is on them, and on all paths in half precision."""

    best: OnPaths  # in float32 where it is there
    in_half: OnPaths
    stands_for: np.ndarray  # (P,) above 0 where that is in float32


class Part(NamedTuple):
    """A difference, second less first, or a part of it; its standard error and 95% interval, None where unknown."""

    statistic: float
    standard_error: float | None
    interval: tuple[float, float] | None


class OfKind(NamedTuple):
    """What the paths of one kind are in the first and the second network, and what they add to the two parts."""

    paths: tuple[float, float]  # their number, the mean over pairs of networks
    share: tuple[float, float]  # of the weight of all paths
    rate: tuple[float, float]  # the mean on them; the other network's where one has none of them
    composition: Part
    rates: Part


@dataclass(frozen=True)
class Decomposition:
    """A difference and its two parts, which sum to it; and both by the number of crossings."""

    whole: Part
    composition: Part  # other shares of the kinds, at the mean rates
    rates: Part  # other rates on the kinds, at the mean shares
    by_crossings: dict[str, OfKind]
    of_pairs: list[tuple[float, float]]  # composition and rates of each pair of networks, whose means the parts are
    n: int  # paths
    images: int

    @property
    def both(self) -> tuple[Part, Part, Part]:
        """Return the difference and its two parts."""
        return self.whole, self.composition, self.rates


def decompose(
    pairs: Sequence[tuple[OnPaths | InBoth, OnPaths | InBoth]], first_image: np.ndarray, second_image: np.ndarray
) -> Decomposition:
    """Return why the mean of a value differs between the networks of a pair, second less first; the mean over pairs.

    With p the share of the weight that is on paths of a kind and r their mean value, composition is the sum over kinds
    of (p1 - p0)(r0 + r1)/2, rates that of (r1 - r0)(p0 + p1)/2. A kind that one network lacks has the other's rate: it
    adds to composition alone. Each kind's own composition is taken against the mean m of both networks' means,
    (p1 - p0)((r0 + r1)/2 - m): the sum is the same, and it does not hang on where a value is 0.

    All networks are on the same P paths, between the images (P,). Intervals are over these images, with all their paths
    together and the same for all networks (`standard_errors`), by Student's t with as many degrees of freedom as
    paths less one; the networks are taken as they are. None below FEWEST paths. ValueError where a network's
    weights sum to 0, or a value is not finite.
    """
    tables = [_added(first, second) for first, second in pairs]
    influence = np.mean([each.influence for each in tables], axis=0)  # (2, kinds, P): composition and rates
    parts = np.mean([each.parts for each in tables], axis=0)
    whole = float(np.mean([each.difference for each in tables]))
    made = _parts(
        [whole, *parts.sum(axis=1), *parts[0], *parts[1]],
        np.concatenate([influence.sum(axis=(0, 1))[None], influence.sum(axis=1), *influence]),
        (first_image, second_image),
    )
    kinds = len(CROSSINGS)
    by_crossings = {
        name: OfKind(_two(tables, "paths", place), _two(tables, "share", place), _two(tables, "rate", place), *of_kind)
        for place, (name, *of_kind) in enumerate(zip(CROSSINGS, made[3 : 3 + kinds], made[3 + kinds :], strict=True))
    }
    of_pairs = [(float(each.parts[0].sum()), float(each.parts[1].sum())) for each in tables]
    images = len(np.unique(np.concatenate([first_image, second_image])))
    return Decomposition(made[0], made[1], made[2], by_crossings, of_pairs, len(first_image), images)


class _Side(NamedTuple):
    """One network by kind, and what each path adds to it: its derivative by the path's weight, (P, kinds)."""

    paths: np.ndarray
    share: np.ndarray
    rate: np.ndarray  # NaN where there is none
    mean: float
    of_share: np.ndarray
    of_rate: np.ndarray
    of_mean: np.ndarray  # (P,)


class _Added(NamedTuple):
    difference: float
    parts: np.ndarray  # (2, kinds): composition, rates
    influence: np.ndarray  # (2, kinds, P)
    paths: np.ndarray  # (2 networks, kinds)
    share: np.ndarray
    rate: np.ndarray


def _by_kind(network: OnPaths | InBoth) -> np.ndarray:
    """Return for each path (P,) and kind whether it is of that, with its weight, and with weight and value: (P, 3, K).

    ValueError as `decompose`. What some paths in float32 say is put into these sums, of which all else is made.
    """
    if isinstance(network, InBoth):
        best, in_half = _by_kind(network.best), _by_kind(network.in_half)
        return corrected(best, in_half[network.stands_for > 0], network.stands_for)
    value, weight = (np.asarray(column, dtype=float) for column in network[1:])
    if not (np.isfinite(value).all() and np.isfinite(weight).all()):
        raise ValueError("a value is not finite")
    if not weight.sum() > 0:
        raise ValueError("the weights of all paths are 0")
    kinds = np.arange(len(CROSSINGS))
    own = np.minimum(network.crossings, kinds[-1])[:, None] == kinds
    each = np.stack([np.ones(len(value)), weight, weight * value], axis=1)
    return own[:, None] * each[:, :, None]


def mean_of(network: OnPaths | InBoth) -> float:
    """Return the mean of a network's value."""
    _, weights, sums = _by_kind(network).sum(axis=(0, 2))
    return float(sums / weights)


def _side(network: OnPaths | InBoth) -> _Side:
    counts, weights, sums = _by_kind(network).transpose(1, 0, 2)
    total, of_kind = weights.sum(), weights.sum(axis=0)
    share, mean = of_kind / total, float(sums.sum() / total)
    there = of_kind > 0
    rate = np.divide(sums.sum(axis=0), of_kind, out=np.full(len(CROSSINGS), np.nan), where=there)
    of_rate = np.divide(sums - weights * rate, of_kind, out=np.zeros(weights.shape), where=there)
    of_share = (weights - weights.sum(axis=1, keepdims=True) * share) / total
    of_mean = (sums.sum(axis=1) - weights.sum(axis=1) * mean) / total
    return _Side(counts.sum(axis=0), share, rate, mean, of_share, of_rate, of_mean)


def _added(first: OnPaths | InBoth, second: OnPaths | InBoth) -> _Added:
    """Return the parts by kind, and what each path adds to them, by the product rule."""
    sides = [_side(first), _side(second)]
    rates, of_rates = [], []
    for own, other in (sides, sides[::-1]):
        lacking = np.isnan(own.rate)
        rates.append(np.nan_to_num(np.where(lacking, other.rate, own.rate)))  # 0 where neither has any: of share 0
        of_rates.append(np.where(lacking, other.of_rate, own.of_rate))
    p, r, d_p, d_r = (
        np.stack(both) for both in ([s.share for s in sides], rates, [s.of_share for s in sides], of_rates)
    )
    middle, d_middle = (sides[0].mean + sides[1].mean) / 2, (sides[0].of_mean + sides[1].of_mean)[:, None] / 2
    above = r.mean(axis=0) - middle
    more, higher = p[1] - p[0], r[1] - r[0]
    composition = (d_p[1] - d_p[0]) * above + more * (d_r.mean(axis=0) - d_middle)
    by_rates = (d_r[1] - d_r[0]) * p.mean(axis=0) + higher * d_p.mean(axis=0)
    parts = np.stack([more * above, higher * p.mean(axis=0)])
    counts = np.stack([side.paths for side in sides])
    return _Added(sides[1].mean - sides[0].mean, parts, np.stack([composition.T, by_rates.T]), counts, p, r)


def _two(tables: Sequence[_Added], column: str, place: int) -> tuple[float, float]:
    first, second = np.mean([getattr(each, column)[:, place] for each in tables], axis=0)
    return float(first), float(second)


def _parts(statistics: Sequence[float], influences: np.ndarray, images: tuple[np.ndarray, np.ndarray]) -> list[Part]:
    """Return the statistics (n,) with errors and intervals, by what each path adds to them (n, P)."""
    errors, paths = standard_errors(influences, *images), influences.shape[1]
    if errors is None or paths < FEWEST:
        return [Part(float(each), None, None) for each in statistics]
    halves = stats.t.ppf(0.975, paths - 1) * errors
    return [
        Part(float(each), float(error), (float(each - half), float(each + half)))
        for each, error, half in zip(statistics, errors, halves, strict=True)
    ]

"""How can paths be computed in half precision, and means be those of float32? A few paths are computed in both.

A control variate (a two-level estimator, as in multi-fidelity Monte Carlo; in surveys the difference estimator of a
double sample): the mean over all paths in half precision, and to it the mean difference of those that are in float32
too. The two agree on a path almost perfectly, so that few paths tell what rounding does to the mean, without bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from specbias.measurement.pairs import Pairs
from specbias.settings.seeds import derive_seed

SHARE, FEWEST = 0.05, 40  # of the paths, and how many of them, are in float32 at least
GROWTH = 1.1  # of a standard error for want of float32 on the other paths, at most


class InHalf(NamedTuple):
    """What some of P paths are in half precision, those of `stands_for` above 0, whose other values are in float32."""

    stands_for: np.ndarray  # (P,) how many paths a path in float32 stands for; 0: it is in half precision
    scalars: dict[str, np.ndarray]  # (n,) each
    spectra: dict[str, np.ndarray]  # (n, 51) each
    finite: bool = True  # False: half precision gave numbers that are not, and every path is in float32

    @property
    def rows(self) -> np.ndarray:
        """The paths (n,) in float32."""
        return np.flatnonzero(self.stands_for)


def in_turn(pairs: Pairs, seed: int = 0) -> np.ndarray:
    """Return the order in which P paths are taken for float32, drawn by `seed` and the same for all networks.

    However many are taken, they are spread over classes and pairs of classes alike.
    """
    generator = np.random.default_rng(derive_seed(seed, "paths in float32", len(pairs)))
    classes = np.stack([pairs.first_class.numpy(), pairs.second_class.numpy()], axis=1)
    _, group, count = np.unique(classes, axis=0, return_inverse=True, return_counts=True)
    shuffled = generator.permutation(len(pairs))
    ordered = shuffled[np.argsort(group.ravel()[shuffled], kind="stable")]
    rank = np.concatenate([np.arange(each) for each in count]) + generator.random(len(pairs))
    return ordered[np.argsort(rank / np.repeat(count, count), kind="stable")]


def fewest(paths: int) -> int:
    """Return how many of so many paths are in float32 at least."""
    return min(paths, max(FEWEST, round(SHARE * paths)))


def enough(difference: np.ndarray, error: float | None, paths: int) -> int:
    """Return how many of P paths must be in float32 for a mean's standard error to grow by GROWTH at most.

    Of the `difference` (n,), float32 less half precision, of what the paths add to the mean, and the standard error of
    the mean without rounding (None: undefined).
    """
    if error is None or len(difference) < 2:
        return paths
    variance = float(difference.var(ddof=1))
    allowed = (GROWTH**2 - 1) * error**2
    return int(np.ceil(variance / (allowed + variance / paths))) if variance else 0


def corrected(values: np.ndarray, in_half: np.ndarray, stands_for: np.ndarray) -> np.ndarray:
    """Return numbers (P, ...) whose plain mean over the paths is the corrected one, as are their means over some.

    Of `values` (P, ...), in float32 where `stands_for` (P,) is above 0 and else in half precision, and of what the
    first are `in_half` (n, ...). Every path gets the mean difference, and those in float32 what theirs deviates from
    it, as often as they stand for others: the scatter of these numbers is that between paths and that of the
    correction, of a finite population, so that the standard errors of means over paths hold both.
    """
    rows = np.flatnonzero(stands_for)
    found = values.astype(float)
    if not len(rows):
        return found
    found[rows] = in_half
    weight = stands_for[rows].reshape(-1, *[1] * (values.ndim - 1))
    difference = values[rows] - found[rows]
    mean = (weight * difference).sum(axis=0) / weight.sum()
    found += mean
    found[rows] += weight * (difference - mean)
    return found


def error_of_correction(difference: np.ndarray, stands_for: np.ndarray) -> float:
    """Return the standard error of the mean of differences over P paths, from those (n,) of paths drawn from them."""
    weight = stands_for[stands_for > 0]
    n = len(weight)
    away = difference - (weight * difference).sum() / weight.sum()
    return float(np.sqrt((weight * (weight - 1) * away**2).sum() * n / max(n - 1, 1))) / len(stands_for)


def column(arrays: Mapping[str, np.ndarray], prefix: str, scalar: str, *, weight: str | None = None) -> np.ndarray:
    """Return a scalar, times another where one is a `weight`, of the paths of `prefix` in the arrays of a measurement.

    It is `corrected` where they hold some paths in float32 alone; NaN where a path has no value.
    """

    def weighed(place: str) -> np.ndarray:
        values = arrays[f"{place}/{scalar}"]
        return values if weight is None else values * arrays[f"{place}/{weight}"]

    values = weighed(prefix)
    if f"{prefix}/half/{scalar}" not in arrays:
        return values
    in_half, stands_for = weighed(f"{prefix}/half"), arrays[f"{prefix}/stands_for"]
    known, rows = np.isfinite(values), np.flatnonzero(stands_for)
    both = known[rows] & np.isfinite(in_half)
    known[rows] = both
    found = np.full(len(values), np.nan)
    found[known] = corrected(values[known], in_half[both], stands_for[known])
    return found


def all_in_half(arrays: Mapping[str, np.ndarray], prefix: str, scalar: str) -> np.ndarray:
    """Return a scalar of the paths of `prefix`, in half precision also where it is there in float32."""
    values = arrays[f"{prefix}/{scalar}"].copy()
    values[arrays[f"{prefix}/stands_for"] > 0] = arrays[f"{prefix}/half/{scalar}"]
    return values

"""Why does one network's function vary more than another's on the same paths? Measurements compared, and decomposed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from analysis.inference.decomposition import Decomposition, InBoth, OnPaths, Part, decompose, mean_of
from specbias.measurement.alike import HOW, refuse_unlike
from specbias.measurement.correction import all_in_half, column
from specbias.measurement.frequency import KINDS
from specbias.measurement.path_values import SCALARS

Arrays = Mapping[str, np.ndarray]  # of the npz file of a measurement
ENDS = ("first_image", "second_image")
DESCRIBED = ("crossings", "outside", "sharpness")  # whose means say what the networks do on the paths
# Not width, which a path without a crossing has none of, nor crossings, which are the kinds themselves.
DECOMPOSED = tuple(name for name in SCALARS if name not in ("crossings", "width"))
_PATHS = (*ENDS, "first_class", "second_class", "distance", "samples", *DESCRIBED, *sum(SCALARS.values(), ()))
KEPT = {f"frequency/{kind}/{name}" for kind in KINDS for name in _PATHS}
KEPT |= {f"frequency/{kind}/half/{name}" for kind in KINDS for name in _PATHS}
KEPT |= {f"frequency/{kind}/stands_for" for kind in KINDS} | {f"frequency/{name}" for name in HOW}
CLOSE = 1e-5  # of a distance between two images that is rounding


class Network(NamedTuple):
    """One measurement and what it is called."""

    name: str
    arrays: Arrays

    @classmethod
    def of(cls, name: str, arrays: Arrays) -> Network:
        """Return it with those of the arrays that are needed here: a sweep has many of them."""
        return cls(name, {key: arrays[key] for key in KEPT & {*arrays}})


@dataclass(frozen=True)
class Comparison:
    """The difference between two networks, or between pairs of them that differ in the same, second less first."""

    name: str
    reference: str
    pairs: int
    parts: dict[str, dict[str, Decomposition]]  # by kind of path and name of the mean
    means: dict[str, dict[str, tuple[float, float]]]  # by kind: first and second network, of the means and DESCRIBED
    notes: list[str] = field(default_factory=list)


def compare(name: str, reference: str, pairs: Sequence[tuple[Network, Network]]) -> Comparison:
    """Return the parts of every mean of DECOMPOSED on both kinds of paths, over the paths that all networks share.

    Paths without a value, as where a band is above their highest frequency, are left out of that mean, and counted, as
    are those that a measurement has which stopped earlier than the others. ValueError, in one line, where an array is
    missing or the networks were measured on different images, or differently.
    """
    networks = [network for pair in pairs for network in pair]
    found: dict[str, dict[str, Decomposition]] = {}
    means: dict[str, dict[str, tuple[float, float]]] = {}
    notes: list[str] = []
    for kind in KINDS:
        rows = common_paths(networks, kind)
        if some := [each.name for each in networks if f"frequency/{kind}/stands_for" in each.arrays]:
            notes.append(f"{name}, {kind}: half precision, corrected by few paths in float32: {', '.join(some)}")
        most = max(len(_column(network, kind, "crossings")) for network in networks)
        if len(rows[0]) < most:
            notes.append(f"{name}, {kind}: left out: {most - len(rows[0])} of {most} paths that not all have")
        table = _Table(networks, kind, rows)
        found[kind], means[kind] = {}, {each: table.means(each) for each in DESCRIBED}
        for scalar in DECOMPOSED:
            try:
                found[kind][scalar], means[kind][scalar], lost = table.decomposed(scalar)
            except Missing as error:
                notes.append(f"{name}, {kind}: no {scalar}: {error.why}")
                continue
            except ValueError as error:
                notes.append(f"{name}, {kind}: no {scalar}: {error}")
                continue
            if lost:
                notes.append(f"{name}, {kind}, {scalar}: left out: {lost} of {len(rows[0])} paths without a value")
    return Comparison(name, reference, len(pairs), found, means, notes)


def common_paths(networks: Sequence[Network], kind: str) -> list[np.ndarray]:
    """Return for each network the rows of the paths that all of them have, in one order; ValueError as `compare`.

    They are measured on the same images where the paths of one of two are among those of the other.
    """
    ends = [np.stack([_column(network, kind, name) for name in ENDS], axis=1).astype(np.int64) for network in networks]
    keys = [each[:, 0] * (1 + max(part.max(initial=0) for part in ends)) + each[:, 1] for each in ends]
    for network, key in zip(networks[1:], keys[1:], strict=True):
        both = len(np.intersect1d(keys[0], key))
        if both < min(len(key), len(keys[0])) or not both:
            raise ValueError(
                f"{networks[0].name} and {network.name} were measured on different images: {both} of {len(keys[0])} and"
                f" {len(key)} {kind} paths join the same two; measure both with the same pairs, split and seed"
            )
    shared = keys[0]
    for key in keys[1:]:
        shared = np.intersect1d(shared, key)
    rows = []
    for key in keys:
        order = np.argsort(key, kind="stable")
        rows.append(order[np.searchsorted(key, shared, sorter=order)])
    for network, own in zip(networks[1:], rows[1:], strict=True):
        _same_measuring(networks[0], rows[0], network, own, kind)
    return rows


def _same_measuring(first: Network, rows: np.ndarray, second: Network, others: np.ndarray, kind: str) -> None:
    """Raise ValueError, with what differs, unless two networks were measured on the same images in the same way."""
    both = f"{first.name} and {second.name} cannot be compared"
    try:
        refuse_unlike(first.arrays, second.arrays, names=(first.name, second.name))
    except ValueError as error:
        raise ValueError(f"{both}: {error}") from None

    def differing(name: str) -> np.ndarray:
        one, other = _column(first, kind, name)[rows], _column(second, kind, name)[others]
        return ~np.isclose(one, other, rtol=CLOSE, atol=0)

    for name, why in (
        ("first_class", "the classes of images of the same number differ: another data set or split"),
        ("second_class", "the classes of images of the same number differ: another data set or split"),
        ("distance", "the distances between images of the same number differ: another data set or split"),
        ("samples", "their paths have other numbers of samples: another spacing"),
    ):
        if differing(name).any():
            raise ValueError(f"{both}: {why} ({differing(name).sum()} of {len(rows)} {kind} paths)")


class Missing(ValueError):
    """An array that a comparison needs is not there."""

    why = "measured without paths or by an older version, or left out of a file of arrays"

    def __init__(self, network: str, key: str) -> None:
        super().__init__(f"{network} has no {key}: {self.why}")


def _column(network: Network, kind: str, name: str) -> np.ndarray:
    key = f"frequency/{kind}/{name}"
    if key not in network.arrays:
        raise Missing(network.name, key)
    return network.arrays[key]


def _corrected(network: Network, kind: str, name: str) -> np.ndarray:
    _column(network, kind, name)  # said where it lacks
    return column(network.arrays, f"frequency/{kind}", name)


class _Table:
    """What networks, those of each pair side by side, are on the paths of one kind that all of them have."""

    def __init__(self, networks: Sequence[Network], kind: str, rows: Sequence[np.ndarray]) -> None:
        self.networks, self.kind, self.rows = networks, kind, rows
        self.images = [self._values(name)[0] for name in ENDS]

    def means(self, name: str) -> tuple[float, float]:
        """Return the means over the first, and over the second networks of the pairs."""
        each = self._values(name).mean(axis=1)
        return float(each[::2].mean()), float(each[1::2].mean())

    def decomposed(self, scalar: str) -> tuple[Decomposition, tuple[float, float], int]:
        """Return the parts of a mean of SCALARS, its two values, and the number of paths that have none of it."""
        name, weight_name = SCALARS[scalar]
        values = self._values(name)
        weights = np.ones_like(values) if weight_name is None else self._values(weight_name)
        there = np.isfinite(values).all(axis=0) & np.isfinite(weights).all(axis=0)
        if not there.any():
            raise ValueError("no path has a value in all networks")
        sides = [self._side(place, name, weight_name, there) for place in range(len(self.networks))]
        found = decompose(list(zip(sides[::2], sides[1::2], strict=True)), *(ends[there] for ends in self.images))
        each = [mean_of(side) for side in sides]
        return found, (float(np.mean(each[::2])), float(np.mean(each[1::2]))), int((~there).sum())

    def _side(self, place: int, name: str, weight_name: str | None, there: np.ndarray) -> OnPaths | InBoth:
        """Return a network's values and weights on the paths that are `there`."""
        arrays, rows, prefix = self.networks[place].arrays, self.rows[place][there], f"frequency/{self.kind}"

        def on_paths(read: Callable[[str], np.ndarray]) -> OnPaths:
            value = read(name)[rows].astype(float)
            weight = np.ones_like(value) if weight_name is None else read(weight_name)[rows]
            return OnPaths(read("crossings")[rows], value, weight)

        best = on_paths(lambda each: _column(self.networks[place], self.kind, each))
        if f"{prefix}/stands_for" not in arrays:
            return best
        in_half = on_paths(lambda each: all_in_half(arrays, prefix, each))
        return InBoth(best, in_half, arrays[f"{prefix}/stands_for"][rows])

    def _values(self, name: str) -> np.ndarray:
        """Return an array (networks, paths); what is in float32 is put into those of DESCRIBED that are not."""
        columns = zip(self.networks, self.rows, strict=True)
        read = _corrected if name in DESCRIBED else _column
        return np.stack([read(network, self.kind, name)[rows] for network, rows in columns]).astype(float)


def metric_of(kind: str, scalar: str) -> str:
    """Return the name of the metric that a mean of SCALARS is."""
    return f"frequency/{kind}" + ("" if scalar == "high_frequency_share" else f"/{scalar}")


def as_text(comparisons: Sequence[Comparison], kind: str, scalars: Sequence[str]) -> list[str]:
    """Return tables for people: of one comparison one with a row per mean, of several one per mean."""
    if len(comparisons) == 1:
        rows = [(metric_of(kind, scalar), comparisons[0], scalar) for scalar in scalars]
        return _table(comparisons[0].name, kind, rows)
    return [
        text
        for scalar in scalars
        for text in _table(metric_of(kind, scalar), kind, [(each.name, each, scalar) for each in comparisons])
    ]


def _table(title: str, kind: str, asked: Sequence[tuple[str, Comparison, str]]) -> list[str]:
    """Return a table with a row per name, comparison and mean; none where no comparison has its mean."""
    rows = [
        (name, *(f"{end:.4f}" for end in each.means[kind][scalar]), *map(with_interval, each.parts[kind][scalar].both))
        for name, each, scalar in asked
        if scalar in each.parts[kind]
    ]
    heads = (title, "from", "to", "difference", "= composition", "+ rates")
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (heads, *rows)]
    return ["\n".join(line.rstrip() for line in lines)] if rows else []


def with_interval(part: Part) -> str:
    """Return a number with its interval for people."""
    if part.interval is None:
        return f"{part.statistic:+.4f}"
    return f"{part.statistic:+.4f} [{part.interval[0]:+.4f}, {part.interval[1]:+.4f}]"

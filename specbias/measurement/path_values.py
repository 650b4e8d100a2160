"""What was found on paths, in one precision or in two, and what are the means of it, with their standard errors?"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from specbias.measurement.correction import InHalf, corrected, enough, error_of_correction
from specbias.measurement.pairs import Pairs
from specbias.measurement.spectra import BOUNDARIES
from specbias.measurement.standard_error import ratio_standard_error


class Sums(NamedTuple):
    """What each path adds (P,) to a mean, above the line and below it."""

    above: np.ndarray
    below: np.ndarray

    def away(self, mean: float) -> np.ndarray:
        """Return how much each path adds to the sum above more than it would at the mean."""
        return self.above - mean * self.below


@dataclass(frozen=True)
class PathValues:
    """What was found on P paths of one kind.

    `scalars` holds (P,) arrays: `total_variation`; `share`, as released; `fixed_band`, the share above `band`,
    NaN where a path cannot tell, `mean_frequency` and `amplitude` (sum of the spectrum, the weight of a path
    where spectra are pooled), and these three under `mirror/`, `hann/` and `detrend/`; those of `crossings_of`;
    `first_correct` and `second_correct`, whether the images at the ends are classified correctly. `crossed_into` (C, C)
    counts the changes of the predicted class, from (row) and into (column). `spectra` holds per boundary (P, 51)
    amplitudes per sample at the frequencies `axis` (51,). `probabilities` (S, C) in float16, where they are kept, are
    those of the first path, then of the second, and so on: each has as many as its pair's `samples`. With `half` all of
    that, but `crossed_into` and `probabilities`, is of few paths in float32 and of the others in half precision; means
    are corrected by what the few are in both.
    """

    pairs: Pairs
    scalars: dict[str, np.ndarray]
    crossed_into: np.ndarray
    spectra: dict[str, np.ndarray]
    axis: np.ndarray
    signal: str
    band: float
    probabilities: np.ndarray | None = None
    half: InHalf | None = None

    @property
    def ends_correct(self) -> np.ndarray:
        return self.scalars["first_correct"] & self.scalars["second_correct"]

    def sums(self, name: str) -> Sums:
        """Return what each path adds to a mean of SCALARS; NaN where it has no value."""
        if self.half is None:
            return _sums(self.scalars, name)
        both = zip(_known(_sums(self.scalars, name)), _known(_sums(self.half.scalars, name)), strict=True)
        return Sums(*(corrected(*columns, self.half.stands_for) for columns in both))

    def spectra_of(self, boundary: str) -> np.ndarray:
        """Return the spectra (P, 51) whose means are reported."""
        spectra = self.spectra[boundary]
        return spectra if self.half is None else corrected(spectra, self.half.spectra[boundary], self.half.stands_for)


@dataclass(frozen=True)
class Summary:
    """Means over a set of paths under the names of SCALARS, their standard errors (None: undefined), and counts.

    Where some of the paths are in half precision, `corrections` are what the float32 paths changed the means by, and
    the standard errors of that alone.
    """

    means: dict[str, float]
    standard_errors: dict[str, float | None]
    paths: int
    samples: int
    in_float32: int
    corrections: dict[str, tuple[float, float]]


# The name of a mean -> what is summed over paths, and the weight it is divided by (None: the number of paths).
# Spectra are pooled before a mean frequency is taken, each with its own bins and as it is: a path weighs as much as its
# spectrum. Shares are averaged over paths, as in the release.
SCALARS: dict[str, tuple[str, str | None]] = {
    "high_frequency_share": ("share", None),
    "fixed_band": ("fixed_band", None),
    "mean_frequency": ("mean_frequency", "amplitude"),
    "total_variation": ("total_variation", None),
    **{name: (name, None) for name in ("crossings", "outside", "sharpness", "width")},
    **{boundary: (f"{boundary}/fixed_band", None) for boundary in BOUNDARIES[1:]},
    **{f"{b}/mean_frequency": (f"{b}/mean_frequency", f"{b}/amplitude") for b in BOUNDARIES[1:]},
}

# As metrics, beside the released share
REPORTED = ("fixed_band", *BOUNDARIES[1:], "mean_frequency", "total_variation", "crossings", "sharpness")


def summarise(values: PathValues, rows: np.ndarray | slice = slice(None)) -> Summary:
    """Return the means over the paths at `rows` (indices, a mask, or all), with standard errors over images.

    A mean is over the paths that have a value; that of none, or weighted by an amplitude of 0 in all, is left out.
    """
    first, second, samples = (x.numpy()[rows] for x in (values.pairs.first, values.pairs.second, values.pairs.samples))
    means: dict[str, float] = {}
    errors: dict[str, float | None] = {}
    corrections: dict[str, tuple[float, float]] = {}
    for name in SCALARS:
        above, below = (column[rows] for column in values.sums(name))
        known = np.isfinite(above)
        above, below = above[known], below[known]
        if below.sum() > 0:
            means[name] = float(above.sum() / below.sum())
            errors[name] = ratio_standard_error(above, below, first[known], second[known])
            if values.half is not None and (moved := _correction(values, values.half, name, rows, means[name])):
                corrections[name] = moved
    exact = len(first) if values.half is None else int(np.count_nonzero(values.half.stands_for[rows]))
    return Summary(means, errors, len(first), int(samples.sum()), exact, corrections)


def _correction(
    values: PathValues, half: InHalf, name: str, rows: np.ndarray | slice, mean: float
) -> tuple[float, float] | None:
    """Return what float32 changed a mean over the paths at `rows` by, and the standard error of that.

    None where the mean in half precision is that of no path.
    """
    inside = np.zeros(len(values.pairs))
    inside[rows] = 1
    exact, kept = _known(_sums(values.scalars, name)), _known(_sums(half.scalars, name))
    rounded = Sums(*(column.copy() for column in exact))
    for column, in_half in zip(rounded, kept, strict=True):
        column[half.rows] = in_half
    weight = float((inside * rounded.below).sum())
    if weight <= 0:
        return None
    difference = exact.away(mean)[half.rows] - kept.away(mean)
    difference = inside[half.rows] * (difference - np.average(difference, weights=half.stands_for[half.rows]))
    error = error_of_correction(difference, half.stands_for) * len(inside) / weight
    return mean - float((inside * rounded.above).sum()) / weight, error


def _sums(scalars: dict[str, np.ndarray], name: str) -> Sums:
    scalar, weight = SCALARS[name]
    below = np.ones(len(scalars[scalar])) if weight is None else scalars[weight]
    return Sums(scalars[scalar] * below, below)


def _known(sums: Sums) -> Sums:
    """Return the sums to which paths without a value add nothing."""
    known = np.isfinite(sums.above)
    return Sums(np.where(known, sums.above, 0), np.where(known, sums.below, 0))


def joined(parts: list[PathValues], *, reached: int | None = None) -> PathValues:
    """Return the values of several sets of pairs, chosen together, as one; of left-out pairs those below `reached`."""
    columns = {
        f.name: torch.cat([getattr(part.pairs, f.name) for part in parts])
        for f in fields(Pairs)
        if f.name != "left_out"
    }
    left_out = parts[0].pairs.left_out
    along: list[Any] = [part.probabilities for part in parts]
    halves = [part.half for part in parts if part.half is not None]
    return replace(
        parts[0],
        pairs=Pairs(**columns, left_out=left_out if reached is None else left_out[left_out < reached]),
        scalars=_joined([part.scalars for part in parts]),
        crossed_into=np.sum([part.crossed_into for part in parts], axis=0),
        spectra=_joined([part.spectra for part in parts]),
        probabilities=None if any(each is None for each in along) else np.concatenate(along),
        half=InHalf(
            np.concatenate([half.stands_for for half in halves]),
            _joined([half.scalars for half in halves]),
            _joined([half.spectra for half in halves]),
            all(half.finite for half in halves),
        )
        if halves
        else None,
    )


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def needed_in_float32(rounded: PathValues, exact: PathValues, rows: np.ndarray) -> int:
    """Return how many paths must be in float32 for all that is REPORTED, by those at `rows`, which `exact` has."""
    summary, needed = summarise(rounded), 0
    for name in {"high_frequency_share", *REPORTED} & {*summary.means}:
        error = summary.standard_errors[name]
        in_half, in_full = _known(_sums(rounded.scalars, name)), _known(_sums(exact.scalars, name))
        difference = in_full.away(summary.means[name]) - in_half.away(summary.means[name])[rows]
        needed = max(needed, enough(difference / in_half.below.mean(), error, len(rounded.pairs)))
    return needed


def in_both(rounded: PathValues, exact: PathValues, rows: np.ndarray) -> PathValues:
    """Return the values of all paths, those at `rows` in float32."""
    order = np.argsort(rows)
    rows, stands_for = rows[order], np.zeros(len(rounded.pairs))
    stands_for[rows] = len(stands_for) / len(rows)
    found = []
    for halves, fulls in ((rounded.scalars, exact.scalars), (rounded.spectra, exact.spectra)):
        kept = {name: values[rows] for name, values in halves.items()}
        best = {name: values.copy() for name, values in halves.items()}
        for name, values in fulls.items():
            best[name][rows] = values[order]
        found.append((best, kept))
    (scalars, of_half), (spectra, spectra_of_half) = found
    return replace(rounded, scalars=scalars, spectra=spectra, half=InHalf(stands_for, of_half, spectra_of_half))


def rows_of_classes(pairs: Pairs) -> dict[tuple[int, int], np.ndarray]:
    """Return (first class, second class) -> the indices of the pairs between them."""
    classes, group = torch.stack([pairs.first_class, pairs.second_class], 1).unique(dim=0, return_inverse=True)
    return {(int(a), int(b)): (group == i).nonzero().flatten().numpy() for i, (a, b) in enumerate(classes)}

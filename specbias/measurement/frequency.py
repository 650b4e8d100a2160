"""How fast does the network's function vary between images? Every path's scalars and spectra, and their means."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from specbias.data import Data
from specbias.measurement.crossings import crossings_of
from specbias.measurement.pairs import Pairs, Probes
from specbias.measurement.paths import Predict, linear, walk
from specbias.measurement.spectra import (
    BOUNDARIES,
    amplitude_spectrum,
    band_limits,
    fixed_band_share,
    frequency_axis,
    high_frequency_share,
    mean_frequency,
    on_frequency_axis,
    period,
    signal_of,
    total_variation,
)
from specbias.measurement.standard_error import ratio_standard_error, standard_errors
from specbias.settings import SettingError
from specbias.settings.config import BAND, MEASURE_VERSION

KINDS = ("within_class", "between_class")
# As metrics, beside the released share
REPORTED = ("fixed_band", *BOUNDARIES[1:], "mean_frequency", "total_variation", "crossings", "sharpness")


@dataclass(frozen=True)
class PathValues:
    """What was found on P paths of one kind.

    `scalars` holds (P,) arrays: `total_variation`; `share`, as released; `fixed_band`, the share above `band`,
    NaN where a path cannot tell, `mean_frequency` and `amplitude` (sum of the spectrum, the weight of a path
    where spectra are pooled), and these three under `mirror/`, `hann/` and `detrend/`; those of `crossings_of`;
    `first_correct` and `second_correct`, whether the images at the ends are classified correctly. `crossed_into` (C, C)
    counts the changes of the predicted class, from (row) and into (column). `spectra` holds per boundary (P, 51)
    amplitudes per sample at the frequencies `axis` (51,). `probabilities` (S, C) in float16, where they are kept, are
    those of the first path, then of the second, and so on: each has as many as its pair's `samples`.
    """

    pairs: Pairs
    scalars: dict[str, np.ndarray]
    crossed_into: np.ndarray
    spectra: dict[str, np.ndarray]
    axis: np.ndarray
    signal: str
    band: float
    probabilities: np.ndarray | None = None

    @property
    def ends_correct(self) -> np.ndarray:
        return self.scalars["first_correct"] & self.scalars["second_correct"]


@dataclass(frozen=True)
class Summary:
    """Means over a set of paths under the names of SCALARS, their standard errors (None: undefined), and counts."""

    means: dict[str, float]
    standard_errors: dict[str, float | None]
    paths: int
    samples: int


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


def check_band(probes: Probes, band: float) -> None:
    """Raise SettingError, with the numbers, where no path of a kind can tell what is above `band`."""
    for kind in KINDS:
        pairs: Pairs = getattr(probes, kind)
        lowest, highest = band_limits(pairs.samples, pairs.step)
        if len(pairs) and not ((lowest <= band) & (band < highest)).any():
            nearer = "" if (band < lowest).all() else ", or samples nearer to each other (--spacing, --path-samples)"
            cure = f"give a --band in between{nearer}"
            raise SettingError(
                f"band={band:g}: no path of {kind} tells what is above it; theirs, of {pairs.samples.min()} to "
                f"{pairs.samples.max()} samples {pairs.step.min():.3g} to {pairs.step.max():.3g} apart, begin at "
                f"{lowest.min():.3g} and end at {highest.max():.3g} cycles per unit of distance: {cure}"
            )


def measure_pairs(
    predict: Predict,
    data: Data,
    probes: Probes,
    pairs: Pairs,
    *,
    correct: Tensor,
    signal: str = "probabilities",
    band: float = BAND,
    keep: bool = False,
    batch_size: int,
) -> PathValues:
    """Return the scalars and spectra of the straight paths between `pairs`, pairs of `probes`.

    `correct` (images of the split,) says which images are classified correctly; the frequencies above `band`, in cycles
    per unit, are the high ones. `keep` keeps the class probabilities along every path. Raises FloatingPointError on an
    output that is not finite.
    """
    split = getattr(data, probes.split)
    nyquist = min(float(0.5 / kind.step.max()) for kind in (probes.within_class, probes.between_class) if len(kind))
    axis = frequency_axis(nyquist).to(split.images.device)
    steps = pairs.step.to(axis.device)
    scalars: dict[str, Tensor] = {}
    crossings: list[Tensor] = []
    kept: dict[int, Tensor] = {}
    spectra = {boundary: axis.new_zeros(len(pairs), len(axis)) for boundary in BOUNDARIES}
    ends = [labels.to(axis.device) for labels in (pairs.first_class, pairs.second_class)]
    for rows, logits in walk(predict, linear(data, split, pairs), pairs.samples, batch_size=batch_size):
        rows = rows.to(axis.device)
        first, second, step = ends[0][rows], ends[1][rows], steps[rows]
        signals = signal_of(logits, signal, first)
        probabilities = signals if signal == "probabilities" else signal_of(logits, "probabilities", first)
        found, crossed = crossings_of(logits, probabilities, first, second, step)
        crossings.append(crossed)
        if keep:
            kept |= zip(rows.tolist(), probabilities.half().cpu(), strict=True)
        found["total_variation"] = total_variation(signals, step)
        values, on_axis = _of_spectra(signals, step, axis, band)
        for boundary in BOUNDARIES:
            spectra[boundary][rows] = on_axis[boundary]
        for name, value in (found | values).items():
            scalars.setdefault(name, value.new_zeros(len(pairs)))[rows] = value
    correct = correct.cpu()
    scalars |= {"first_correct": correct[pairs.first], "second_correct": correct[pairs.second]}
    crossed_into = _table(torch.cat(crossings, 1), logits.shape[-1])
    columns = _as_arrays(scalars), crossed_into, _as_arrays(spectra)
    along = torch.cat([kept[row] for row in range(len(pairs))]).numpy() if keep else None
    return PathValues(pairs, *columns, axis.cpu().numpy(), signal, band, along)


def _of_spectra(
    signals: Tensor, step: Tensor, axis: Tensor, band: float
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the scalars of the spectra of signals (n, T, channels), and by boundary these on the axis (n, 51)."""
    found: dict[str, Tensor] = {}
    spectra: dict[str, Tensor] = {}
    axes: dict[int, Tensor] = {}  # period -> frequencies (n, K)
    for boundary in BOUNDARIES:
        amplitude = amplitude_spectrum(signals, boundary)
        repeat = period(signals.shape[1], boundary)
        if repeat not in axes:
            bins = torch.arange(amplitude.shape[-1], dtype=torch.float64, device=signals.device)
            axes[repeat] = bins / (repeat * step).unsqueeze(1)
        frequencies = axes[repeat]
        prefix = "" if boundary == "periodic" else f"{boundary}/"
        if boundary == "periodic":
            found["share"] = high_frequency_share(amplitude)
        found[f"{prefix}fixed_band"] = fixed_band_share(
            amplitude, frequencies, samples=signals.shape[1], step=step, band=band
        )
        found[f"{prefix}mean_frequency"] = mean_frequency(amplitude, frequencies)
        found[f"{prefix}amplitude"] = amplitude.sum(-1)
        spectra[boundary] = on_frequency_axis(amplitude / repeat, frequencies, axis)
    return found, spectra


def measure_probes(predict: Predict, data: Data, probes: Probes, **settings: Any) -> dict[str, PathValues]:
    """Return the values of both kinds of paths, kind -> `measure_pairs` with these settings."""
    return {kind: measure_pairs(predict, data, probes, getattr(probes, kind), **settings) for kind in KINDS}


def _table(crossings: Tensor, classes: int) -> np.ndarray:
    """Return how often (C, C) the predicted class changes from one (row) into another (column)."""
    left, entered = crossings
    return torch.bincount(left * classes + entered, minlength=classes**2).view(classes, classes).cpu().numpy()


def _as_arrays(tensors: dict[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: values.cpu().numpy() for name, values in tensors.items()}


def joined(parts: list[PathValues], *, reached: int | None = None) -> PathValues:
    """Return the values of several sets of pairs, chosen together, as one; of left-out pairs those below `reached`."""
    columns = {
        f.name: torch.cat([getattr(part.pairs, f.name) for part in parts])
        for f in fields(Pairs)
        if f.name != "left_out"
    }
    left_out = parts[0].pairs.left_out
    along: list[Any] = [part.probabilities for part in parts]
    return PathValues(
        Pairs(**columns, left_out=left_out if reached is None else left_out[left_out < reached]),
        {name: np.concatenate([part.scalars[name] for part in parts]) for name in parts[0].scalars},
        np.sum([part.crossed_into for part in parts], axis=0),
        {name: np.concatenate([part.spectra[name] for part in parts]) for name in parts[0].spectra},
        parts[0].axis,
        parts[0].signal,
        parts[0].band,
        None if any(each is None for each in along) else np.concatenate(along),
    )


def summarise(values: PathValues, rows: np.ndarray | slice = slice(None)) -> Summary:
    """Return the means over the paths at `rows` (indices, a mask, or all), with standard errors over images.

    A mean is over the paths that have a value; that of none, or weighted by an amplitude of 0 in all, is left out.
    """
    first, second, samples = (x.numpy()[rows] for x in (values.pairs.first, values.pairs.second, values.pairs.samples))
    means: dict[str, float] = {}
    errors: dict[str, float | None] = {}
    for name, (scalar, weight_name) in SCALARS.items():
        value = values.scalars[scalar][rows]
        weight = np.ones(len(value)) if weight_name is None else values.scalars[weight_name][rows]
        known = np.isfinite(value)
        value, weight = value[known], weight[known]
        if weight.sum() > 0:
            means[name] = float((value * weight).sum() / weight.sum())
            errors[name] = ratio_standard_error(value * weight, weight, first[known], second[known])
    return Summary(means, errors, len(first), int(samples.sum()))


def frequency_metrics(found: dict[str, PathValues]) -> dict[str, float]:
    """Return the scalars that are reported of kind -> values, under `frequency/{kind}...`; the rest is in the arrays.

    No suffix: the released high-frequency share over all paths; `ends_correct`: over paths between images that are
    classified correctly, left out where there is none.
    """
    metrics: dict[str, float] = {}
    for kind, values in found.items():
        means = summarise(values).means
        metrics[f"frequency/{kind}"] = means["high_frequency_share"]
        metrics |= {f"frequency/{kind}/{name}": means[name] for name in REPORTED if name in means}
        of_correct = summarise(values, values.ends_correct).means
        if of_correct:
            metrics[f"frequency/{kind}/ends_correct"] = of_correct["high_frequency_share"]
    return metrics


def frequency_arrays(found: dict[str, PathValues]) -> dict[str, np.ndarray]:
    """Return what the npz keeps of kind -> values: every path, and mean spectra, under `frequency/{kind}/`.

    `frequency/signal` is probabilities, logits or margin; `frequency/measure_version` says which measure this is, and
    `frequency/band` above which frequency is high.
    (P,) arrays: the images (`first_image`, `second_image`: rows of the split), their classes, `distance`, `step`,
    `samples`, and every scalar of PathValues; its `crossed_into` (C, C), and `probabilities` (S, C) where kept. Spectra
    at `frequency/axis` (51,): `spectrum` over all, `ends_correct/spectrum`, and per class or class pair
    `spectrum_per_classes` (G, 51), for the `classes` (G, 2); the same under the other boundaries' names. In these every
    path weighs the same, per sample: a mean frequency taken of them is not that of the pooled spectra.
    `standard_error/...`: of the means over all paths, spectra among them. `left_out`: the number of pairs too close for
    a path; `without_band`: of paths that cannot tell what is above the band.
    """
    arrays: dict[str, np.ndarray] = {}
    for kind, values in found.items():
        pairs, prefix = values.pairs, f"frequency/{kind}"
        arrays |= {"frequency/axis": values.axis, "frequency/signal": np.array(values.signal)}
        arrays |= {"frequency/measure_version": np.array(MEASURE_VERSION), "frequency/band": np.array(values.band)}
        columns = {"first_image": pairs.first, "second_image": pairs.second}
        columns |= {"distance": pairs.distance, "step": pairs.step}
        columns |= {"first_class": pairs.first_class, "second_class": pairs.second_class, "samples": pairs.samples}
        arrays |= {f"{prefix}/{name}": column.numpy() for name, column in columns.items()}
        arrays |= {f"{prefix}/{name}": column for name, column in values.scalars.items()}
        arrays[f"{prefix}/crossed_into"] = values.crossed_into
        if values.probabilities is not None:
            arrays[f"{prefix}/probabilities"] = values.probabilities
        arrays[f"{prefix}/left_out"] = np.array(len(pairs.left_out))
        arrays[f"{prefix}/without_band"] = np.array(np.isnan(values.scalars["fixed_band"]).sum())
        errors = summarise(values).standard_errors
        arrays |= {f"{prefix}/standard_error/{name}": np.array(e) for name, e in errors.items() if e is not None}
        groups = rows_of_classes(pairs)
        arrays[f"{prefix}/classes"] = np.array([*groups])
        for boundary, spectra in values.spectra.items():
            place = "" if boundary == "periodic" else f"{boundary}/"
            arrays[f"{prefix}/{place}spectrum"] = mean = spectra.mean(axis=0)
            error = standard_errors((spectra - mean).T / len(spectra), pairs.first.numpy(), pairs.second.numpy())
            if error is not None:
                arrays[f"{prefix}/standard_error/{place}spectrum"] = error
            if values.ends_correct.any():
                arrays[f"{prefix}/{place}ends_correct/spectrum"] = spectra[values.ends_correct].mean(axis=0)
            per_classes = [spectra[rows].mean(axis=0) for rows in groups.values()]
            arrays[f"{prefix}/{place}spectrum_per_classes"] = np.stack(per_classes)
    return arrays


def rows_of_classes(pairs: Pairs) -> dict[tuple[int, int], np.ndarray]:
    """Return (first class, second class) -> the indices of the pairs between them."""
    classes, group = torch.stack([pairs.first_class, pairs.second_class], 1).unique(dim=0, return_inverse=True)
    return {(int(a), int(b)): (group == i).nonzero().flatten().numpy() for i, (a, b) in enumerate(classes)}

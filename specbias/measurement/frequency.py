"""How fast does the network's function vary between images? Every path's scalars and spectra, and their means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from specbias.data import Data
from specbias.measurement.correction import InHalf, fewest, in_turn
from specbias.measurement.crossings import crossings_of
from specbias.measurement.half_precision import predicted_by
from specbias.measurement.pairs import Pairs, Probes
from specbias.measurement.path_values import (
    REPORTED,
    PathValues,
    in_both,
    joined,
    needed_in_float32,
    rows_of_classes,
    summarise,
)
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
from specbias.measurement.standard_error import standard_errors
from specbias.settings import SettingError
from specbias.settings.config import BAND, MEASURE_VERSION

KINDS = ("within_class", "between_class")


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
    exactly: Predict | None = None,
    correct: Tensor,
    **settings: Any,
) -> PathValues:
    """Return the scalars and spectra of the straight paths between `pairs`, pairs of `probes`.

    `correct` (images of the split,) says which images are classified correctly; `settings` are the signal
    (probabilities), the band, above which frequencies, in cycles per unit, are the high ones, keep (no), which keeps
    the class probabilities along every path, as `predict` gives them, and batch_size. With `exactly`, the same function
    in float32, `predict` is one in half precision, and few paths are computed in both: first the fewest, and then as
    many as these say that standard errors of what is reported grow by GROWTH at most. Raises FloatingPointError on an
    output that is not finite; where it is so in half precision all is in float32.
    """

    def on(function: Predict, some: Pairs, **more: Any) -> PathValues:
        return in_one_precision(function, data, probes, some, correct=correct, **settings | more)

    if exactly is None:
        return on(predict, pairs)
    try:
        rounded = on(predict, pairs, deciding=exactly)
    except FloatingPointError:
        exact = on(exactly, pairs)
        return replace(exact, half=InHalf(np.ones(len(pairs)), exact.scalars, exact.spectra, finite=False))
    turn, count = in_turn(pairs), fewest(len(pairs))
    exact = on(exactly, pairs.take(torch.from_numpy(turn[:count])), keep=False)
    if (needed := needed_in_float32(rounded, exact, turn[:count])) > count:
        exact = joined([exact, on(exactly, pairs.take(torch.from_numpy(turn[count:needed])), keep=False)])
    return in_both(rounded, exact, turn[: len(exact.pairs)])


def in_one_precision(
    predict: Predict,
    data: Data,
    probes: Probes,
    pairs: Pairs,
    *,
    correct: Tensor,
    signal: str = "probabilities",
    band: float = BAND,
    keep: bool = False,
    deciding: Predict | None = None,
    batch_size: int,
) -> PathValues:
    """Return the values of `measure_pairs` in one precision; `deciding` says the class where it is doubtful in half."""
    split = getattr(data, probes.split)
    nyquist = min(float(0.5 / kind.step.max()) for kind in (probes.within_class, probes.between_class) if len(kind))
    axis = frequency_axis(nyquist).to(split.images.device)
    steps = pairs.step.to(axis.device)
    scalars: dict[str, Tensor] = {}
    crossings: list[Tensor] = []
    kept: dict[int, Tensor] = {}
    spectra = {boundary: axis.new_zeros(len(pairs), len(axis)) for boundary in BOUNDARIES}
    ends = [labels.to(axis.device) for labels in (pairs.first_class, pairs.second_class)]
    sample, predicted = linear(data, split, pairs), None
    for rows, logits in walk(predict, sample, pairs.samples, batch_size=batch_size):
        if deciding is not None:
            predicted = predicted_by(deciding, sample, rows, logits, batch_size=batch_size)
        rows = rows.to(axis.device)
        first, second, step = ends[0][rows], ends[1][rows], steps[rows]
        signals = signal_of(logits, signal, first)
        probabilities = signals if signal == "probabilities" else signal_of(logits, "probabilities", first)
        found, crossed = crossings_of(logits, probabilities, first, second, step, predicted)
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
    a path; `without_band`: of paths that cannot tell what is above the band. Where few paths are in float32 and the
    others in half precision, `stands_for` (P,) is above 0 for the few, and `half/...` (n,) what they are in half
    precision; `correction/...` is what they change the means by, `correction_error/...` its standard error.
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
        found_of = summarise(values)
        errors = found_of.standard_errors
        arrays |= {f"{prefix}/standard_error/{name}": np.array(e) for name, e in errors.items() if e is not None}
        if values.half is not None:
            arrays[f"{prefix}/stands_for"] = values.half.stands_for
            arrays |= {f"{prefix}/half/{name}": column for name, column in values.half.scalars.items()}
            for name, (moved, scatter) in found_of.corrections.items():
                arrays |= {f"{prefix}/correction/{name}": np.array(moved)}
                arrays |= {f"{prefix}/correction_error/{name}": np.array(scatter)}
        groups = rows_of_classes(pairs)
        arrays[f"{prefix}/classes"] = np.array([*groups])
        for boundary in values.spectra:
            spectra = values.spectra_of(boundary)
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

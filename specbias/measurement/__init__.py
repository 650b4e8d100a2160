"""What has the network learned by now? measure(model, ...) -> Measurement(step, metrics, arrays), changing nothing."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from specbias.data import Data
from specbias.measurement.compiled import Compiled
from specbias.measurement.examples import example_arrays
from specbias.measurement.frequency import KINDS, frequency_arrays, frequency_metrics, measure_probes
from specbias.measurement.generalization import evaluate, measure_generalization
from specbias.measurement.half_precision import NOT_FINITE, HalfPrecision, layers_in_float32
from specbias.measurement.jacobian import jacobian_norm
from specbias.measurement.noise_fitting import measure_noise_fitting
from specbias.measurement.pairs import Probes, choose_probes
from specbias.measurement.path_values import PathValues, summarise
from specbias.measurement.paths import Predict
from specbias.settings import SettingError
from specbias.settings.config import TrialConfig
from specbias.training.label_noise import LabelNoise


@dataclass(frozen=True)
class Measurement:
    """What was measured at one step: few scalars under flat keys, and arrays for the npz."""

    step: int  # of training, an epoch or an update; or the number of a class
    metrics: dict[str, float]
    arrays: dict[str, np.ndarray]


def measure(
    model: nn.Module,
    data: Data,
    probes: Probes | None,
    *,
    config: TrialConfig,
    step: int,
    noise: LabelNoise | None = None,
    test_probes: Probes | None = None,
) -> Measurement:
    """Measure generalization, function frequency and the fit of label noise of `model` in evaluation mode.

    Metrics and arrays: those of measure_generalization; with `noise`, of measure_noise_fitting; with `probes`, of
    frequency_metrics and frequency_arrays, and at the last epoch of example_arrays; with `test_probes`, probes of the
    test split beside those of another, `frequency/{kind}/test_probes` and the arrays under `test_probes/`; and
    `jacobian_norm` where images for it are asked for. Paths and Jacobian are computed in `measure_precision`
    (corrected: examples and Jacobian in float32), the rest in the precision of training. The model's weights, buffers
    and modes and torch's random streams are as before. Raises FloatingPointError on an output that is not finite.
    """
    batch, layout = config.measure_batch, config.memory_format
    with evaluating(model, config.device, config.precision, layout, compiled_for=_full_batch(config)) as predict:
        outcomes = {name: evaluate(predict, split, data, batch_size=batch) for name, split in data.splits.items()}
    supply = probes.supply if probes and probes.split == "test" else None
    parts = [measure_generalization(outcomes, data, supply)]
    if noise is not None:
        parts.append(measure_noise_fitting(outcomes, data, noise))
    with measuring(model, config) as (predict, exactly):
        settings: Any = {"signal": config.signal, "band": config.band, "batch_size": batch, "exactly": exactly}
        if probes is not None:
            paths = measure_probes(predict, data, probes, correct=outcomes[probes.split].correct, **settings)
            _say_if_not_finite(paths)
            parts.append((frequency_metrics(paths), frequency_arrays(paths)))
            if step == config.epochs:
                asked = exactly or predict
                parts.append(({}, example_arrays(asked, data, getattr(data, probes.split), paths, batch_size=batch)))
        if test_probes is not None:
            paths = measure_probes(predict, data, test_probes, correct=outcomes["test"].correct, **settings)
            shares = {kind: summarise(paths[kind]).means["high_frequency_share"] for kind in KINDS}
            found = {f"frequency/{kind}/test_probes": share for kind, share in shares.items()}
            parts.append((found, {f"test_probes/{key}": array for key, array in frequency_arrays(paths).items()}))
        if config.jacobian_images:
            images = data.normalise(data.test.images[: config.jacobian_images])
            parts.append(({"jacobian_norm": jacobian_norm(exactly or predict, images, batch_size=batch)}, {}))
    metrics: dict[str, float] = {}
    arrays: dict[str, np.ndarray] = {}
    for scalars, more in parts:
        metrics |= scalars
        arrays |= more
    return Measurement(step, metrics, arrays)


def _say_if_not_finite(paths: dict[str, PathValues]) -> None:
    if any(values.half is not None and not values.half.finite for values in paths.values()):
        warnings.warn(NOT_FINITE, stacklevel=2)  # python says it once in a process


def probes_of(config: TrialConfig, data: Data, *, split: str | None = None) -> Probes | None:
    """Return the pairs of images that a trial with these settings is measured on; None if it asks for no paths.

    They are of its `probe_split`, or of another `split`.
    """
    if not config.probe_pairs:
        return None
    return choose_probes(
        data,
        pairs=config.probe_pairs,
        seed=config.probe_seed,
        pairing=config.pairing,
        split=split or config.probe_split,
        spacing=config.spacing,
        path_samples=config.path_samples,
    )


@contextmanager
def measuring(model: nn.Module, config: TrialConfig) -> Iterator[tuple[Predict, Predict | None]]:
    """Give what `evaluating` gives in a trial's `measure_precision`, and if that is corrected, in float32 too."""
    precision = config.measure_precision or config.precision
    layers = layers_in_float32(config.float32_layers, corrected=precision == "corrected")
    with ExitStack() as stack:

        def function(precision: str) -> Predict:
            how = config.device, precision, config.memory_format, layers
            return stack.enter_context(evaluating(model, *how, compiled_for=_full_batch(config)))

        if precision == "corrected":
            yield function("bf16"), function("float32")
        else:
            yield function(precision), None


def _full_batch(config: TrialConfig) -> int | None:
    return config.measure_batch if config.measure_compile else None


@contextmanager
def evaluating(
    model: nn.Module,
    device: str,
    precision: str,
    memory_format: str = "channels_last",
    float32_layers: str = "none",
    *,
    compiled_for: int | None = None,
) -> Iterator[Predict]:
    """Give a function from normalised images (B, 3, H, W) to logits (B, classes) in float32; modes are put back.

    In float32, the network is compiled for batches of `compiled_for` images; None: for none.
    """
    modes = [(module, module.training) for module in model.modules()]

    def ask(images: Tensor) -> Any:
        return model(images.contiguous(memory_format=getattr(torch, memory_format)))

    half = HalfPrecision(ask, model, layers=float32_layers)
    compiled = Compiled(ask, model, size=compiled_for or 0)
    asked = half if precision == "bf16" else compiled if compiled_for else ask

    def predict(images: Tensor) -> Tensor:
        logits = asked(images)
        if not isinstance(logits, Tensor):
            raise SettingError(f"the model gives a {type(logits).__name__}, not a tensor of logits")
        return logits.float()

    model.eval()
    try:
        with torch.inference_mode():
            yield predict
    finally:
        if asked is compiled and compiled.failure:
            warnings.warn(compiled.failure, stacklevel=2)
        half.close()
        for module, training in modes:
            module.training = training

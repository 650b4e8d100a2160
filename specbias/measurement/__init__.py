"""What has the network learned by now? measure(model, ...) -> Measurement(step, metrics, arrays), changing nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from specbias.data import Data
from specbias.measurement.examples import example_arrays
from specbias.measurement.frequency import KINDS, frequency_arrays, frequency_metrics, measure_probes
from specbias.measurement.generalization import evaluate, measure_generalization
from specbias.measurement.jacobian import jacobian_norm
from specbias.measurement.noise_fitting import measure_noise_fitting
from specbias.measurement.pairs import Probes, choose_probes
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
    `jacobian_norm` where images for it are asked for. Paths and Jacobian are computed in `measure_precision`, the rest
    in the precision of training. The model's weights, buffers and modes and torch's random streams are as before.
    Raises FloatingPointError on an output that is not finite.
    """
    batch, layout = config.measure_batch, config.memory_format
    with evaluating(model, config.device, config.precision, layout) as predict:
        outcomes = {name: evaluate(predict, split, data, batch_size=batch) for name, split in data.splits.items()}
    supply = probes.supply if probes and probes.split == "test" else None
    parts = [measure_generalization(outcomes, data, supply)]
    if noise is not None:
        parts.append(measure_noise_fitting(outcomes, data, noise))
    with evaluating(model, config.device, config.measure_precision or config.precision, layout) as predict:
        settings: Any = {"signal": config.signal, "band": config.band, "batch_size": batch}
        if probes is not None:
            paths = measure_probes(predict, data, probes, correct=outcomes[probes.split].correct, **settings)
            parts.append((frequency_metrics(paths), frequency_arrays(paths)))
            if step == config.epochs:
                parts.append(({}, example_arrays(predict, data, getattr(data, probes.split), paths, batch_size=batch)))
        if test_probes is not None:
            paths = measure_probes(predict, data, test_probes, correct=outcomes["test"].correct, **settings)
            found = {f"frequency/{kind}/test_probes": float(paths[kind].scalars["share"].mean()) for kind in KINDS}
            parts.append((found, {f"test_probes/{key}": array for key, array in frequency_arrays(paths).items()}))
        if config.jacobian_images:
            images = data.normalise(data.test.images[: config.jacobian_images])
            parts.append(({"jacobian_norm": jacobian_norm(predict, images, batch_size=batch)}, {}))
    metrics: dict[str, float] = {}
    arrays: dict[str, np.ndarray] = {}
    for scalars, more in parts:
        metrics |= scalars
        arrays |= more
    return Measurement(step, metrics, arrays)


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
def evaluating(
    model: nn.Module, device: str, precision: str, memory_format: str = "channels_last"
) -> Iterator[Callable[[Tensor], Tensor]]:
    """Give a function from normalised images (B, 3, H, W) to logits (B, classes) in float32; modes are put back."""
    modes = [(module, module.training) for module in model.modules()]

    def predict(images: Tensor) -> Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            logits = model(images.contiguous(memory_format=getattr(torch, memory_format)))
        if not isinstance(logits, Tensor):
            raise SettingError(f"the model gives a {type(logits).__name__}, not a tensor of logits")
        return logits.float()

    model.eval()
    try:
        with torch.inference_mode():
            yield predict
    finally:
        for module, training in modes:
            module.training = training

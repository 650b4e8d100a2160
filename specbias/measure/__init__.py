"""What has the network learned by now? measure(model, ...) -> Measurement(epoch, metrics, arrays), changing nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from specbias.config import TrialConfig
from specbias.data import Data
from specbias.label_noise import LabelNoise
from specbias.measure.generalization import evaluate, measure_generalization
from specbias.measure.noise_fitting import measure_noise_fitting
from specbias.measure.paths import Probes
from specbias.measure.spectra import measure_paths


@dataclass(frozen=True)
class Measurement:
    """What was measured at one epoch: few scalars under flat keys, and arrays for the npz."""

    epoch: int
    metrics: dict[str, float]
    arrays: dict[str, np.ndarray]


def measure(
    model: nn.Module, data: Data, probes: Probes, *, config: TrialConfig, epoch: int, noise: LabelNoise | None = None
) -> Measurement:
    """Measure generalization, function frequency and the fit of label noise of `model` in evaluation mode.

    Metrics: `generalization/{train|validation|test}_{accuracy|loss}`, `generalization/gap`,
    `generalization/test_accuracy/no_probe`, `frequency/{within_class|between_class}` where the config asks for
    paths, `noise_fitting/{value|normalised|noisy_test_loss|noisy_train_loss}` with `noise`. Arrays: class accuracies,
    and per kind of path the pairs, lengths, shares and the mean amplitude spectrum. The model's weights, buffers and
    modes and torch's random streams are as before. Raises FloatingPointError on an output that is not finite.
    """
    metrics: dict[str, float] = {}
    arrays: dict[str, np.ndarray] = {}
    with evaluating(model, config) as predict:
        outcomes = evaluate(predict, data, batch_size=config.measure_batch)
        parts = [measure_generalization(outcomes, data, probes)]
        if noise is not None:
            parts.append(measure_noise_fitting(outcomes, data, noise))
        if config.probe_pairs:
            parts.append(measure_paths(predict, data, probes, batch_size=config.measure_batch))
        for found in parts:
            metrics |= found[0]
            arrays |= found[1]
    return Measurement(epoch, metrics, arrays)


@contextmanager
def evaluating(model: nn.Module, config: TrialConfig) -> Iterator[Callable[[Tensor], Tensor]]:
    """Give a function from normalised images (B, 3, H, W) to logits (B, classes) in float32; modes are put back."""
    modes = [(module, module.training) for module in model.modules()]

    def predict(images: Tensor) -> Tensor:
        with torch.autocast(config.device, torch.bfloat16, enabled=config.precision == "bf16"):
            logits = model(images.contiguous(memory_format=getattr(torch, config.memory_format))).float()
        if not logits.isfinite().all():
            raise FloatingPointError("the network's output is not finite")
        return logits

    model.eval()
    try:
        with torch.inference_mode():
            yield predict
    finally:
        for module, training in modes:
            module.training = training

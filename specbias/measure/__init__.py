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
from specbias.measure.generalization import measure_generalization
from specbias.measure.paths import Probes
from specbias.measure.spectra import measure_paths


@dataclass(frozen=True)
class Measurement:
    """What was measured at one epoch: few scalars under flat keys, and arrays for the npz."""

    epoch: int
    metrics: dict[str, float]
    arrays: dict[str, np.ndarray]


def measure(model: nn.Module, data: Data, probes: Probes, *, config: TrialConfig, epoch: int) -> Measurement:
    """Measure generalization and function frequency of `model` in evaluation mode.

    Metrics: `generalization/{train|validation|test}_{accuracy|loss}`, `generalization/gap`,
    `generalization/test_accuracy/no_probe`, `frequency/{within_class|between_class}`. Arrays: per-class accuracies,
    and per kind of path the pairs, lengths, shares and the mean amplitude spectrum. The model's weights, buffers and
    modes and torch's random streams are as before. Raises FloatingPointError on an output that is not finite.
    """
    metrics: dict[str, float] = {}
    arrays: dict[str, np.ndarray] = {}
    with evaluating(model, config) as predict:
        for found in (
            measure_generalization(predict, data, probes, batch_size=config.measure_batch),
            measure_paths(predict, data, probes, batch_size=config.measure_batch),
        ):
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

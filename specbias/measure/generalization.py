"""How well does the network do on images it was trained on, and on images it was not?"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from specbias.data import Data, Split
from specbias.measure.paths import Probes


class Outcome(NamedTuple):
    """What came of each image of a split (N,): its losses are cross-entropies in nats."""

    loss: Tensor  # against its label
    uniform_loss: Tensor  # against all classes alike
    correct: Tensor  # whether the prediction is its label


def measure_generalization(
    outcomes: Mapping[str, Outcome], data: Data, probes: Probes
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return accuracies, mean cross-entropies (nats) and the accuracy gap, with accuracies per class as arrays.

    `outcomes` are those of `evaluate`. gap = training accuracy - test accuracy. `test_accuracy/no_probe` is over the
    test images from which no probe is ever drawn, so that a correlation with function frequency cannot come from
    shared images.
    """
    metrics: dict[str, float] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, outcome in outcomes.items():
        split: Split = getattr(data, name)
        correct = outcome.correct
        metrics[f"generalization/{name}_accuracy"] = correct.double().mean().item()
        metrics[f"generalization/{name}_loss"] = outcome.loss.double().mean().item()
        counts = torch.bincount(split.labels, minlength=data.num_classes)
        hits = torch.bincount(split.labels[correct], minlength=data.num_classes)
        arrays[f"generalization/{name}_accuracy_per_class"] = (hits / counts).cpu().numpy()
    supply = probes.supply.to(data.test.labels.device)
    no_probe = outcomes["test"].correct[~supply]
    metrics["generalization/test_accuracy/no_probe"] = no_probe.double().mean().item()
    metrics["generalization/gap"] = metrics["generalization/train_accuracy"] - metrics["generalization/test_accuracy"]
    return metrics, arrays


def evaluate(predict: Callable[[Tensor], Tensor], data: Data, *, batch_size: int) -> dict[str, Outcome]:
    """Return the outcome of every split as it is, without augmentation.

    An empty split (validation of a legacy split) is left out.
    """
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    return {
        name: _evaluate(predict, split, data, batch_size=batch_size)
        for name, split in splits.items()
        if len(split.labels)
    }


def _evaluate(predict: Callable[[Tensor], Tensor], split: Split, data: Data, *, batch_size: int) -> Outcome:
    outcomes = []
    for images, labels in zip(split.images.split(batch_size), split.labels.split(batch_size), strict=True):
        logits = predict(data.normalise(images))
        loss = cross_entropy(logits, labels, reduction="none")
        outcomes.append(Outcome(loss, -logits.log_softmax(dim=1).mean(dim=1), logits.argmax(dim=1) == labels))
    return Outcome(*(torch.cat(parts) for parts in zip(*outcomes, strict=True)))

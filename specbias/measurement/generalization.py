"""How well does the network do on images it was trained on, and on images it was not?"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from specbias.data import Data, Split


class Outcome(NamedTuple):
    """What came of each image of a split (N,): its losses are cross-entropies in nats."""

    loss: Tensor  # against its label
    uniform_loss: Tensor  # against all classes alike
    correct: Tensor  # whether the prediction is its label


def evaluate(predict: Callable[[Tensor], Tensor], split: Split, data: Data, *, batch_size: int) -> Outcome:
    """Evaluate every image of `split`, without augmentation; FloatingPointError on an output that is not finite."""
    outcomes = []
    for images, labels in zip(split.images.split(batch_size), split.labels.split(batch_size), strict=True):
        logits = predict(data.normalise(images))
        loss = cross_entropy(logits, labels, reduction="none")
        outcomes.append(Outcome(loss, -logits.log_softmax(dim=1).mean(dim=1), logits.argmax(dim=1) == labels))
    found = Outcome(*(torch.cat(parts) for parts in zip(*outcomes, strict=True)))
    if not (found.loss + found.uniform_loss).isfinite().all():
        raise FloatingPointError("the network's output is not finite")
    return found


def measure_generalization(
    outcomes: Mapping[str, Outcome], data: Data, supply: Tensor | None
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return accuracies, mean cross-entropies (nats) and the accuracy gap, with accuracies per class as arrays.

    `outcomes` are those of each split, by its name. gap = training accuracy - test accuracy. With `supply` (test
    images,), `test_accuracy/no_probe` is over the test images from which no probe is ever drawn, so that a correlation
    with function frequency cannot come from shared images; left out where there is none. The extra split's loss is an
    array, not a metric.
    """
    metrics: dict[str, float] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, outcome in outcomes.items():
        split: Split = getattr(data, name)
        metrics[f"generalization/{name}_accuracy"] = outcome.correct.double().mean().item()
        metrics[f"generalization/{name}_loss"] = outcome.loss.double().mean().item()
        counts = torch.bincount(split.labels, minlength=data.num_classes)
        hits = torch.bincount(split.labels[outcome.correct], minlength=data.num_classes)
        arrays[f"generalization/{name}_images_per_class"] = counts.cpu().numpy()
        arrays[f"generalization/{name}_accuracy_per_class"] = (hits / counts.clamp(min=1)).cpu().numpy()
    if "extra" in outcomes:
        arrays["generalization/extra_loss"] = np.array(metrics.pop("generalization/extra_loss"))
    if supply is not None and not supply.all():
        unused = outcomes["test"].correct[~supply.to(outcomes["test"].correct.device)]
        metrics["generalization/test_accuracy/no_probe"] = unused.double().mean().item()
    metrics["generalization/gap"] = metrics["generalization/train_accuracy"] - metrics["generalization/test_accuracy"]
    return metrics, arrays

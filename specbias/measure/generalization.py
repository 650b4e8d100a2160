"""How well does the network do on images it was trained on, and on images it was not?"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from specbias.data import Data, Split


class Evaluation(NamedTuple):
    """For the N images of a split: the cross-entropy (N,) in nats and whether the prediction is right (N,)."""

    losses: Tensor
    correct: Tensor


def evaluate(predict: Callable[[Tensor], Tensor], split: Split, data: Data, *, batch_size: int) -> Evaluation:
    """Evaluate every image of `split`, without augmentation; FloatingPointError on an output that is not finite."""
    losses, correct = [], []
    for images, labels in zip(split.images.split(batch_size), split.labels.split(batch_size), strict=True):
        logits = predict(data.normalise(images))
        losses.append(cross_entropy(logits, labels, reduction="none"))
        correct.append(logits.argmax(dim=1) == labels)
    found = Evaluation(torch.cat(losses), torch.cat(correct))
    if not found.losses.isfinite().all():
        raise FloatingPointError("the network's output is not finite")
    return found


def measure_generalization(
    found: dict[str, Evaluation], data: Data, supply: Tensor | None
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return accuracies, mean cross-entropies (nats) and the accuracy gap, with accuracies per class as arrays.

    `found` has the evaluation of each split by its name. gap = training accuracy - test accuracy. With `supply` (test
    images,), `test_accuracy/no_probe` is over the test images from which no probe is drawn, so that a correlation with
    function frequency cannot come from shared images. The extra split's loss is an array, not a metric.
    """
    metrics: dict[str, float] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, (losses, correct) in found.items():
        split: Split = getattr(data, name)
        metrics[f"generalization/{name}_accuracy"] = correct.double().mean().item()
        metrics[f"generalization/{name}_loss"] = losses.double().mean().item()
        counts, hits = (
            torch.bincount(labels, minlength=data.num_classes) for labels in (split.labels, split.labels[correct])
        )
        per_class = torch.where(counts > 0, hits / counts, float("nan"))
        arrays[f"generalization/{name}_accuracy_per_class"] = per_class.cpu().numpy()
    if "extra" in found:
        arrays["generalization/extra_loss"] = np.array(metrics.pop("generalization/extra_loss"))
    if supply is not None:
        unused = found["test"].correct[~supply.to(found["test"].correct.device)]
        metrics["generalization/test_accuracy/no_probe"] = unused.double().mean().item()
    metrics["generalization/gap"] = metrics["generalization/train_accuracy"] - metrics["generalization/test_accuracy"]
    return metrics, arrays

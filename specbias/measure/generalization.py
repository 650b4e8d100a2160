"""How well does the network do on images it was trained on, and on images it was not?"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from specbias.data import Data, Split
from specbias.measure.paths import Probes


def measure_generalization(
    predict: Callable[[Tensor], Tensor], data: Data, probes: Probes, *, batch_size: int
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return accuracies, mean cross-entropies (nats) and the accuracy gap, with accuracies per class as arrays.

    The training split is measured as it is, without augmentation. gap = training accuracy - test accuracy.
    `test_accuracy/no_probe` is over the test images from which no probe is ever drawn, so that a correlation with
    function frequency cannot come from shared images. An empty split (validation of a legacy split) is left out.
    """
    metrics: dict[str, float] = {}
    arrays: dict[str, np.ndarray] = {}
    for name in ("train", "validation", "test"):
        split: Split = getattr(data, name)
        if not len(split.labels):
            continue
        losses, correct = evaluate(predict, split, data, batch_size=batch_size)
        metrics[f"generalization/{name}_accuracy"] = correct.double().mean().item()
        metrics[f"generalization/{name}_loss"] = losses.double().mean().item()
        counts = torch.bincount(split.labels, minlength=data.num_classes)
        hits = torch.bincount(split.labels[correct], minlength=data.num_classes)
        arrays[f"generalization/{name}_accuracy_per_class"] = (hits / counts).cpu().numpy()
        if name == "test":
            supply = probes.supply.to(correct.device)
            metrics["generalization/test_accuracy/no_probe"] = correct[~supply].double().mean().item()
    metrics["generalization/gap"] = metrics["generalization/train_accuracy"] - metrics["generalization/test_accuracy"]
    return metrics, arrays


def evaluate(
    predict: Callable[[Tensor], Tensor], split: Split, data: Data, *, batch_size: int
) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy (N,) and whether the prediction is right (N,) for every image of `split`."""
    losses, correct = [], []
    for images, labels in zip(split.images.split(batch_size), split.labels.split(batch_size), strict=True):
        logits = predict(data.normalise(images))
        losses.append(cross_entropy(logits, labels, reduction="none"))
        correct.append(logits.argmax(dim=1) == labels)
    return torch.cat(losses), torch.cat(correct)

"""What do published networks have, and where does one stand among them? The values of the RobustNets release.

447 networks (Conv8, ResNet-18 and VGG-16, pruned in many ways or not, trained on clean, AugMix or noisy images) of
"Models Out of Line" (Fridovich-Keil et al., NeurIPS 2022), of CIFAR-10 and measured as here by default: the released
high-frequency share of paths between test images, a sample per unit of normalised L2 distance; 200 random pairs per
class and per pair of classes.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

MEASURED_AS = {"dataset": "cifar10", "split": "test", "spacing": 1.0, "path_samples": None, "signal": "probabilities"}
MEASURED_AS |= {"labels": None, "answers": 1}
NEAR = 0.01  # of an accuracy: networks as accurate
FEW = 5  # of these say nothing


class Published(NamedTuple):
    """Test accuracies (447,), as shares, and the mean released shares of both kinds of paths."""

    accuracy: np.ndarray
    within_class: np.ndarray
    between_class: np.ndarray


@functools.cache
def published() -> Published:
    """Return the values of all networks, to the fourth digit."""
    table = np.loadtxt(
        Path(__file__).with_name("published.csv"), delimiter=",", skiprows=4, usecols=(1, 2, 3), unpack=True
    )
    return Published(*table)


def is_comparable(record: Mapping[str, Any]) -> bool:
    """Tell whether a network was measured as the published ones were, by the settings in its record."""
    settings = record["settings"]
    return all(settings.get(name) == value for name, value in MEASURED_AS.items())


def standing(record: Mapping[str, Any]) -> str:
    """Say in one line where a network stands among the published ones as accurate; "" where it was measured otherwise.

    They are those whose accuracy is at most NEAR from its own; where that are fewer than FEW, the line through the
    within-class shares of all stands for them.
    """
    if not is_comparable(record):
        return ""
    them = published()
    near = np.abs(them.accuracy - record["accuracy"]) <= NEAR
    low, high = them.accuracy.min(), them.accuracy.max()
    if not low - NEAR <= record["accuracy"] <= high + NEAR:
        return f"none of 447 published networks (RobustNets), of accuracy {low:.3f} to {high:.3f}, is as accurate"
    if near.sum() < FEW:
        there = np.polyval(np.polyfit(them.accuracy, them.within_class, 1), record["accuracy"])
        return (
            "few of 447 published networks (RobustNets) are as accurate: the line through all has a share of "
            f"{there:.3f} within; between they have {them.between_class.min():.3f} to {them.between_class.max():.3f}"
        )
    said = []
    for kind in ("within_class", "between_class"):
        values, own = getattr(them, kind)[near], record[kind]["high_frequency_share"]
        low, middle, high = np.percentile(values, (5, 50, 95))
        below = (values < own).mean()
        kind = kind.removesuffix("_class")
        said.append(f"{kind} {middle:.3f} ({low:.3f} to {high:.3f}), {below:.0%} lower than here")
    return f"as accurate are {near.sum()} of 447 published networks (RobustNets), median share {'; '.join(said)}"

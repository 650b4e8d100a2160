"""How far has the network fitted the wave on its labels? Seen on test images, whose labels it was never shown.

Noise fitting of "Spectral Bias in Practice" (section 2): the clean loss (one-hot labels) less the noisy loss (labels
with the wave), both on the test images, without weight decay. It is negative and depends on the strength, so the
paper compares its minimum over training at one strength. It differs from the paper's code in taking both losses from
the test images, and all of them. The normalised form is 0 for the best that can be done without seeing the wave, a
constant smoothing, and 1 for the wave itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from specbias.data import Data
from specbias.measurement.generalization import Outcome
from specbias.training.label_noise import LabelNoise

BATCH = 256  # images over which a batch's mean of the wave is taken when measuring, as in the paper's code
FINEST = 1e-6  # nats: what single precision can tell apart; a wave worth less has no normalised fit


class Losses(NamedTuple):
    """Mean cross-entropies in nats, against one-hot labels and against those with the wave."""

    clean: float
    noisy: float


def measure_noise_fitting(
    outcomes: Mapping[str, Outcome], data: Data, noise: LabelNoise
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return noise fitting, its normalised form and the noisy losses, over the images the noise is for.

    That is all images, or those of the noise's one class. The training images are as they are, without augmentation.
    The normalised form is left out where there is nothing to fit: uniform noise, or a wave all but flat on the images.
    With them, how many cycles of the wave a standard deviation of the training images spans.
    """
    smoothing = {name: _smoothing(noise, name) for name in ("train", "test")}
    chosen = {
        name: slice(None) if noise.only is None else getattr(data, name).labels == noise.only for name in smoothing
    }
    train, test = (_losses(outcomes[name], smoothing[name], chosen[name]) for name in smoothing)
    share = smoothing["test"][chosen["test"]]
    constant = losses_of_smoothing(share, share.mean(), num_classes=data.num_classes)
    perfect = losses_of_smoothing(share, share, num_classes=data.num_classes)
    metrics = {
        "noise_fitting/value": test.clean - test.noisy,
        "noise_fitting/noisy_test_loss": test.noisy,
        "noise_fitting/noisy_train_loss": train.noisy,
        "noise_fitting/frequency_times_std": noise.frequency_times_std,
    }
    if constant.noisy - perfect.noisy > FINEST:
        metrics["noise_fitting/normalised"] = (constant.noisy - test.noisy) / (constant.noisy - perfect.noisy)
    arrays = {
        "noise_fitting/best_constant": np.array(constant),
        "noise_fitting/perfect": np.array(perfect),
    }
    return metrics, arrays


def losses_of_smoothing(smoothing: Tensor, predicted: Tensor, *, num_classes: int) -> Losses:
    """Return the losses of a predictor that smooths every right label by `predicted` where `smoothing` (N,) is true.

    With smoothing's mean for `predicted` it is the best constant, with `smoothing` itself the perfect fit.
    """
    moved, predicted_moved = (share * (num_classes - 1) / num_classes for share in (smoothing, predicted))
    log_right, log_wrong = torch.log1p(-predicted_moved), torch.log(predicted / num_classes)
    wrong = torch.where(moved > 0, moved * log_wrong, 0.0)  # nothing moved costs nothing, even if none is predicted
    return Losses(-log_right.mean().item(), -((1 - moved) * log_right + wrong).mean().item())


def _smoothing(noise: LabelNoise, split: str) -> Tensor:
    places: Tensor = getattr(noise, split)
    return torch.cat([noise.smoothing_at(part) for part in places.split(BATCH)])


def _losses(outcome: Outcome, smoothing: Tensor, chosen: Tensor | slice) -> Losses:
    clean, uniform = outcome.loss.double(), outcome.uniform_loss.double()
    noisy = (1 - smoothing) * clean + smoothing * uniform
    return Losses(clean[chosen].mean().item(), noisy[chosen].mean().item())

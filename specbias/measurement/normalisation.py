"""Which input does a network expect? From the data set's normalised space to the network's, and a check by accuracy.

There are two normalisations. The data set's own is the space of paths and distances (Data.mean, Data.std). The
network's is what it was trained with (input_mean, input_std); it changes what the network sees, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from specbias.data import Data
from specbias.data.datasets import CIFAR_MEAN, CIFAR_STD, IMAGENET_MEAN, IMAGENET_STD, Channels
from specbias.measurement.paths import Predict

COMMON: dict[str, tuple[Channels, Channels]] = {  # what a network divides by and subtracts, mostly
    "0 to 1": ((0.0,) * 3, (1.0,) * 3),
    "-1 to 1": ((0.5,) * 3, (0.5,) * 3),
    "ImageNet's": (IMAGENET_MEAN, IMAGENET_STD),
    "CIFAR-10's": (CIFAR_MEAN, CIFAR_STD),
    "CIFAR-10's as in pytorch-cifar": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "0 to 255": ((0.0,) * 3, (1 / 255,) * 3),
}
RAISED = 0.05  # accuracy that another normalisation must add before it is mentioned


def expected_input(
    own_mean: Sequence[float],
    own_std: Sequence[float],
    mean: Sequence[float],
    std: Sequence[float],
    device: str | torch.device,
) -> Callable[[Tensor], Tensor]:
    """Return the way from the data set's normalised space to that of a network, each by its channel constants."""
    if tuple(own_mean) == tuple(mean) and tuple(own_std) == tuple(std):
        return lambda images: images
    constants = (torch.tensor(tuple(each)).view(1, 3, 1, 1).to(device) for each in (own_mean, own_std, mean, std))
    from_mean, from_std, to_mean, to_std = constants
    scale, shift = from_std / to_std, (from_mean - to_mean) / to_std
    return lambda images: images * scale + shift


def better_normalisation(
    logits: Predict, data: Data, images: Tensor, labels: Tensor, mean: Channels, std: Channels
) -> str | None:
    """Return a line on the common normalisation that would raise accuracy most, if one would by much; else None.

    `logits` is a function of images in the network's own space, `mean` and `std` what is taken for that now. By much is
    at least RAISED on these images (B, 3, H, W) in uint8, and three standard errors of the paired difference.
    """
    pixels = images.float().div(255)

    def hits(mean: Channels, std: Channels) -> Tensor:
        shift, scale = (pixels.new_tensor(constants).view(1, 3, 1, 1) for constants in (mean, std))
        return (logits((pixels - shift) / scale).argmax(1) == labels).double()

    now = hits(mean, std)
    if now.mean() > 1 - RAISED:
        return None
    candidates = COMMON | {"the data set's own": (data.mean, data.std)}
    found = {name: hits(*constants) for name, constants in candidates.items() if constants != (mean, std)}
    best = max(found, key=lambda name: float(found[name].sum()))
    gained = found[best] - now
    if gained.mean() < RAISED or gained.sum() < 3 * gained.square().sum().sqrt():
        return None
    flags = (f"{name} " + " ".join(f"{value:.5g}" for value in each) for name, each in _flags(*candidates[best]))
    return (
        f"accuracy on {len(labels)} images would be {found[best].mean():.3f} instead of {now.mean():.3f} with the "
        f"normalisation {best}: is it {' '.join(flags)}?"
    )


def _flags(mean: Channels, std: Channels) -> tuple[tuple[str, Channels], ...]:
    return ("--input-mean", mean), ("--input-std", std)

"""What happens to a batch between the data and the loss? One function per intervention, applied in one order.

An intervention is build(config) -> f(images, targets, generator) -> (images, targets). Images (B, 3, H, W) are in the
data set's normalised space, where 0 is the mean colour; targets (B, classes) are rows of probabilities. Its strength
is the config field of its own name; strength 0 is the identity and draws nothing. Inputs are never written to.
Random numbers come from the CPU generator given, a stream of the intervention's own, so that the same seeds give the
same augmentation on every device.
"""

from collections.abc import Callable

import torch
from scipy.special import betaincinv
from torch import Tensor
from torch.nn.functional import pad

from specbias.config import TrialConfig

Batch = tuple[Tensor, Tensor]
Intervention = Callable[[Tensor, Tensor, torch.Generator], Batch]


def unchanged(images: Tensor, targets: Tensor, generator: torch.Generator) -> Batch:
    """Return the batch as it is: every intervention at strength 0."""
    return images, targets


def mixup(config: TrialConfig) -> Intervention:
    """Mix each image and target with those of another (Zhang et al. 2018; "Spectral Bias in Practice", section 4).

    One weight ~ Beta(alpha, alpha) per batch, the partner a random permutation, as in the paper's code.
    """
    alpha = config.mixup

    def apply(images: Tensor, targets: Tensor, generator: torch.Generator) -> Batch:
        quantile = torch.rand((), dtype=torch.float64, generator=generator).item()
        weight = float(betaincinv(alpha, alpha, quantile))
        partner = torch.randperm(len(images), generator=generator).to(images.device)
        return torch.lerp(images[partner], images, weight), torch.lerp(targets[partner], targets, weight)

    return apply if alpha else unchanged


def flip_crop(config: TrialConfig) -> Intervention:
    """Flip left to right with probability one half and crop at random from the zero-padded image.

    Offsets are uniform on 0..2*padding; the paper's code leaves out the last one.
    """
    padding = config.flip_crop

    def apply(images: Tensor, targets: Tensor, generator: torch.Generator) -> Batch:
        count, _, height, width = images.shape
        flipped = (torch.rand(count, generator=generator) < 0.5).to(images.device)
        top, left = torch.randint(2 * padding + 1, (2, count, 1), generator=generator).to(images.device)
        rows = top + torch.arange(height, device=images.device)
        columns = left + torch.arange(width, device=images.device)
        columns = torch.where(flipped[:, None], columns.flip(1), columns)
        padded = pad(images, (padding,) * 4)
        image = torch.arange(count, device=images.device)[:, None, None]
        return padded.permute(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2), targets

    return apply if padding else unchanged


def cutout(config: TrialConfig) -> Intervention:
    """Set a square to zero, its centre uniform over the image, clipped at the borders (DeVries & Taylor 2017)."""
    side = config.cutout

    def apply(images: Tensor, targets: Tensor, generator: torch.Generator) -> Batch:
        inside = []
        for size in images.shape[2:]:
            start = torch.randint(size, (len(images), 1), generator=generator) - side // 2
            place = torch.arange(size)
            inside.append((start <= place) & (place < start + side))
        hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
        return images.masked_fill(hole.to(images.device), 0.0), targets

    return apply if side else unchanged


def label_smoothing(config: TrialConfig) -> Intervention:
    """Move a share of each target evenly onto all classes: (1 - a) y + a / C ("Spectral Bias in Practice", 2.2)."""
    share = config.label_smoothing

    def apply(images: Tensor, targets: Tensor, generator: torch.Generator) -> Batch:
        return images, (1 - share) * targets + share / targets.shape[1]

    return apply if share else unchanged


# In the order of application: batch mixing, flip and crop, cutout, and the labels last.
INTERVENTIONS = {
    "mixup": mixup,
    "flip_crop": flip_crop,
    "cutout": cutout,
    "label_smoothing": label_smoothing,
}


def build_interventions(config: TrialConfig) -> dict[str, Intervention]:
    """Return name -> function for every intervention, in the order of application."""
    return {name: build(config) for name, build in INTERVENTIONS.items()}

"""How are two images of a batch made into one, with their labels? mixup and CutMix."""

import torch
from scipy.special import betaincinv
from torch import Tensor

from specbias.settings.config import TrialConfig
from specbias.training.batch import Batch, Intervention, unchanged


def mixup(config: TrialConfig) -> Intervention:
    """Mix each image and target with those of another (Zhang et al. 2018; "Spectral Bias in Practice", section 4).

    One weight ~ Beta(alpha, alpha) per batch, the partner a random permutation, as in the paper's code.
    """
    alpha = config.mixup

    def mix(images: Tensor, targets: Tensor, generator: torch.Generator) -> Batch:
        weight = _beta(alpha, generator)
        partner = torch.randperm(len(images), generator=generator).to(images.device)
        return torch.lerp(images[partner], images, weight), torch.lerp(targets[partner], targets, weight)

    return _some_batches(mix, config.mixing_probability) if alpha else unchanged


def cutmix(config: TrialConfig) -> Intervention:
    """Paste the same box of another image into each, and as much of its target as of its area (Yun et al. 2019).

    One box per batch: a share 1 - weight of the image, weight ~ Beta(alpha, alpha), its centre uniform, clipped at the
    borders; the partner a random permutation. Unless it comes last, crop and cutout hide parts of what the target says.
    """
    alpha = config.cutmix

    def mix(images: Tensor, targets: Tensor, generator: torch.Generator) -> Batch:
        share = (1 - _beta(alpha, generator)) ** 0.5
        box = []
        for size in images.shape[2:]:
            centre, half = int(torch.randint(size, (), generator=generator)), int(size * share) // 2
            box.append(slice(max(0, centre - half), min(size, centre + half)))
        partner = torch.randperm(len(images), generator=generator).to(images.device)
        mixed = images.clone()
        mixed[:, :, box[0], box[1]] = images[partner, :, box[0], box[1]]
        kept = 1 - images[0, 0, box[0], box[1]].numel() / images[0, 0].numel()
        return mixed, torch.lerp(targets[partner], targets, kept)

    return _some_batches(mix, config.mixing_probability) if alpha else unchanged


def _some_batches(mix: Intervention, probability: float) -> Intervention:
    """Return the intervention that mixes a batch with that probability; where it is 1 nothing is drawn for it."""

    def apply(images: Tensor, targets: Tensor, generator: torch.Generator) -> Batch:
        left_out = probability < 1 and _uniform(generator) >= probability
        return (images, targets) if left_out else mix(images, targets, generator)

    return apply


def _beta(alpha: float, generator: torch.Generator) -> float:
    """Draw from Beta(alpha, alpha)."""
    return float(betaincinv(alpha, alpha, _uniform(generator)))


def _uniform(generator: torch.Generator) -> float:
    return torch.rand((), dtype=torch.float64, generator=generator).item()

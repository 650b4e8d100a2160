"""What is added to the loss to hold the function itself? Regularisers: penalty(model, images) -> a scalar to minimise.

A penalty is build(config) -> f(model, images, targets, generator) -> scalar tensor, times its strength, the config
field of its own name; strength 0 leaves it out and draws nothing. The network is in evaluation mode meanwhile: it is
the function that is measured which is held, and running statistics are of training images alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from specbias.settings.config import TrialConfig

Penalty = Callable[[nn.Module, Tensor, Tensor, torch.Generator], Tensor]
POWER_STEPS = 5


def spectral_penalty(config: TrialConfig) -> Penalty:
    """Half the sum over layers of the squared largest singular value of the weight matrix (Yoshida & Miyato 2017).

    A kernel is a matrix of its output channels by all else. Five power iterations from a random vector.
    """
    strength = config.spectral_penalty

    def penalty(model: nn.Module, images: Tensor, targets: Tensor, generator: torch.Generator) -> Tensor:
        matrices = [p.flatten(1) for p in model.parameters() if p.ndim > 1]
        return strength / 2 * torch.stack([_largest_singular_value(m, generator).square() for m in matrices]).sum()

    return penalty


def _largest_singular_value(matrix: Tensor, generator: torch.Generator) -> Tensor:
    with torch.no_grad():
        right = torch.randn(matrix.shape[1], generator=generator).to(matrix)
        for _ in range(POWER_STEPS):
            left = nn.functional.normalize(matrix @ right, dim=0)
            right = nn.functional.normalize(matrix.T @ left, dim=0)
    return left @ matrix @ right


def jacobian_penalty(config: TrialConfig) -> Penalty:
    """Half the mean squared Frobenius norm of the Jacobian of logits by image (Hoffman, Roberts & Yaida 2019).

    Estimated from one random direction in the space of logits per image, as in their code.
    """
    strength = config.jacobian_penalty

    def penalty(model: nn.Module, images: Tensor, targets: Tensor, generator: torch.Generator) -> Tensor:
        images = images.detach().requires_grad_()
        with _evaluating(model):
            logits = model(images).float()
        direction = torch.randn(logits.shape, generator=generator)
        direction = (direction / direction.norm(dim=1, keepdim=True)).to(logits.device)
        (gradient,) = torch.autograd.grad((logits * direction).sum(), images, create_graph=True)
        return strength / 2 * logits.shape[1] * gradient.float().square().sum() / len(images)

    return penalty


def path_penalty(config: TrialConfig) -> Penalty:
    """How far the class probabilities move (L1) over one unit of distance on a path between two images of one class.

    Ours: the direct lever on the measured function. One random place on the straight path from each image to another
    of its class in the batch; over batches an unbiased estimate of what `frequency/within_class/total_variation`
    measures. Images without a partner, or closer than one unit to it, do not count.
    """
    strength = config.path_penalty

    def penalty(model: nn.Module, images: Tensor, targets: Tensor, generator: torch.Generator) -> Tensor:
        partner = _partners(targets.argmax(dim=1).cpu(), generator).to(images.device)
        way = images[partner] - images
        distance = way.flatten(1).norm(dim=1)
        share = torch.rand(len(images), generator=generator).to(images.device)
        start = share * (distance - 1).clamp(min=0)
        places = torch.cat([start, start + 1]) / distance.clamp(min=1).repeat(2)
        with _evaluating(model):
            probabilities = model(images.repeat(2, 1, 1, 1) + places.view(-1, 1, 1, 1) * way.repeat(2, 1, 1, 1))
        before, after = probabilities.float().softmax(dim=1).chunk(2)
        counts = distance > 1
        return strength * ((after - before).abs().sum(dim=1) * counts).sum() / counts.sum().clamp(min=1)

    return penalty


def _partners(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return for each image (B,) another of its class in the batch, in a random circle; itself if there is none."""
    order = torch.randperm(len(labels), generator=generator)
    order = order[labels[order].argsort(stable=True)]
    own = labels[order]
    starts = torch.searchsorted(own, own)
    ends = torch.searchsorted(own, own, right=True)
    following = torch.arange(1, len(order) + 1)
    partner = torch.empty_like(order)
    partner[order] = order[torch.where(following < ends, following, starts)]
    return partner


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


PENALTIES = {
    "spectral_penalty": spectral_penalty,
    "jacobian_penalty": jacobian_penalty,
    "path_penalty": path_penalty,
}


def build_penalties(config: TrialConfig) -> dict[str, Penalty]:
    """Return name -> function for every penalty of the trial that has a strength."""
    return {name: build(config) for name, build in PENALTIES.items() if getattr(config, name)}

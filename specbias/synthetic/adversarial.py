"""How does an image become an adversarial of a class? Small steps uphill until the network takes it for one of it."""

from __future__ import annotations

import torch
from torch import Tensor

from specbias.synthetic.classifier import Classifier, class_margin
from specbias.synthetic.config import ClassPathsConfig


def make_adversarials(
    classifier: Classifier, starts: Tensor, classes: Tensor, *, config: ClassPathsConfig
) -> tuple[Tensor, Tensor]:
    """Return points that are taken for the asked class each, and whether that came about: (B, D) and (B,) of bool.

    Targeted projected gradient descent (Madry et al. 2018) in L2: steps of one length along the gradient of the class's
    margin, kept within the radius around the start and within the box of valid points. A point stays where it first
    leads by `attack_margin`; a start that does already is returned as it is.
    """
    points, going = starts.clone(), torch.arange(len(starts), device=starts.device)
    for step in range(config.attack_steps + 1):
        margins, gradients = classifier.gradients(class_margin, points[going], classes[going])
        behind = margins <= config.attack_margin
        going, gradients = going[behind], gradients[behind]
        if step == config.attack_steps or not len(going):
            break
        offsets = points[going] + _scaled(gradients, config.attack_step) - starts[going]
        shrink = (config.attack_radius / offsets.norm(dim=1, keepdim=True)).clamp(max=1)
        points[going] = classifier.clamp(starts[going] + offsets * shrink)
    reached = torch.ones(len(starts), dtype=torch.bool, device=starts.device)
    reached[going] = False
    return points, reached


def _scaled(vectors: Tensor, length: float) -> Tensor:
    """Return the vectors (B, D) with that length each; zeros stay zeros."""
    return torch.nn.functional.normalize(vectors, dim=1) * length

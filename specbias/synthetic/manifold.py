"""Are high frequencies easier to learn where the data lie on a more wound curve? Experiments 5 and 6, on a flower."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from specbias.synthetic.config import ClassificationConfig, ManifoldConfig
from specbias.synthetic.networks import Networks
from specbias.synthetic.sinusoids import grid, phases, sines, sines_task
from specbias.synthetic.training import Task, Values

MAP_EXTENT, MAP_SIZE = 1.6, 200  # of the square around the flower on which the learned function is drawn (figure 7)


def build_manifold(config: ManifoldConfig) -> Task:
    """Return the task of sines along the flower (Rahaman et al. 2019, experiment 5)."""
    return sines_task(config, flower(grid(config.samples), config.petals))


def flower(z: Tensor, petals: int) -> Tensor:
    """Return R(z) (cos 2 pi z, sin 2 pi z) with R(z) = 1 + sin(2 pi petals z) / 2, for z (N,): (N, 2)."""
    radius = 1 + 0.5 * torch.sin(2 * math.pi * petals * z)
    angle = 2 * math.pi * z
    return radius.unsqueeze(-1) * torch.stack((angle.cos(), angle.sin()), dim=-1)


def classes_on_flower(config: ClassificationConfig, *, shift: float = 0.0) -> tuple[Tensor, Tensor]:
    """Return places on the flower (N, 2) and whether the run's sine is above 0 there (runs, N), as 0 and 1.

    Places are those of the grid, or `shift` of its distances further on. The paper's text says 0.5 for the threshold,
    its notebook takes 0: so here.
    """
    z = grid(config.samples) + shift / config.samples
    signal = sines(z, torch.tensor([config.frequency]), torch.ones(1, dtype=torch.float64), phases(config, 1))
    return flower(z, config.petals), (signal > 0).double()


def build_classification(config: ClassificationConfig) -> Task:
    """Return the task of classes along the flower (Rahaman et al. 2019, experiment 6).

    Recorded: `loss`, the cross-entropy, and `accuracy` on the training samples; `majority_share` (runs,) is what a
    constant gets. After the last update `map` (runs, MAP_SIZE, MAP_SIZE) is the probability of class 1 on a square
    around the flower, rows from below.
    """
    places, classes = classes_on_flower(config)
    inputs = places.unsqueeze(0).float().to(config.device)
    targets = classes.float().to(config.device)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(outputs, targets, reduction="none").mean(dim=-1)

    def record(networks: Networks, outputs: Tensor) -> Values:
        right = (outputs > 0) == (targets > 0)
        return {"loss": loss(outputs, targets), "accuracy": right.double().mean(dim=-1)}

    def finish(networks: Networks) -> Values:
        square = map_places().unsqueeze(0).float().to(config.device)
        return {"map": networks(square).sigmoid().reshape(config.runs, MAP_SIZE, MAP_SIZE)}

    share = classes.mean(dim=-1)
    facts = {"inputs": places.numpy(), "targets": classes.numpy()}
    facts["majority_share"] = torch.maximum(share, 1 - share).numpy()
    return Task(inputs, targets, loss, record, finish=finish, facts=facts)


def map_places() -> Tensor:
    """Return the places of the square on which functions are drawn (MAP_SIZE ** 2, 2), a row of equal y together."""
    line = torch.from_numpy(np.linspace(-MAP_EXTENT, MAP_EXTENT, MAP_SIZE))
    return torch.cartesian_prod(line, line).flip(-1)

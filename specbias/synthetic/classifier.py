"""What is a trained network to points in its input space? Values and gradients of what it says of a class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Value = Callable[[Tensor, Tensor], Tensor]  # of logits (B, classes) and a class each (B,) -> (B,)


def class_logit(logits: Tensor, classes: Tensor) -> Tensor:
    """Return each row's logit of its class: (B, C) and (B,) -> (B,)."""
    return logits.gather(1, classes[:, None]).squeeze(1)


def class_margin(logits: Tensor, classes: Tensor) -> Tensor:
    """Return by how much each row's class leads the largest other logit, negative where it does not lead."""
    others = logits.scatter(1, classes[:, None], -torch.inf)
    return class_logit(logits, classes) - others.amax(dim=1)


@dataclass(frozen=True)
class Classifier:
    """A fixed function from points (B, D) to logits (B, classes), and the box of valid points."""

    logits: Callable[[Tensor], Tensor]
    lowest: Tensor  # (D,)
    highest: Tensor  # (D,)
    batch_size: int  # points per call

    def clamp(self, points: Tensor) -> Tensor:
        return points.clamp(self.lowest, self.highest)

    @torch.no_grad()
    def values(self, value: Value, points: Tensor, classes: Tensor) -> Tensor:
        """Return the value at every point: (B, D) and (B,) -> (B,)."""
        parts = zip(points.split(self.batch_size), classes.split(self.batch_size), strict=True)
        return torch.cat([value(self.logits(part), of) for part, of in parts])

    def gradients(self, value: Value, points: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the value (B,) at every point and its gradient (B, D)."""
        values, gradients = [], []
        for part, of in zip(points.split(self.batch_size), classes.split(self.batch_size), strict=True):
            part = part.detach().requires_grad_()
            found = value(self.logits(part), of)
            gradients += torch.autograd.grad(found.sum(), part)
            values.append(found.detach())
        return torch.cat(values), torch.cat(gradients)

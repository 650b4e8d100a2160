"""What does an intervention take and return? A batch of images and targets; and the one that changes nothing."""

from collections.abc import Callable

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]
Intervention = Callable[[Tensor, Tensor, torch.Generator], Batch]


def unchanged(images: Tensor, targets: Tensor, generator: torch.Generator) -> Batch:
    """Return the batch as it is: every intervention at strength 0."""
    return images, targets

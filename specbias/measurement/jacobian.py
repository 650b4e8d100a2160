"""How much can the logits move when the image does? The norm of the input-output Jacobian at images of a split."""

from __future__ import annotations

import torch
from torch import Tensor

from specbias.measurement.paths import Predict
from specbias.settings.seeds import derive_seed


def jacobian_norm(
    predict: Predict, images: Tensor, *, batch_size: int, projections: int | None = None, seed: int = 0
) -> float:
    """Return sqrt(mean over images of |d logits / d image|_F^2) at normalised images (B, 3, H, W).

    Exact with one backward pass per class, as in the RobustNets release (there at the first 400 test images). With
    `projections` n: estimated from n random directions in the space of logits (Hoffman, Roberts and Yaida 2019,
    "Robust Learning with Jacobian Regularization"), for networks of many classes. In logits per unit of normalised L2
    distance. No gradient is left on the network.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "jacobian"))
    total = 0.0
    with torch.inference_mode(False), torch.enable_grad():
        for part in images.split(batch_size):
            part = part.clone().requires_grad_()
            logits = predict(part)
            for direction in _directions(logits, projections, generator):
                (gradient,) = torch.autograd.grad(logits, part, direction.expand_as(logits), retain_graph=True)
                total += gradient.double().square().sum().item() / (projections or 1)
    return (total / len(images)) ** 0.5


def _directions(logits: Tensor, projections: int | None, generator: torch.Generator) -> Tensor:
    """Return every class's own direction (C, 1, C), or random ones (n, B, C) of length sqrt(C)."""
    if projections is None:
        return torch.eye(logits.shape[1], device=logits.device).unsqueeze(1)
    drawn = torch.randn(projections, *logits.shape, generator=generator)
    return (drawn / drawn.norm(dim=-1, keepdim=True) * logits.shape[1] ** 0.5).to(logits.device)

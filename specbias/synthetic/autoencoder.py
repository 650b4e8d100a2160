"""Where do images lie? On the manifold that a denoising auto-encoder with a small code draws through them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from specbias.settings.seeds import derive_seed
from specbias.synthetic.config import CurvatureConfig

HIDDEN, BATCH, RATE = 256, 128, 1e-3  # units between image and code, images of an update, Adam's rate


def reconstructions(images: Tensor, config: CurvatureConfig) -> Tensor:
    """Return images (N, pixels) as a denoising auto-encoder gives them back that was trained on them with noise added.

    Perceptrons with one hidden layer lead to the code and back, and a sigmoid to pixels from 0 to 1; trained on the
    mean squared error with batches drawn anew. The paper gives none of this but the code's size. On the CPU wherever
    the runs are, so that the manifold is the same.
    """
    stream = torch.Generator().manual_seed(derive_seed(config.seed, "auto-encoder"))
    pixels = images.shape[1]
    model = nn.Sequential(
        *(_linear(pixels, HIDDEN, stream), nn.ReLU(), _linear(HIDDEN, config.dimensions, stream)),
        *(_linear(config.dimensions, HIDDEN, stream), nn.ReLU(), _linear(HIDDEN, pixels, stream), nn.Sigmoid()),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
    for _ in range(config.autoencoder_updates):
        batch = images[torch.randint(len(images), (BATCH,), generator=stream)]
        noisy = batch + config.noise * torch.randn(batch.shape, generator=stream)
        loss = (model(noisy) - batch).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return model(images)


def _linear(inputs: int, outputs: int, stream: torch.Generator) -> nn.Linear:
    """Return a linear layer with torch's own distribution of first weights, drawn from `stream`."""
    layer = skip_init(nn.Linear, inputs, outputs)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -1 / math.sqrt(inputs), 1 / math.sqrt(inputs), generator=stream)
    return layer

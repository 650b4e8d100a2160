"""The network of airbench (Jordan 2024, arXiv 2404.00498), which reaches much accuracy for little computation."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import gelu


class Group(nn.Sequential):
    """Two 3x3 convolutions, the first followed by 2x2 max pooling, each by batch norm and GELU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(out_channels),
            nn.GELU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.GELU(),
        )


class Airbench(nn.Module):
    """A 2x2 convolution of 24 channels, three groups of `width`, 4 and 4 times `width`, max pooling, one linear layer.

    It differs from airbench94 in a first layer that starts at random and not at the images' whitening, in the scales
    of batch norm, which are learned, and in pooling over all that is left.
    """

    def __init__(self, *, num_classes: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 2)
        self.groups = nn.Sequential(Group(24, width), Group(width, 4 * width), Group(4 * width, 4 * width))
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(4 * width, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.groups(gelu(self.stem(images)))
        return self.classifier(self.dropout(features.amax(dim=(2, 3))))

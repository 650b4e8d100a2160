"""PyramidNet (Han et al. 2017) with ShakeDrop (Yamada et al. 2018), as in the code of "Spectral Bias in Practice"."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad, relu

from specbias.models.layers import Convolution, ScaleTwoWays, head

LAST_SURVIVAL = 0.5  # chance that the last block is left as it is; of the others linearly more
WIDENING = 200 / 16  # channels that all blocks together add, per channel of the stem


class ShakeDrop(nn.Module):
    """In training, leave an example with probability `survival`, else multiply by a random number; else the mean.

    The number is uniform in [-1, 1] on the way forward and in [0, 1] on the way back, so that the mean is `survival`.
    """

    def __init__(self, survival: float) -> None:
        super().__init__()
        self.survival = survival

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self.survival * x
        chance, ahead, back = torch.rand(3, len(x), 1, 1, 1, device=x.device)
        survives = chance < self.survival
        return ScaleTwoWays.apply(x, torch.where(survives, 1, 2 * ahead - 1), torch.where(survives, 1, back))


class Block(nn.Module):
    """A bottleneck of 1x1, 3x3 and 1x1 convolutions with batch norm before, between and after them, and ShakeDrop.

    The shortcut is the input, averaged over 2x2 pixels at stride 2, with zeros for the channels that are added.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, survival: float) -> None:
        super().__init__()
        self.stride = stride
        self.added = 4 * channels - in_channels
        self.branch = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            Convolution(in_channels, channels, 1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            Convolution(channels, channels, 3, stride=stride),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            Convolution(channels, 4 * channels, 1),
            nn.BatchNorm2d(4 * channels),
            ShakeDrop(survival),
        )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = avg_pool2d(x, 2, ceil_mode=True) if self.stride == 2 else x
        return self.branch(x) + pad(shortcut, (0, 0, 0, 0, 0, self.added))


class PyramidNet(nn.Module):
    """Three stages of (depth - 2) / 9 bottlenecks, each a little wider than the one before; `width` is the stem's.

    Depth 272, width 16, ten classes: 26,210,842 parameters.
    """

    def __init__(self, *, num_classes: int, width: int, depth: int, dropout: float = 0.0) -> None:
        super().__init__()
        if depth < 11 or depth % 9 != 2:
            raise ValueError(f"depth {depth}: a PyramidNet has 2 layers and 9 for each bottleneck per stage")
        per_stage = (depth - 2) // 9
        self.stem = nn.Sequential(Convolution(3, width, 3), nn.BatchNorm2d(width))
        blocks, channels = [], width
        for number in range(1, 3 * per_stage + 1):
            share = number / (3 * per_stage)
            narrow = math.floor(width * (1 + WIDENING * share) + 0.5)
            stride = 2 if number in (per_stage + 1, 2 * per_stage + 1) else 1
            blocks.append(Block(channels, narrow, stride, survival=1 - share * (1 - LAST_SURVIVAL)))
            channels = 4 * narrow
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(channels)
        self.classifier = head(channels, num_classes, dropout)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(relu(self.bn(self.blocks(self.stem(images)))))

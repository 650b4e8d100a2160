"""Shake-Shake 26 2x (Gastaldi 2017), as in the code of "Spectral Bias in Practice": two branches, mixed at random."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from specbias.models.layers import Convolution, ScaleTwoWays, head


def draw_shares(x: Tensor) -> Tensor:
    """Return random shares of two branches (2, B, 1, 1, 1), for each of B examples with the sum 1."""
    drawn = torch.rand(2, len(x), 1, 1, 1, device=x.device)
    return drawn / drawn.sum(0)


class Skip(nn.Module):
    """Two strided 1x1 convolutions, the second of the image moved by one pixel, side by side, and batch norm."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.path1 = Convolution(in_channels, out_channels // 2, 1, stride=stride)
        self.path2 = Convolution(in_channels, out_channels - out_channels // 2, 1, stride=stride)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        moved = pad(x, (-1, 1, -1, 1))
        return self.bn(torch.cat((self.path1(x), self.path2(moved)), dim=1))


class Block(nn.Module):
    """A skip connection and two branches of twice ReLU, 3x3 convolution, batch norm.

    In training each example's branches are mixed by random shares, and by others on the way back; else by halves.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(),
                Convolution(in_channels, out_channels, 3, stride=stride),
                nn.BatchNorm2d(out_channels),
                nn.ReLU(),
                Convolution(out_channels, out_channels, 3),
                nn.BatchNorm2d(out_channels),
            )
            for _ in range(2)
        )
        changes = in_channels != out_channels
        self.skip = Skip(in_channels, out_channels, stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        first, second = (branch(x) for branch in self.branches)
        if not self.training:
            return self.skip(x) + 0.5 * (first + second)
        ahead, back = draw_shares(x), draw_shares(x)
        mixed = ScaleTwoWays.apply(first, ahead[0], back[0]) + ScaleTwoWays.apply(second, ahead[1], back[1])
        return self.skip(x) + mixed


class ShakeShake(nn.Module):
    """Three stages of four blocks, `width`, 2 and 4 times `width` channels, after 16 in the stem.

    Widths 32, 96 and 112, ten classes: 2,923,162, 26,192,922 and 35,640,442 parameters.
    """

    def __init__(self, *, num_classes: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        channels = 16
        self.stem = nn.Sequential(Convolution(3, channels, 3), nn.BatchNorm2d(channels))
        blocks = []
        for stage in range(3):
            for block in range(4):
                blocks.append(Block(channels, width * 2**stage, stride=2 if stage > 0 and block == 0 else 1))
                channels = width * 2**stage
        self.blocks = nn.Sequential(*blocks)
        self.classifier = head(channels, num_classes, dropout)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(relu(self.blocks(self.stem(images))))

"""A small Vision Transformer (Dosovitskiy et al. 2021) for small images; its size is our choice.

Fixed sine and cosine positions, the mean over patches instead of a class token and a last layer that starts at zero are
those of Beyer et al. 2022, "Better plain ViT baselines for ImageNet-1k".
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from specbias.models.layers import zero_last_layer

PATCH = 4  # pixels of a patch's side
LAYERS = 9
HEAD_WIDTH = 32  # channels of an attention head


def positions(rows: int, columns: int, channels: int) -> Tensor:
    """Return sines and cosines (rows * columns, channels) of row and column, at channels / 4 frequencies each."""
    frequencies = 10_000 ** -torch.linspace(0, 1, channels // 4)
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    angles = torch.cat([place.flatten()[:, None] * frequencies for place in (row, column)], dim=1)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class Block(nn.Module):
    """Attention over patches, then two linear layers with a GELU between; each after a layer norm, on a residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        parts = self.queries_keys_values(self.norm1(x)).unflatten(2, (3, -1, HEAD_WIDTH))  # B, patches, 3, heads, width
        mixed = scaled_dot_product_attention(*parts.permute(2, 0, 3, 1, 4)).transpose(1, 2).flatten(2)
        x = x + self.projection(mixed)
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """Patches of 4x4 pixels, nine layers of `width` channels in heads of 32: `width` is a multiple of 32.

    Pixels beyond the last whole patch are not looked at. Width 192, ten classes: 4,015,498 parameters.
    """

    def __init__(self, *, num_classes: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, PATCH, stride=PATCH)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, num_classes)
        zero_last_layer(self)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patches(images)
        _, channels, rows, columns = patches.shape
        x = patches.flatten(2).transpose(1, 2) + positions(rows, columns, channels).to(patches.device)
        return self.classifier(self.dropout(self.norm(self.blocks(x)).mean(dim=1)))

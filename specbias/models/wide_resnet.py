"""Wide ResNet (Zagoruyko and Komodakis 2016), as in the code of "Spectral Bias in Practice": shortcuts are 3x3."""

from torch import Tensor, nn
from torch.nn.functional import relu

from specbias.models.layers import Convolution, head


class Block(nn.Module):
    """Twice batch norm, ReLU, 3x3 convolution, around the identity.

    Where the number of channels changes, a strided 3x3 convolution of the first ReLU's output stands for the identity.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = Convolution(in_channels, out_channels, 3, stride=stride)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = Convolution(out_channels, out_channels, 3)
        changes = in_channels != out_channels
        self.shortcut = Convolution(in_channels, out_channels, 3, stride=stride) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        active = relu(self.bn1(x))
        out = self.conv2(relu(self.bn2(self.conv1(active))))
        return out + (x if self.shortcut is None else self.shortcut(active))


class WideResNet(nn.Module):
    """Three stages of (depth - 4) / 6 blocks, `width`, 2 and 4 times `width` channels, after at most 16 in the stem.

    The widening factor is width / 16. Ten classes: 28-2 has 1,553,626 parameters, 28-10 has 38,547,674.
    """

    def __init__(self, *, num_classes: int, width: int, depth: int, dropout: float = 0.0) -> None:
        super().__init__()
        if depth < 10 or depth % 6 != 4:
            raise ValueError(f"depth {depth}: a Wide ResNet has 4 layers and 6 for each block per stage")
        channels = min(16, width)
        self.conv1 = Convolution(3, channels, 3)
        blocks = []
        for stage in range(3):
            for block in range((depth - 4) // 6):
                blocks.append(Block(channels, width * 2**stage, stride=2 if stage > 0 and block == 0 else 1))
                channels = width * 2**stage
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(channels)
        self.classifier = head(channels, num_classes, dropout)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(relu(self.bn(self.blocks(self.conv1(images)))))

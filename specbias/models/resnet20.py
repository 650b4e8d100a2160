"""ResNet-20 for CIFAR (He et al. 2016, section 4.2): three narrow stages, and shortcuts that have no parameters."""

from torch import Tensor, nn
from torch.nn.functional import pad, relu


class Block(nn.Module):
    """Two 3x3 convolutions with batch norm around an identity.

    Where the shape changes, the identity is every second pixel of it, with zeros for the channels it lacks (option A).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.stride, self.more_channels = stride, out_channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        identity = x[:, :, :: self.stride, :: self.stride]
        return relu(out + pad(identity, (0, 0, 0, 0, 0, self.more_channels)))


class ResNet20(nn.Module):
    """Three stages of three basic blocks, `width`, 2 and 4 times `width` channels; convolutions from He's normal.

    Width 16, ten classes: 269,722 parameters.
    """

    def __init__(self, *, num_classes: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        blocks, channels = [], width
        for stage in range(3):
            for stride in (1 if stage == 0 else 2, 1, 1):
                blocks.append(Block(channels, width * 2**stage, stride))
                channels = width * 2**stage
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        features = self.blocks(relu(self.bn1(self.conv1(images))))
        return self.classifier(self.dropout(features.mean(dim=(2, 3))))

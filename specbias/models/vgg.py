"""VGG-16 (Simonyan and Zisserman 2015) for small images: batch norm, and one linear layer, as is usual on CIFAR."""

from torch import Tensor, nn

STAGES = ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8))  # convolutions, their channels in widths


class VGG16(nn.Module):
    """Five stages of 3x3 convolutions with batch norm and ReLU, each ended by 2x2 max pooling; then the mean.

    Width 64, ten classes: 14,724,042 parameters.
    """

    def __init__(self, *, num_classes: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for stage in STAGES:
            for factor in stage:
                layers += [
                    nn.Conv2d(channels, factor * width, 3, padding=1, bias=False),
                    nn.BatchNorm2d(factor * width),
                    nn.ReLU(inplace=True),
                ]
                channels = factor * width
            layers.append(nn.MaxPool2d(2, ceil_mode=True))  # so that images below 32 pixels pass too
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.features(images).mean(dim=(2, 3))))

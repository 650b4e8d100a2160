"""Which network is trained? build_model(name, ...) makes any of MODELS, one architecture per file."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from specbias.registry import load, look_up

if TYPE_CHECKING:
    from torch import nn


class Model(NamedTuple):
    """What can be said of an architecture without building it."""

    factory: str  # "module:function", called with num_classes and width
    width: int  # the published number of channels of the first stage
    megaflops: float  # of one forward pass on one 32 x 32 image at that width; about quadratic in the width


MODELS = {
    "small_cnn": Model("specbias.models.small_cnn:SmallCNN", 16, 19.8),
    "resnet18": Model("specbias.models.resnet18:ResNet18", 64, 1111.0),
}


def build_model(name: str, *, num_classes: int, image_size: int, width: int | None = None) -> nn.Module:
    """Return a new network for images (B, 3, image_size, image_size) -> logits (B, num_classes).

    `width` is the number of channels of the first stage (None: the published one). Initial weights come from torch's
    global generator, which the caller seeds. An unknown name raises SettingError and lists the known ones. All
    architectures here pool globally, so that any image size of at least 8 will do.
    """
    entry = look_up(MODELS, name, "model")
    if image_size < 8:
        raise ValueError(f"image_size {image_size}: {name} needs at least 8")
    return load(entry.factory)(num_classes=num_classes, width=width or entry.width)

"""Which network is trained? build_model(name, ...) makes any of MODELS, one architecture per file, or torchvision's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from specbias.settings import SettingError
from specbias.settings.own_code import is_own, parameters
from specbias.settings.registry import load, look_up

if TYPE_CHECKING:
    from torch import nn


class Model(NamedTuple):
    """What can be said of an architecture without building it."""

    factory: str  # "module:class", called with num_classes, width, dropout and `arguments`
    width: int | None  # the published number of channels of the first stage; None: it has one size
    megaflops: float  # of one forward pass on one 32 x 32 image at that width; about quadratic in the width
    arguments: Mapping[str, int] = {}
    width_step: int = 1  # a width is a multiple of it
    zero_head: bool = False  # its last layer always starts at zero


MODELS = {
    "small_cnn": Model("specbias.models.small_cnn:SmallCNN", 16, 19.8),
    "resnet18": Model("specbias.models.resnet18:ResNet18", 64, 1111.0),
    "resnet20": Model("specbias.models.resnet20:ResNet20", 16, 81.1),
    "wrn_16_4": Model("specbias.models.wide_resnet:WideResNet", 64, 869.1, {"depth": 16}, zero_head=True),
    "wrn_28_2": Model("specbias.models.wide_resnet:WideResNet", 32, 453.9, {"depth": 28}, zero_head=True),
    "wrn_28_10": Model("specbias.models.wide_resnet:WideResNet", 160, 10948.0, {"depth": 28}, zero_head=True),
    "wrn_40_2": Model("specbias.models.wide_resnet:WideResNet", 32, 680.4, {"depth": 40}, zero_head=True),
    "shake_shake_32": Model("specbias.models.shake_shake:ShakeShake", 32, 853.4, zero_head=True),
    "shake_shake_96": Model("specbias.models.shake_shake:ShakeShake", 96, 7553.8, zero_head=True),
    "shake_shake_112": Model("specbias.models.shake_shake:ShakeShake", 112, 10269.6, zero_head=True),
    "pyramid_net": Model("specbias.models.pyramid_net:PyramidNet", 16, 8977.6, {"depth": 272}, zero_head=True),
    "vgg16": Model("specbias.models.vgg:VGG16", 64, 626.4),
    "vit": Model("specbias.models.vit:ViT", 192, 539.1, width_step=32, zero_head=True),
    "airbench": Model("specbias.models.airbench:Airbench", 64, 236.0),
}
TORCHVISION = "torchvision:"  # before any name in torchvision.models
FROM_TORCHVISION = Model("specbias.models.from_torchvision:from_torchvision", None, 200.0)  # megaflops: a guess
OWN = Model("specbias.models.own:build_own", None, 200.0)  # as much of a guess


def look_up_model(name: str, *, width: int | None = None, dropout: float = 0.0) -> Model:
    """Return the facts of a model; SettingError if it is unknown, or cannot have that width or dropout.

    Whether torchvision has a model of some name is known only when it is built. One of one's own has a width, or
    dropout, where its function has a parameter of that name.
    """
    if is_own(name):
        takes = parameters(name, setting="model")
        for setting, value, without in (("width", width, None), ("dropout", dropout, 0.0)):
            if value != without and not (setting in takes.names or takes.any_name):
                raise SettingError(f"{setting}={value}: {name} has no such parameter; take {setting}={without}")
        return OWN
    known = MODELS | {TORCHVISION + "NAME": FROM_TORCHVISION, "FILE.py:FUNCTION": OWN}
    model = FROM_TORCHVISION if name.startswith(TORCHVISION) else look_up(known, name, "model")
    if model.width is None and (width is not None or dropout):
        refused, possible = (
            (f"width={width}", "width=none") if width is not None else (f"dropout={dropout}", "dropout=0")
        )
        raise SettingError(f"{refused}: {name} is taken as it is, with {possible}")
    if width is not None and width % model.width_step:
        raise SettingError(f"width={width}: {name} needs a multiple of {model.width_step}")
    return model


def build_model(
    name: str, *, num_classes: int, image_size: int, width: int | None = None, dropout: float = 0.0
) -> nn.Module:
    """Return a new network for images (B, 3, image_size, image_size) -> logits (B, num_classes).

    `name` is one of MODELS, "torchvision:NAME", or what own_code.identify returned. `width` is the number of channels
    of the first stage (None: the published one), `dropout` the share of features dropped before the last layer in
    training. Initial weights come from torch's global generator, which the caller seeds, and so does what a network
    draws in training. SettingError is look_up_model's, or says what torchvision's models, or one's own code, cannot do.
    All architectures here pool globally, so that any image size of at least 8 will do.
    """
    model = look_up_model(name, width=width, dropout=dropout)
    if model is FROM_TORCHVISION:
        name = name.removeprefix(TORCHVISION)
        return load(model.factory)(name, num_classes=num_classes, image_size=image_size)
    factory = load(model.factory)
    if model is OWN:
        return factory(name, num_classes=num_classes, image_size=image_size, width=width, dropout=dropout)
    if image_size < 8:
        raise ValueError(f"image_size {image_size}: {name} needs at least 8")
    return factory(num_classes=num_classes, width=width or model.width, dropout=dropout, **model.arguments)

"""torchvision's classifiers by name: untrained, and as published but for the number of classes."""

from typing import Any

import torch
import torchvision
from torch import nn

from specbias.settings import SettingError
from specbias.settings.registry import look_up


def from_torchvision(name: str, *, num_classes: int, image_size: int) -> nn.Module:
    """Return a new network of torchvision.models for images (B, 3, image_size, image_size), without auxiliary outputs.

    Raises SettingError for a name that torchvision has not, and for images too small or large for its network.
    """
    look_up(dict.fromkeys(torchvision.models.list_models(torchvision.models)), name, "model of torchvision")
    arguments: dict[str, Any] = {"num_classes": num_classes}
    if name.startswith("vit_"):
        arguments["image_size"] = image_size
    if name in ("googlenet", "inception_v3"):
        arguments |= {"aux_logits": False, "init_weights": True}
    try:
        with torch.device("meta"):  # shapes alone: costs nothing
            torchvision.models.get_model(name, **arguments).eval()(torch.zeros(1, 3, image_size, image_size))
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SettingError(
            f"model=torchvision:{name}: takes no images of {image_size} x {image_size} ({reason})"
        ) from None
    return torchvision.models.get_model(name, **arguments)

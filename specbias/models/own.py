"""A network of one's own: made by a function in a file, and tried on two images before any trial."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

from specbias.models.layers import zero_last_layer
from specbias.settings import SettingError
from specbias.settings.own_code import call, failure


def build_own(name: str, *, num_classes: int, image_size: int, width: int | None, dropout: float) -> nn.Module:
    """Return the network that the function makes, called with those of these arguments that it has parameters for.

    `width` is left out where it is None, so that the function's own default holds. SettingError where that fails.
    """
    arguments = {"num_classes": num_classes, "image_size": image_size, "dropout": dropout}
    arguments |= {} if width is None else {"width": width}
    return as_network(name, call(name, arguments, setting="model"))


def as_network(name: str, made: object) -> nn.Module:
    """Return what a function of that name made, out of DataParallel or torch.compile; SettingError if no network."""
    if isinstance(made, nn.DataParallel):
        return as_network(name, made.module)
    if isinstance(made, torch._dynamo.OptimizedModule):
        return as_network(name, made._orig_mod)
    if not isinstance(made, nn.Module):
        raise SettingError(f"model={name}: gave a {type(made).__name__}, not a torch.nn.Module")
    return made


@functools.cache
def check_own(
    name: str, *, num_classes: int, image_size: int, width: int | None, dropout: float, zero_head: bool
) -> None:
    """Raise SettingError, one line, if the network cannot be made, trained, or gives no logits of the right shape."""
    shown = torch.randn(2, 3, image_size, image_size, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        model = build_own(name, num_classes=num_classes, image_size=image_size, width=width, dropout=dropout)
        if zero_head:
            zero_last_layer(model)
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise SettingError(f"model={name}: has no parameters to train")
        for training in (True, False):
            try:
                logits = model.train(training)(shown)
            except Exception as error:
                said = f"fails on images of {image_size} x {image_size}: {failure(name, error)}"
                raise SettingError(f"model={name}: {said}") from error
            if not isinstance(logits, Tensor) or logits.shape != (2, num_classes) or not logits.is_floating_point():
                gave = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
                raise SettingError(f"model={name}: gives {gave} for two images, not logits of shape (2, {num_classes})")

"""What are the layers of the code of "Spectral Bias in Practice" (TensorFlow), in PyTorch? Its networks share them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from specbias.settings import SettingError


class Convolution(nn.Conv2d):
    """A convolution without bias, weights from N(0, 2 / (k^2 c_in)), padded as TensorFlow's "SAME" does.

    At stride 2, a 3x3 kernel meets zeros at the bottom and the right of an image of even size, and nowhere else.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1) -> None:
        padding = kernel_size // 2 if stride == 1 else 0
        super().__init__(in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=False)

    def reset_parameters(self) -> None:
        nn.init.kaiming_normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == (2, 2) and self.kernel_size == (3, 3):
            height, width = x.shape[2:]
            x = pad(x, (width % 2, 1, height % 2, 1))
        return super().forward(x)


def head(channels: int, num_classes: int, dropout: float) -> nn.Sequential:
    """Return global average pooling, dropout, and a linear layer whose weights and bias start at zero."""
    linear = nn.Linear(channels, num_classes)
    zero_last_layer(linear)
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), linear)


def zero_last_layer(model: nn.Module) -> None:
    """Set the weights and bias of the model's last linear layer to zero; SettingError if it has none."""
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise SettingError(f"zero_head=True: a {type(model).__name__} has no linear layer")
    nn.init.zeros_(linear[-1].weight)
    nn.init.zeros_(linear[-1].bias)


class ScaleTwoWays(torch.autograd.Function):
    """Multiply by `forward_scale` going forward and the gradient by `backward_scale`, both (B, 1, 1, 1)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, forward_scale: Tensor, backward_scale: Tensor) -> Tensor:
        ctx.save_for_backward(backward_scale)
        return x * forward_scale.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,), (backward_scale,) = gradients, ctx.saved_tensors
        return gradient * backward_scale.to(gradient.dtype), None, None

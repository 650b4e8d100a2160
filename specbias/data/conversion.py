"""How do images and labels get into one form? Common kinds of arrays are converted, others are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from specbias.settings import SettingError

CHANNELS = (1, 3)  # grey, or red, green and blue


def as_images(images: Any, name: str) -> Tensor:
    """Return images (N, 3, H, W) in uint8, from an array or a tensor with channels first, last, one or none.

    SettingError, one line that begins with `name`, for what is not uint8 or of another shape.
    """
    images = _as_tensor(images, name)
    if images.dtype != torch.uint8:
        raise SettingError(
            f"{name}: {_kind(images)}{_span(images.float())}; expected uint8 from 0 to 255 "
            "(of values from 0 to 1: (255 * images).round().to(torch.uint8))"
        )
    if images.ndim == 3:
        images = images.unsqueeze(1)
    elif images.ndim == 4 and images.shape[1] != 3 and images.shape[-1] in CHANNELS:
        images = images.permute(0, 3, 1, 2)
    if images.ndim != 4 or images.shape[1] not in CHANNELS or 0 in images.shape[1:]:
        shape = tuple(images.shape)
        raise SettingError(f"{name}: of shape {shape}; expected (N, 3, H, W), (N, H, W, 3) or grey (N, H, W)")
    return (images if images.shape[1] == 3 else images.expand(-1, 3, -1, -1)).contiguous()


def as_labels(labels: Any, name: str) -> Tensor:
    """Return labels (N,) in int64, from whole numbers (N,) or (N, 1); SettingError, one line, for anything else."""
    labels = _as_tensor(labels, f"{name} labels")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise SettingError(f"{name} labels: {_kind(labels)}; expected whole numbers from 0 on")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise SettingError(f"{name} labels: of shape {tuple(labels.shape)}; expected one number for each image, (N,)")
    return labels.long()


def as_split(images: Any, labels: Any, name: str, *, num_classes: int) -> tuple[Tensor, Tensor]:
    """Return images and labels that fit each other and the number of classes; SettingError, one line, otherwise."""
    images, labels = as_images(images, f"{name} images"), as_labels(labels, name)
    if len(images) != len(labels):
        raise SettingError(f"{name}: {len(images)} images and {len(labels)} labels; each image needs one")
    if len(labels):
        least, most = labels.min().item(), labels.max().item()
        if least < 0 or most >= num_classes:
            raise SettingError(f"{name} labels: from {least} to {most}, for {num_classes} classes, which count from 0")
    return images, labels


def _as_tensor(values: Any, name: str) -> Tensor:
    if isinstance(values, np.ndarray) and not values.dtype.isnative:  # of the other byte order
        values = values.astype(values.dtype.newbyteorder("="))
    try:
        return torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise SettingError(f"{name}: a {type(values).__name__} that is no array of numbers ({reason})") from None


def _span(values: Tensor) -> str:
    """Return from where to where values go, and how many are no numbers, in words; "" where there are none."""
    numbers = values[~values.isnan()]
    missing = values.numel() - numbers.numel()
    span = f" from {numbers.min().item():g} to {numbers.max().item():g}" if numbers.numel() else ""
    return span + (f", and {missing} of {values.numel()} values are NaN" if missing else "")


def _kind(values: Tensor) -> str:
    return str(values.dtype).removeprefix("torch.")

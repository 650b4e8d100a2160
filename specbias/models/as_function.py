"""How is a network from elsewhere asked about images? What it takes is found by showing it two of them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from specbias.settings import SettingError
from specbias.settings.own_code import reason

GREY = (0.299, 0.587, 0.114)  # weights of red, green and blue (ITU-R 601)
HALF = (torch.float16, torch.bfloat16)
OF_SIZE = re.compile("size|shape|dimension", re.IGNORECASE)  # an error that other images may cure


def as_function(
    network: nn.Module,
    shown: Tensor,
    *,
    name: str,
    size: int | None = None,
    interpolation: str = "bilinear",
) -> tuple[Callable[[Tensor], Any], list[str]]:
    """Return a function from images (B, 3, H, W) to what the network gives, and notes on how it takes images.

    It is tried on `shown`, two images: in channels_last, which is faster, in contiguous layout for one that calls
    `view` after a convolution, then both with one channel; all that on its own float64 weights, and then in float32.
    It must give an answer for each image. `size` resizes images for it, with antialiasing.
    SettingError, with the first failure, where it takes none of these.
    """
    notes: list[str] = []
    first: BaseException | None = None
    if any(parameter.dtype in HALF for parameter in network.parameters()):
        notes.append("the network's weights are of half precision, and are computed with in float32")
        network = network.float()
    if any(torch.nn.parameter.is_lazy(parameter) for parameter in network.parameters()):
        _make_parameters(network, shown, name)
    if size is not None and shown.shape[-2:] != (size, size):
        notes.append(f"images are resized to {size} x {size} inside the network's function ({interpolation})")
    double = any(parameter.dtype == torch.float64 for parameter in network.parameters())
    layouts = (torch.channels_last, torch.contiguous_format)
    for single, channels, layout in itertools.product((False, True) if double else (False,), (3, 1), layouts):
        network = (network.float() if single else network).to(memory_format=layout)
        asked = _asking(network, layout, channels, size, interpolation)
        try:
            with (
                torch.random.fork_rng(),
                torch.no_grad(),
            ):  # no inference mode: a tensor that it keeps may need gradients
                _check_rows(asked(shown.clone()), len(shown))
        except (Exception, SystemExit) as error:
            first = first or error
            continue
        if single:
            notes.append("the network's weights are of float64, and are computed with in float32")
        if channels == 1:
            notes.append("the network takes one channel: it is shown images in grey")
        return asked, notes
    assert first is not None
    hint = "; --network-size N resizes images for one that takes others"
    hint = hint if size is None and OF_SIZE.search(str(first)) else ""
    failed = str(first) if isinstance(first, SettingError) else f"fails: {reason(first)}"
    on = " x ".join(map(str, shown.shape[-2:]))
    raise SettingError(f"model={name}: on images of {on} it {failed}{hint}") from first


def _check_rows(answer: Any, images: int) -> None:
    answer = getattr(answer, "logits", answer)
    if isinstance(answer, Tensor) and answer.ndim and len(answer) != images:
        raise SettingError(f"gives an answer of shape {tuple(answer.shape)} to {images} images, not one row for each")


def _make_parameters(network: nn.Module, shown: Tensor, name: str) -> None:
    """Show images to a network of lazy modules, which have their weights from then on."""
    try:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            network(shown)
    except (Exception, SystemExit) as error:
        raise SettingError(f"model={name}: {reason(error)}") from error


def _asking(
    network: nn.Module, layout: torch.memory_format, channels: int, size: int | None, interpolation: str
) -> Callable[[Tensor], Any]:
    resized: dict[str, Any] = {"size": (size, size), "mode": interpolation}
    if interpolation in ("bilinear", "bicubic"):
        resized |= {"antialias": True, "align_corners": False}

    def ask(images: Tensor) -> Any:
        if size is not None and images.shape[-2:] != (size, size):
            images = interpolate(images, **resized)
        if channels == 1:
            images = (images * images.new_tensor(GREY).view(1, 3, 1, 1)).sum(1, keepdim=True)
        return network(images.contiguous(memory_format=layout))

    return ask

"""On what does torch compute, and how exactly? Device, threads, float32 and memory layout, set in this one place."""

from typing import Any

import torch
from torch import nn

from specbias.settings import SettingError


def use_device(device: str, *, threads: int | None) -> None:
    """Set torch's number of threads (None: leave it), and float32 to be float32; SettingError if there is no device.

    By default a GPU's convolutions round float32 to TF32. Whatever is timed or rehearsed before a trial calls this too,
    so that it computes as the trial will.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise SettingError("device=cuda: torch finds no GPU here")
    if threads is not None:
        torch.set_num_threads(threads)
    use_float32()


def use_float32() -> None:
    """Have float32 computed as float32, whatever the user's own code has asked of torch: called again when that is run.

    By torch's newer settings and its older ones: as of 2.15 the newer one for all operations leaves alone those that an
    older one has set, and torch.export refuses to work where the two differ.
    """
    backends: Any = torch.backends
    backends.fp32_precision = "ieee"
    for place in (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn):
        place.fp32_precision = "ieee"
    for place in (backends.mkldnn.matmul, backends.mkldnn.conv, backends.mkldnn.rnn):
        place.fp32_precision = "ieee"
    backends.cuda.matmul.allow_tf32 = backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")


def training_layout(model: nn.Module, device: str, memory_format: str) -> torch.memory_format:
    """Return the layout of weights and images in training: the one that is named, except where torch is wrong in it.

    On a CPU in channels_last, oneDNN as of torch 2.15 writes past the gradient of a strided 1x1 convolution of 2 to 7
    channels: wrong gradients, or the process ends. A network that has one is trained in contiguous_format there.
    """
    if device == "cpu" and any(_is_miscomputed(module) for module in model.modules()):
        return torch.contiguous_format
    layout: torch.memory_format = getattr(torch, memory_format)
    return layout


def _is_miscomputed(module: nn.Module) -> bool:
    if not isinstance(module, nn.Conv2d):
        return False
    strided = module.kernel_size == (1, 1) and max(module.stride) > 1  # type: ignore[arg-type]
    return strided and module.in_channels // module.groups < 8

"""How does a network compute in half precision? By autocast, the layers at its two ends in float32 if so asked.

The first layer takes images, whose rounding moves along a path in steps; the last gives logits, whose rounding is not
averaged any more. They are found by running the network once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from specbias.measurement.paths import Predict, Sampler

Network = Callable[[Tensor], Any]
NOT_FINITE = "in half precision the network's output is not finite: it is measured in float32"
NEAR = 0.01  # of the largest logit, up to which bf16 may well say another class than float32: it moves them by less
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def layers_in_float32(asked: str, *, corrected: bool) -> str:
    """Return which layers are in float32 where `auto` is asked for, or else what is."""
    return asked if asked != "auto" else "ends" if corrected else "none"


class HalfPrecision:
    """The function `ask`, which asks `network` about images (B, 3, H, W), in bf16; `layers` of it in float32.

    These are none, last, or ends (both), found at the first call. `close` gives them their own function back.
    """

    def __init__(self, ask: Network, network: nn.Module, *, layers: str) -> None:
        self.ask, self.network, self.layers = ask, network, layers
        self.own: dict[nn.Module, Any] | None = None

    def __call__(self, images: Tensor) -> Any:
        if self.own is None:
            found = ends_of(self.ask, self.network, images[:2]) if self.layers != "none" else {}
            exact = {layer for end, layer in found.items() if self.layers == "ends" or end == "last"}
            self.own = {layer: layer.__dict__.get("forward") for layer in exact}
            for layer in exact:
                layer.forward = _in_float32(layer, images.device.type)  # type: ignore[method-assign]
        with torch.autocast(images.device.type, torch.bfloat16):
            return self.ask(images)

    def close(self) -> None:
        for layer, own in (self.own or {}).items():
            layer.__dict__.pop("forward")
            if own is not None:
                layer.forward = own  # type: ignore[method-assign]


def predicted_by(exactly: Predict, sample: Sampler, paths: Tensor, logits: Tensor, *, batch_size: int) -> Tensor:
    """Return the predicted classes (n, T) along `paths` (n,) of a sampler, from `logits` (n, T, C) in half precision.

    Where two classes are nearly as likely, `exactly`, in float32, is asked: else a path along such a place seems to
    cross from one to the other many times.
    """
    predicted, (first, second) = logits.argmax(-1), logits.topk(2).values.unbind(-1)
    near = (first - second < NEAR * logits.abs().amax(-1)).nonzero()
    for part in near.split(batch_size) if len(near) else ():
        path, step = part.unbind(1)
        asked = sample(paths[path.cpu()], step.cpu())
        predicted[path, step] = exactly(asked).argmax(-1)
    return predicted


def ends_of(ask: Network, network: nn.Module, images: Tensor) -> dict[str, nn.Module]:
    """Return the `first` layer of `network`, that takes the images, and the `last`, whose output is its answer.

    Of convolutions and linear layers: the first that is called, if what it is given has the images' size, and the last,
    if its output is among what the network answers. One that is not so is left out.
    """
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []

    def note(layer: nn.Module, given: Any, output: Tensor) -> None:
        calls.append((layer, given[0], output))

    hooks = [layer.register_forward_hook(note) for layer in network.modules() if isinstance(layer, LAYERS)]
    try:
        answer = ask(images)
    finally:
        for hook in hooks:
            hook.remove()
    found: dict[str, nn.Module] = {}
    if calls and calls[0][1].numel() == images.numel():
        found["first"] = calls[0][0]
    if calls and any(_same(calls[-1][2], each) for each in tensors_in(answer)):
        found["last"] = calls[-1][0]
    return found


def missing(found: Mapping[str, nn.Module], layers: str) -> str | None:
    """Return what to say where not all the layers that are asked for were found; None where they were."""
    lacking = [end for end in {"none": (), "last": ("last",), "ends": ("first", "last")}[layers] if end not in found]
    return f"no {' and no '.join(lacking)} layer of the network was found: it is in bf16" if lacking else None


def tensors_in(answer: Any) -> list[Tensor]:
    """Return the tensors in what a network answers."""
    if isinstance(answer, Tensor):
        return [answer]
    parts = answer.values() if isinstance(answer, Mapping) else answer if isinstance(answer, tuple | list) else []
    return [part for part in parts if isinstance(part, Tensor)]


def _same(output: Tensor, answer: Tensor) -> bool:
    return output.numel() == answer.numel() and torch.equal(output.flatten(), answer.flatten().to(output.dtype))


def _in_float32(layer: nn.Module, device: str) -> Callable[[Tensor], Tensor]:
    own = layer.forward

    def exact(given: Tensor) -> Tensor:
        with torch.autocast(device, enabled=False):
            return own(given.float())

    return exact

"""Which operations does an image get, and how much of each? AutoAugment, RandAugment and AugMix, on pixels.

A policy is f(pixels, generator) -> pixels, for images (B, 3, H, W) in uint8. Levels are on the scale 0..10 of
AutoAugment's code, with the amounts of the code of "Spectral Bias in Practice" (section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from specbias import operations
from specbias.operations import Operation, affine

Policy = Callable[[Tensor, torch.Generator], Tensor]


class Choice(NamedTuple):
    """An operation that an image may get."""

    operation: Operation
    amount: Callable[[Tensor], Tensor]  # of levels (B,) in float64
    signed: bool = False  # the amount is turned negative for half of the images


def choices(*, fill: Tensor, bilinear: bool = False, largest_shift: float = 10) -> dict[str, Choice]:
    """Return the operations by their names in AutoAugment; `largest_shift` in pixels is a translation at level 10."""

    def up_to(largest: float, levels: Tensor) -> Tensor:
        return levels * largest / 10

    def whole(largest: float, levels: Tensor) -> Tensor:
        return up_to(largest, levels).trunc()

    def factor(levels: Tensor) -> Tensor:
        return up_to(1.8, levels) + 0.1

    move = partial(affine, fill=fill, bilinear=bilinear)
    return {
        "Identity": Choice(operations.identity, partial(up_to, 0)),
        "AutoContrast": Choice(operations.autocontrast, partial(up_to, 0)),
        "Equalize": Choice(operations.equalize, partial(up_to, 0)),
        "Invert": Choice(operations.invert, partial(up_to, 0)),
        "Solarize": Choice(operations.solarize, lambda levels: 256 - whole(256, levels)),
        "Posterize": Choice(operations.posterize, lambda levels: 4 - whole(4, levels)),
        "Color": Choice(operations.color, factor),
        "Contrast": Choice(operations.contrast, factor),
        "Brightness": Choice(operations.brightness, factor),
        "Sharpness": Choice(operations.sharpness, factor),
        "Rotate": Choice(move(operations.rotation), partial(whole, 30), signed=True),
        "ShearX": Choice(move(operations.shear_x), partial(up_to, 0.3), signed=True),
        "ShearY": Choice(move(operations.shear_y), partial(up_to, 0.3), signed=True),
        "TranslateX": Choice(move(operations.translate_x), partial(whole, largest_shift), signed=True),
        "TranslateY": Choice(move(operations.translate_y), partial(whole, largest_shift), signed=True),
    }


def apply_choices(
    images: Tensor, table: Sequence[Choice], chosen: Tensor, levels: Tensor, generator: torch.Generator
) -> Tensor:
    """Return the images, each after its operation: `chosen` (B,) are places in the table, `levels` (B,) in float64.

    Images with the same operation go through it together.
    """
    signs = 1 - 2.0 * torch.randint(2, (len(images),), generator=generator)
    order = chosen.argsort(stable=True)
    counts = chosen.bincount(minlength=len(table)).tolist()
    parts = (each[order.to(each.device)].split(counts) for each in (images, levels, signs))
    done = []
    for choice, part, level, sign in zip(table, *parts, strict=True):
        if len(part):
            amount = choice.amount(level)
            done.append(choice.operation(part, sign * amount if choice.signed else amount))
    return torch.cat(done)[order.argsort().to(images.device)]


def random_operations(magnitude: float, *, layers: int, fill: Tensor) -> Policy:
    """Return RandAugment: so many operations one after the other, each drawn evenly from all but Invert."""
    table = [choice for name, choice in choices(fill=fill).items() if name != "Invert"]

    def policy(pixels: Tensor, generator: torch.Generator) -> Tensor:
        levels = torch.full((len(pixels),), magnitude, dtype=torch.float64)
        for _ in range(layers):
            chosen = torch.randint(len(table), (len(pixels),), generator=generator)
            pixels = apply_choices(pixels, table, chosen, levels, generator)
        return pixels

    return policy


def sub_policies(*, fill: Tensor) -> Policy:
    """Return AutoAugment: one of its sub-policies for CIFAR-10, that is two operations, each with its probability."""
    from torchvision.transforms import AutoAugment, AutoAugmentPolicy  # seconds, for one intervention

    table = choices(fill=fill)
    names = list(table)
    # (sub-policy, step): name, probability and level; torchvision holds the article's list
    steps = [step for pair in AutoAugment(AutoAugmentPolicy.CIFAR10).policies for step in pair]
    named = torch.tensor([names.index(name) for name, _, _ in steps]).view(-1, 2)
    probability = torch.tensor([probability for _, probability, _ in steps]).view(-1, 2)
    level = torch.tensor([level or 0 for _, _, level in steps], dtype=torch.float64).view(-1, 2)

    def policy(pixels: Tensor, generator: torch.Generator) -> Tensor:
        drawn = torch.randint(len(named), (len(pixels),), generator=generator)
        for step in range(2):
            done = torch.rand(len(pixels), generator=generator) < probability[drawn, step]
            chosen = torch.where(done, named[drawn, step], names.index("Identity"))
            pixels = apply_choices(pixels, list(table.values()), chosen, level[drawn, step], generator)
        return pixels

    return policy


def augment_and_mix(severity: float) -> Policy:
    """Return AugMix: the image mixed with three chains of one to three operations, in float32.

    Levels are uniform between 0.1 and the severity, the chains' weights Dirichlet(1, 1, 1), that of the image uniform.
    Of the operations, those that make no corruption of CIFAR-10-C.
    """
    unused = ("Invert", "Color", "Contrast", "Brightness", "Sharpness")

    def policy(pixels: Tensor, generator: torch.Generator) -> Tensor:
        count, black = len(pixels), torch.zeros(3, dtype=torch.uint8)
        table = choices(fill=black, bilinear=True, largest_shift=pixels.shape[-1] / 3)
        kinds = [choice for name, choice in table.items() if name not in unused]  # the first is Identity
        depths = torch.randint(1, 4, (3 * count,), generator=generator)
        chains = pixels.repeat(3, 1, 1, 1)
        for layer in range(3):
            chosen = torch.randint(1, len(kinds), (3 * count,), generator=generator)
            levels = 0.1 + (severity - 0.1) * torch.rand(3 * count, dtype=torch.float64, generator=generator)
            chains = apply_choices(chains, kinds, chosen * (layer < depths), levels, generator)
        waits = -torch.log1p(-torch.rand(3, count, dtype=torch.float64, generator=generator))
        weights = (waits / waits.sum(dim=0) * torch.rand(count, generator=generator)).float()
        weights = weights.view(3, count, 1, 1, 1).to(pixels.device)
        return pixels + (weights * (chains.view(3, *pixels.shape).float() - pixels)).sum(dim=0)

    return policy

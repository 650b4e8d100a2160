"""Which operations does an image get, and how much of each? AutoAugment, RandAugment and AugMix, on pixels.

A policy is f(pixels, generator) -> pixels, for images (B, 3, H, W) in uint8. Levels are on the scale 0..10 of
AutoAugment's code. How much a level is, two sources say: that code, which "Spectral Bias in Practice" (section 4) took
over, and torchvision, where level 0 is no change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from specbias.training import pixel_operations
from specbias.training.pixel_operations import Operation, affine

Policy = Callable[[Tensor, torch.Generator], Tensor]


class Choice(NamedTuple):
    """An operation that an image may get."""

    operation: Operation
    amount: Callable[[Tensor], Tensor]  # of levels (B,) in float64
    signed: bool = False  # the amount is turned negative for half of the images


def choices(*, fill: Tensor, bilinear: bool = False, largest_shift: float = 10) -> dict[str, Choice]:
    """Return the operations by their names in AutoAugment, as much of each as in its code.

    `largest_shift` in pixels is a translation at level 10. No level leaves an image as it is: colours are the image's
    at level 5, and at level 0 posterizing keeps four bits.
    """

    def factor(levels: Tensor) -> Tensor:
        return _up_to(1.8, levels) + 0.1

    moves = partial(affine, fill=fill, bilinear=bilinear)
    return {
        "Identity": Choice(pixel_operations.identity, torch.zeros_like),
        "AutoContrast": Choice(pixel_operations.autocontrast, torch.zeros_like),
        "Equalize": Choice(pixel_operations.equalize, torch.zeros_like),
        "Invert": Choice(pixel_operations.invert, torch.zeros_like),
        "Solarize": Choice(pixel_operations.solarize, lambda levels: 256 - _whole(256, levels)),
        "Posterize": Choice(pixel_operations.posterize, lambda levels: 4 - _whole(4, levels)),
        "Color": Choice(pixel_operations.color, factor),
        "Contrast": Choice(pixel_operations.contrast, factor),
        "Brightness": Choice(pixel_operations.brightness, factor),
        "Sharpness": Choice(pixel_operations.sharpness, factor),
        "Rotate": Choice(moves(pixel_operations.rotation), partial(_whole, 30), signed=True),
        "ShearX": Choice(moves(pixel_operations.shear_x), partial(_up_to, 0.3), signed=True),
        "ShearY": Choice(moves(pixel_operations.shear_y), partial(_up_to, 0.3), signed=True),
        "TranslateX": Choice(moves(pixel_operations.translate_x), partial(_whole, largest_shift), signed=True),
        "TranslateY": Choice(moves(pixel_operations.translate_y), partial(_whole, largest_shift), signed=True),
    }


def torchvision_choices(*, fill: Tensor, size: int) -> dict[str, Choice]:
    """Return the same operations, as much of each as in torchvision, for images of that size.

    They are the ranges of AutoAugment's article, but begin at the image: colours move away from it either way,
    posterizing keeps eight bits, and solarizing inverts white alone.
    """

    def coloured(operation: Operation) -> Choice:
        return Choice(lambda images, amounts: operation(images, 1 + amounts), partial(_up_to, 0.9), signed=True)

    return choices(fill=fill, largest_shift=150 / 331 * size) | {
        "Solarize": Choice(pixel_operations.solarize, lambda levels: (255 - _up_to(255, levels)).ceil()),
        "Posterize": Choice(pixel_operations.posterize, lambda levels: 8 - _up_to(4, levels).round()),
        "Color": coloured(pixel_operations.color),
        "Contrast": coloured(pixel_operations.contrast),
        "Brightness": coloured(pixel_operations.brightness),
        "Sharpness": coloured(pixel_operations.sharpness),
        "Rotate": Choice(affine(pixel_operations.rotation, fill=fill), partial(_up_to, 30), signed=True),
    }


def _up_to(largest: float, levels: Tensor) -> Tensor:
    return levels * largest / 10


def _whole(largest: float, levels: Tensor) -> Tensor:
    return _up_to(largest, levels).trunc()


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


def _choices_of(source: str, *, fill: Tensor, size: int) -> dict[str, Choice]:
    return torchvision_choices(fill=fill, size=size) if source == "torchvision" else choices(fill=fill)


def random_operations(magnitude: float, *, layers: int, fill: Tensor, source: str = "code") -> Policy:
    """Return RandAugment: so many operations one after the other, each drawn evenly from all but Invert.

    The amounts are those of the code or of torchvision, whose magnitude, of 30, is three times this one.
    """

    def policy(pixels: Tensor, generator: torch.Generator) -> Tensor:
        named = _choices_of(source, fill=fill, size=pixels.shape[-1])
        table = [choice for name, choice in named.items() if name != "Invert"]
        levels = torch.full((len(pixels),), magnitude, dtype=torch.float64)
        for _ in range(layers):
            chosen = torch.randint(len(table), (len(pixels),), generator=generator)
            pixels = apply_choices(pixels, table, chosen, levels, generator)
        return pixels

    return policy


def sub_policies(*, fill: Tensor, source: str = "code", found_on: str = "CIFAR10") -> Policy:
    """Return AutoAugment: one of its sub-policies, that is two operations, each with its probability.

    The sub-policies are the article's, found on CIFAR10, IMAGENET or SVHN. Their levels go up to 9; in the code, which
    goes up to 10, that is nine tenths of the most, in torchvision the most.
    """
    from torchvision.transforms import AutoAugment, AutoAugmentPolicy  # seconds, for one intervention

    # (sub-policy, step): name, probability and level; torchvision holds the article's lists
    steps = [step for pair in AutoAugment(AutoAugmentPolicy[found_on]).policies for step in pair]
    named = [name for name, _, _ in steps]
    probability = torch.tensor([probability for _, probability, _ in steps]).view(-1, 2)
    level = torch.tensor([level or 0 for _, _, level in steps], dtype=torch.float64).view(-1, 2)
    level = level * 10 / 9 if source == "torchvision" else level

    def policy(pixels: Tensor, generator: torch.Generator) -> Tensor:
        table = _choices_of(source, fill=fill, size=pixels.shape[-1])
        names = list(table)
        places = torch.tensor([names.index(name) for name in named]).view(-1, 2)
        drawn = torch.randint(len(places), (len(pixels),), generator=generator)
        for step in range(2):
            done = torch.rand(len(pixels), generator=generator) < probability[drawn, step]
            chosen = torch.where(done, places[drawn, step], names.index("Identity"))
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

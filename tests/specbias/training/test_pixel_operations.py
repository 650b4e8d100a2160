"""Every operation on a batch against PIL on each image: equal, the bilinear ones to one level in 5,000 pixels."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from specbias.data import load_data
from specbias.data.datasets import DATASETS
from specbias.settings.config import TrialConfig
from specbias.training import pixel_operations

FILL = (125, 123, 114)


@pytest.fixture(scope="module")
def images():
    """Noise, noise of low contrast, a single colour, and real scans with many equal values."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(256, (120, 3, 32, 32), generator=generator).byte()
    noise[60:110] = noise[60:110] // 8 + 70
    noise[110:] = 77
    return torch.cat([noise, load_data(TrialConfig(dataset="digits")).train.images[:80]])


@pytest.fixture(autouse=True)
def one_thread(threads):
    torch.set_num_threads(1)


def amounts(low, high, *, whole=False):
    drawn = low + (high - low) * torch.rand(200, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    drawn[:2] = torch.tensor([low, high])
    return drawn.round() if whole else drawn


def different(images, operation, amount, twin):
    """Return by how many levels the operation's pixels and the twin's differ."""
    before = images.clone()
    found = operation(images, amount)
    assert torch.equal(images, before) and found.dtype == torch.uint8
    pictures = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
    twins = np.stack([np.asarray(twin(p, a)) for p, a in zip(pictures, amount.tolist(), strict=True)])
    return np.abs(found.permute(0, 2, 3, 1).numpy().astype(int) - twins)


@pytest.mark.parametrize(
    ("name", "amount", "twin"),
    [
        ("identity", amounts(0, 1), lambda image, _: image),
        ("invert", amounts(0, 1), lambda image, _: ImageOps.invert(image)),
        ("solarize", amounts(0, 256, whole=True), lambda image, level: ImageOps.solarize(image, int(level))),
        ("posterize", amounts(1, 8, whole=True), lambda image, bits: ImageOps.posterize(image, int(bits))),
        ("autocontrast", amounts(0, 1), lambda image, _: ImageOps.autocontrast(image)),
        ("equalize", amounts(0, 1), lambda image, _: ImageOps.equalize(image)),
        ("color", amounts(0, 2), lambda image, factor: ImageEnhance.Color(image).enhance(factor)),
        ("contrast", amounts(0, 2), lambda image, factor: ImageEnhance.Contrast(image).enhance(factor)),
        ("brightness", amounts(0, 2), lambda image, factor: ImageEnhance.Brightness(image).enhance(factor)),
        ("sharpness", amounts(0, 2), lambda image, factor: ImageEnhance.Sharpness(image).enhance(factor)),
    ],
)
def test_a_colour_operation_is_pils(images, name, amount, twin):
    assert different(images, getattr(pixel_operations, name), amount, twin).max() == 0


def test_no_bits_left_is_black(images):
    assert pixel_operations.posterize(images, torch.zeros(200, dtype=torch.float64)).max() == 0


def moved(image, *matrix, resample):
    return image.transform(image.size, Image.AFFINE, matrix, resample=resample, fillcolor=FILL)


@pytest.mark.parametrize("bilinear", [False, True])
@pytest.mark.parametrize(
    ("matrix", "amount", "twin"),
    [
        ("rotation", amounts(-30, 30), lambda image, a, resample: image.rotate(a, resample=resample, fillcolor=FILL)),
        ("shear_x", amounts(-0.3, 0.3), lambda image, a, resample: moved(image, 1, a, 0, 0, 1, 0, resample=resample)),
        ("shear_y", amounts(-0.3, 0.3), lambda image, a, resample: moved(image, 1, 0, 0, a, 1, 0, resample=resample)),
        (
            "translate_x",
            amounts(-10, 10, whole=True),
            lambda image, a, resample: moved(image, 1, 0, a, 0, 1, 0, resample=resample),
        ),
        (
            "translate_y",
            amounts(-10, 10, whole=True),
            lambda image, a, resample: moved(image, 1, 0, 0, 0, 1, a, resample=resample),
        ),
    ],
)
@pytest.mark.parametrize("size", [(32, 32), (20, 28)])
def test_a_movement_is_pils(images, matrix, amount, twin, bilinear, size):
    resample = Image.BILINEAR if bilinear else Image.NEAREST
    operation = pixel_operations.affine(
        getattr(pixel_operations, matrix), fill=torch.tensor(FILL, dtype=torch.uint8), bilinear=bilinear
    )
    levels = different(
        images[:, :, : size[0], : size[1]].contiguous(), operation, amount, lambda image, a: twin(image, a, resample)
    )
    assert levels.max() <= bilinear and (levels > 0).mean() <= 1 / 5_000


def test_the_fill_of_the_interventions_is_the_mean_colour():
    assert tuple(round(255 * mean) for mean in DATASETS["cifar10"].mean) == FILL

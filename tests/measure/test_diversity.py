"""Diversity inside classes: planted levels rank right by every definition, and closed forms where there is one."""

import numpy as np
import pytest
import torch

from specbias.data import Data, Split
from specbias.measure.diversity import PRIMARY, class_diversity

SIZE, CLASSES = 4, 3
PIXELS = 3 * SIZE * SIZE


def data_of(images, labels):
    none = Split(images[:0], labels[:0])
    return Data(Split(images, labels), none, none, mean=(0.5,) * 3, std=(0.25,) * 3, num_classes=CLASSES)


@pytest.fixture
def noise():
    """Images of three classes whose pixels are independent with standard deviations of 10, 20 and 40 levels."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([10.0, 20.0, 40.0]).repeat_interleave(400)
    pixels = torch.randn(1200, 3, SIZE, SIZE, generator=generator) * spread[:, None, None, None] + 128
    return data_of(pixels.round().clamp(0, 255).byte(), torch.arange(3).repeat_interleave(400))


def test_independent_pixels_have_their_variance_in_every_direction(noise):
    found = class_diversity(noise, noise.train)
    variance = np.array([10, 20, 40]) ** 2 / (255 * 0.25) ** 2  # of a pixel in normalised units
    assert found[PRIMARY] == pytest.approx(PIXELS * variance, rel=0.05)
    assert found["mean_distance"] == pytest.approx(np.sqrt(2 * PIXELS * variance), rel=0.05)
    # The eigenvalues of N samples of D equal ones spread (Marchenko-Pastur): D N / (N + D) directions.
    assert found["participation_ratio"] == pytest.approx(PIXELS * 400 / (400 + PIXELS), rel=0.05)


def test_one_direction_counts_as_one_and_few_images_are_the_same_as_their_gram_matrix():
    shade = torch.arange(0, 200, 2)[:, None, None, None].expand(100, 3, SIZE, SIZE).byte()
    found = class_diversity(data := data_of(shade, torch.zeros(100).long()), data.train)
    assert found["participation_ratio"][0] == pytest.approx(1, abs=1e-4)
    few = class_diversity(data := data_of(shade[:10], torch.zeros(10).long()), data.train)  # fewer than pixels
    assert few["participation_ratio"][0] == pytest.approx(1, abs=1e-4)
    # two images at distance d: total variance d^2 / 4, and every pair of different ones is that pair
    two = class_diversity(data := data_of(shade[[0, 50]], torch.zeros(2).long()), data.train)
    distance = 100 / (255 * 0.25) * np.sqrt(PIXELS)
    assert two["mean_distance"][0] == pytest.approx(distance) and two[PRIMARY][0] == pytest.approx(distance**2 / 4)


def test_a_class_of_one_image_or_none_has_no_diversity_and_the_draw_is_fixed(noise):
    one = data_of(noise.train.images[:401], noise.train.labels[:401])
    found = class_diversity(one, one.train)
    for values in found.values():
        assert np.isfinite(values[0]) and np.isnan(values[1:]).all()
    again = class_diversity(one, one.train)
    assert again["mean_distance"][0] == found["mean_distance"][0]
    assert class_diversity(one, one.train, seed=1)["mean_distance"][0] != found["mean_distance"][0]

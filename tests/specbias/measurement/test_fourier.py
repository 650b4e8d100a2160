"""Fourier paths against a numpy twin in full complex transforms, and consistent distances by hand."""

import numpy as np
import pytest
import torch

from specbias.data import load_data
from specbias.measurement.fourier import consistent_distance, fourier_path, measure_fourier
from specbias.settings import SettingError
from specbias.settings.config import TrialConfig


@pytest.fixture(scope="module")
def data():
    return load_data(TrialConfig(dataset="digits", batch_size=2))


def twin(first, second, weight, part):
    """RobustNets' definition in float64: in the shifted spectrum the central 13 x 13 block, per channel."""
    spectra = [np.fft.fftshift(np.fft.fft2(image, axes=(1, 2)), axes=(1, 2)) for image in (first, second)]
    amplitude, other_amplitude = (np.abs(s) for s in spectra)
    phase, other_phase = (np.angle(s) for s in spectra)
    block = (slice(None), slice(10, 23), slice(10, 23))
    if part == "amplitude":
        amplitude[block] = weight * amplitude[block] + (1 - weight) * other_amplitude[block]
    else:
        phase[block] = weight * phase[block] + (1 - weight) * other_phase[block]
    mixed = np.fft.ifftshift(amplitude * np.exp(1j * phase), axes=(1, 2))
    return np.real(np.fft.ifft2(mixed, axes=(1, 2)))


@pytest.mark.parametrize("part", ["amplitude", "phase"])
def test_images_on_the_path_equal_the_twins(data, part):
    """Natural images would do; random ones have no symmetry to hide behind."""
    images = torch.randint(256, (6, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    split = data.test._replace(images=images)
    first, second = torch.tensor([0, 2, 4]), torch.tensor([1, 3, 5])
    sample = fourier_path(data, split, first, second, part)
    path, step = torch.tensor([0, 0, 0, 1, 2]), torch.tensor([0, 40, 99, 17, 60])
    normalised = data.normalise(images).double().numpy()
    for image, p, s in zip(sample(path, step), path.tolist(), step.tolist(), strict=True):
        weight = np.linspace(0, 1, 100)[::-1][s]
        expected = twin(normalised[first[p]], normalised[second[p]], weight, part)
        assert image.numpy() == pytest.approx(expected, abs=2e-5)
    start = sample(torch.tensor([1]), torch.tensor([0]))[0]
    assert start.numpy() == pytest.approx(normalised[2], abs=1e-5)  # it begins at the first image itself


def test_the_consistent_distance_is_the_first_sample_of_another_class():
    outputs = torch.zeros(3, 100, 4)
    outputs[:, :, 0] = 1
    outputs[1, 37:, 2] = 2
    outputs[2, 5:8, 1] = 2
    assert consistent_distance(outputs).tolist() == [100, 37, 5]


def test_pairs_are_disjoint_and_a_constant_function_is_consistent_all_the_way(data):
    summary, arrays = measure_fourier(
        lambda x: torch.eye(10)[3].repeat(len(x), 1), data, split="test", pairs=9, batch_size=256
    )
    images = [*arrays["fourier/first_image"], *arrays["fourier/second_image"]]
    assert len(set(images)) == 18
    for part in ("amplitude", "phase"):
        assert summary[part]["high_frequency_share"] == pytest.approx(0, abs=1e-12)
        assert summary[part]["consistent_distance"] == 100
    with pytest.raises(SettingError, match="400 Fourier pairs need 800 images, test has 602"):
        measure_fourier(lambda x: x, data, split="test", pairs=400, batch_size=256)

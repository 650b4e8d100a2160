"""Local lines: their points against numpy, and a planted wave that shows at its own frequency."""

import numpy as np
import pytest
import torch

from specbias.data import load_data
from specbias.measurement.local import measure_local, random_lines
from specbias.settings import SettingError
from specbias.settings.config import TrialConfig


@pytest.fixture(scope="module")
def data():
    return load_data(TrialConfig(dataset="digits", batch_size=2))


def test_points_lie_around_the_image_in_pixel_units(data):
    direction = torch.zeros(1, 3, 32, 32)
    direction[0, 1, 4, 5] = 1.0
    points = random_lines(data, data.test, torch.tensor([7]), direction)(torch.zeros(128, dtype=int), torch.arange(128))
    pixels = points.numpy() * np.array(data.std).reshape(1, 3, 1, 1) + np.array(data.mean).reshape(1, 3, 1, 1)
    offset = pixels - data.test.images[7].numpy() / 255
    assert offset[:, 1, 4, 5] == pytest.approx(-0.5 + np.arange(128) / 128, abs=1e-6)
    offset[:, 1, 4, 5] = 0
    assert np.abs(offset).max() < 1e-6


def test_a_wave_in_the_norm_of_the_step_shows_at_its_frequency(data):
    """The logits are a wave along the very line: 20 cycles per unit."""
    image = data.normalise(data.test.images[:1])

    def predict(images):
        along = ((images - image) * data.std[0]).flatten(1)  # back to [0, 1] units
        place = along.norm(dim=1) * torch.where(along @ along[0] > 0, -1.0, 1.0)
        return torch.sin(2 * torch.pi * 20 * place).unsqueeze(1).repeat(1, 10)

    scalars, arrays = measure_local(predict, data, split="test", images=1, batch_size=128)
    assert arrays["local/energy"].argmax() == 20
    assert scalars["mean_frequency"] == pytest.approx(20, abs=1)
    assert np.exp(arrays["local/log_energy_share"]).sum() == pytest.approx(1)


def test_energy_is_the_mean_over_images_and_classes_of_squared_amplitudes(data):
    """Against numpy, line by line, with the same directions."""
    matrix = torch.randn(3072, 10, generator=torch.Generator().manual_seed(1)) / 50
    seen = []

    def predict(images):
        seen.append(torch.tanh(images.flatten(1) @ matrix))
        return seen[-1]

    scalars, arrays = measure_local(predict, data, split="test", images=3, batch_size=1000)
    signals = torch.cat(seen).view(3, 128, 10).double().numpy()
    energy = (np.abs(np.fft.rfft(signals, axis=1)) ** 2).mean(axis=(0, 2))
    assert arrays["local/energy"] == pytest.approx(energy, rel=1e-9)
    assert scalars["mean_frequency"] == pytest.approx((np.arange(65) * energy)[1:].sum() / energy[1:].sum(), rel=1e-9)
    assert arrays["local/log_energy_share"] == pytest.approx(np.log(energy / energy.sum()), rel=1e-6)


def test_more_lines_than_images_are_refused(data):
    with pytest.raises(SettingError, match="603 local lines need as many images, test has 602"):
        measure_local(lambda x: x, data, split="test", images=603, batch_size=128)

"""Spectra against numpy, planted waves, and the published values of the released definition."""

import numpy as np
import pytest
import torch

from specbias.measure.spectra import FREQUENCIES, amplitude_spectrum, high_frequency_share, on_frequency_axis

T = 75


def two_class(p):
    """A path (T, 10) that goes from the first class to the second."""
    signal = torch.zeros(len(p), 10, dtype=torch.float64)
    signal[:, 0], signal[:, 1] = 1 - p, p
    return signal


def share(signal):
    return high_frequency_share(amplitude_spectrum(signal)).item()


def release(signal):
    """The RobustNets release, in numpy, step by step."""
    amplitude = np.mean([np.abs(np.fft.rfft(signal[:, c])) for c in range(signal.shape[1])], axis=0)
    threshold = int(np.ceil(0.1 * len(amplitude)))
    return amplitude, amplitude[threshold:-1].sum() / amplitude.sum()


@pytest.mark.parametrize("samples", [4, 5, 20, 75, 76, 108])
def test_spectrum_and_share_equal_the_releases(samples):
    signal = np.random.default_rng(samples).dirichlet(np.ones(10), samples)
    amplitude, expected = release(signal)
    assert amplitude_spectrum(torch.from_numpy(signal)).numpy() == pytest.approx(amplitude, abs=1e-12)
    assert share(torch.from_numpy(signal)) == pytest.approx(expected, abs=1e-12)


def test_the_threshold_is_the_releases_for_every_number_of_bins():
    for bins in range(3, 400):
        amplitude = np.random.default_rng(bins).random(bins)
        expected = amplitude[int(np.ceil(0.1 * bins)) : -1].sum() / amplitude.sum()
        assert high_frequency_share(torch.from_numpy(amplitude)).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("width", "published"), [(1, 0.297), (4, 0.309), (16, 0.303)])
def test_sigmoids_have_their_published_share(width, published):
    t = torch.arange(T, dtype=torch.float64)
    assert share(two_class(1 / (1 + torch.exp(-(t - 37.5) / width)))) == pytest.approx(published, abs=1e-3)


@pytest.mark.parametrize(("samples", "published"), [(50, 0.336), (75, 0.340), (76, 0.299), (108, 0.281)])
def test_a_hard_step_has_its_published_share_at_every_length(samples, published):
    t = torch.arange(samples)
    assert share(two_class((t >= samples // 2).double())) == pytest.approx(published, abs=1e-3)


def test_a_ramp_has_its_published_share():
    assert share(two_class(torch.arange(T, dtype=torch.float64) / 74)) == pytest.approx(0.340, abs=1e-3)


def test_a_constant_model_measures_zero():
    assert share(torch.full((T, 10), 0.1)) < 1e-12


@pytest.mark.parametrize("frequency", [0.04, 0.1, 0.25, 0.4])
def test_a_planted_wave_is_recovered_at_its_frequency_and_height(frequency):
    samples = 100
    wave = 0.3 * torch.sin(2 * torch.pi * frequency * torch.arange(samples, dtype=torch.float64))
    signal = torch.stack([0.5 + wave, 0.5 - wave], dim=1)
    spectrum = on_frequency_axis(amplitude_spectrum(signal), samples)
    assert FREQUENCIES[spectrum[1:].argmax() + 1] == pytest.approx(frequency)
    assert spectrum.max() == pytest.approx(0.5)  # the constant part
    assert spectrum[1:].max() == pytest.approx(0.15)
    assert (share(signal) > 0.2) == (frequency > 0.05)


def test_the_axis_is_the_same_for_paths_of_every_length():
    for samples in (40, 75, 160):
        t = torch.arange(samples, dtype=torch.float64)
        signal = (0.5 + 0.5 * torch.sin(2 * torch.pi * 0.2 * t)).unsqueeze(1)
        spectrum = on_frequency_axis(amplitude_spectrum(signal), samples)
        assert spectrum.shape == (51,)
        assert FREQUENCIES[spectrum[5:].argmax() + 5] == pytest.approx(0.2, abs=0.01)


def test_interpolation_to_the_axis_equals_numpys():
    amplitude = np.random.default_rng(0).random((3, 38))  # 75 samples: bins at k / 75
    found = on_frequency_axis(torch.from_numpy(amplitude), 75)
    for row, twin in zip(found, amplitude, strict=True):
        assert row[0].item() == pytest.approx(twin[0] / 75)
        rest = np.interp(FREQUENCIES[1:], np.arange(1, 38) / 75, twin[1:]) / 75
        assert row[1:].numpy() == pytest.approx(rest, abs=1e-12)

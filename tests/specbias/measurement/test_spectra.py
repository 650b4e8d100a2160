"""Spectra against numpy, planted waves, and the published values of the released definition."""

import itertools

import numpy as np
import pytest
import torch

from specbias.measurement.spectra import (
    BOUNDARIES,
    amplitude_spectrum,
    fixed_band_share,
    frequency_axis,
    high_frequency_share,
    mean_frequency,
    on_frequency_axis,
    period,
    signal_of,
    total_variation,
)

T = 75
FREQUENCIES = frequency_axis(0.5)


def two_class(p):
    """A path (T, 10) that goes from the first class to the second."""
    signal = torch.zeros(len(p), 10, dtype=torch.float64)
    signal[:, 0], signal[:, 1] = 1 - p, p
    return signal


def share(signal):
    return high_frequency_share(amplitude_spectrum(signal)).item()


def band_share(signal, boundary="periodic", *, step=1.0, band=0.05):
    amplitude = amplitude_spectrum(signal, boundary)
    frequencies = torch.arange(amplitude.shape[-1]).double() / (period(len(signal), boundary) * step)
    return fixed_band_share(amplitude, frequencies, samples=len(signal), step=torch.tensor(step), band=band).item()


def band_twin(amplitude, repeat, step, band):
    """The share above the band, each bin cut into 1,000 slices of equal weight, over [k - 1/2, k + 1/2] bins."""
    slices = (np.arange(len(amplitude))[:, None] + (np.arange(1000) + 0.5) / 1000 - 0.5) / (repeat * step)
    return (amplitude[:, None] * (slices > band)).sum() / 1000 / amplitude.sum()


def on_axis(signal, samples, step=1.0):
    """The mean spectrum of one path at 51 frequencies, per sample."""
    amplitude = amplitude_spectrum(signal) / samples
    bins = torch.arange(amplitude.shape[-1], dtype=torch.float64) / (samples * step)
    return on_frequency_axis(amplitude.unsqueeze(0), bins.unsqueeze(0), FREQUENCIES)[0]


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


def transition(name):
    t = torch.arange(T, dtype=torch.float64)
    return (
        {"step": (t >= T // 2).double(), "ramp": t / 74}.get(name)
        if isinstance(name, str)
        else torch.sigmoid((t - 37.5) / name)
    )


# As released, computed in numpy by others before this was.
PUBLISHED = {"step": 0.340, 1: 0.297, 4: 0.309, 16: 0.303, "ramp": 0.340}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_change_of_class_has_its_published_share(name):
    assert share(two_class(transition(name))) == pytest.approx(PUBLISHED[name], abs=1e-3)


@pytest.mark.parametrize(("samples", "published"), [(50, 0.336), (75, 0.340), (76, 0.299), (108, 0.281)])
def test_a_hard_step_has_its_published_share_at_every_length(samples, published):
    t = torch.arange(samples)
    assert share(two_class((t >= samples // 2).double())) == pytest.approx(published, abs=1e-3)


@pytest.mark.parametrize(("samples", "sharp", "excursion"), [(58, 0.327, 0.054), (60, 0.323, 0.050)])
def test_above_a_fixed_band_a_function_has_the_same_share_on_a_path_two_samples_longer(samples, sharp, excursion):
    """A change of class (logistic, width 2), and a path that leaves its class for 15 units; released 0.346 and 0.285,
    0.070 and 0.027."""
    t = torch.arange(samples).double() - samples / 2
    assert band_share(two_class(torch.sigmoid(t / 2))) == pytest.approx(sharp, abs=6e-4)
    left = torch.sigmoid((t + 7.5) / 2) - torch.sigmoid((t - 7.5) / 2)
    assert band_share(two_class(left)) == pytest.approx(excursion, abs=6e-4)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(("samples", "step", "band"), [(20, 1.0, 0.05), (75, 0.5, 0.05), (76, 2.0, 0.11), (76, 1, 0.4)])
def test_the_share_above_a_band_equals_a_twin_that_cuts_bins_into_slices(boundary, samples, step, band):
    signal = torch.from_numpy(np.random.default_rng(samples).dirichlet(np.ones(10), samples))
    twin = band_twin(amplitude_spectrum(signal, boundary).numpy(), period(samples, boundary), step, band)
    assert band_share(signal, boundary, step=step, band=band) == pytest.approx(twin, abs=1e-3)


def test_a_band_that_a_path_cannot_tell_has_no_share_and_never_a_silent_0_or_1():
    """Of 20 samples a unit apart, bins are 1/20 wide, and the highest frequency is 1/2: of 2 units, half of both.

    The mirror's last bin is 0 for every function: from 0.4875 on nothing is left of its share.
    """
    signal = two_class(torch.linspace(0, 1, 20).double() ** 2)
    for boundary, step in itertools.product(BOUNDARIES, (1.0, 2.0)):
        for band, there in ((0.02, False), (0.024, False), (0.026, True), (0.487, True), (0.488, False), (0.5, False)):
            found = band_share(signal, boundary, step=step, band=band / step)
            assert np.isfinite(found) == there, (boundary, band)
            assert not there or 0 < found < 1


def test_the_shares_of_a_path_exist_under_all_boundaries_or_under_none():
    """At the default band a unit apart from 10 samples on; the mirror's share of 5 is 1, whatever the function."""
    for samples in range(4, 20):
        signal = two_class(torch.linspace(0, 1, samples).double() ** 2)
        for boundary in BOUNDARIES:
            assert np.isfinite(band_share(signal, boundary)) == (samples >= 10), (boundary, samples)


def test_a_constant_model_measures_zero():
    assert band_share(torch.full((T, 10), 0.1)) < 1e-12
    assert share(torch.full((T, 10), 0.1)) < 1e-12


@pytest.mark.parametrize("frequency", [0.04, 0.1, 0.25, 0.4])
def test_a_planted_wave_is_recovered_at_its_frequency_and_height(frequency):
    samples = 100
    wave = 0.3 * torch.sin(2 * torch.pi * frequency * torch.arange(samples, dtype=torch.float64))
    signal = torch.stack([0.5 + wave, 0.5 - wave], dim=1)
    spectrum = on_axis(signal, samples)
    assert FREQUENCIES[spectrum[1:].argmax() + 1] == pytest.approx(frequency)
    assert spectrum.max() == pytest.approx(0.5)  # the constant part
    assert spectrum[1:].max() == pytest.approx(0.15)
    assert (share(signal) > 0.2) == (frequency > 0.05)


def test_the_axis_is_the_same_for_paths_of_every_length():
    for samples in (40, 75, 160):
        t = torch.arange(samples, dtype=torch.float64)
        signal = (0.5 + 0.5 * torch.sin(2 * torch.pi * 0.2 * t)).unsqueeze(1)
        spectrum = on_axis(signal, samples)
        assert spectrum.shape == (51,)
        assert FREQUENCIES[spectrum[5:].argmax() + 5] == pytest.approx(0.2, abs=0.01)


def test_interpolation_to_the_axis_equals_numpys():
    amplitude = np.random.default_rng(0).random((3, 38))  # 75 samples: bins at k / 75
    bins = np.tile(np.arange(38) / 75, (3, 1))
    found = on_frequency_axis(torch.from_numpy(amplitude), torch.from_numpy(bins), FREQUENCIES)
    for row, twin in zip(found, amplitude, strict=True):
        assert row[0].item() == pytest.approx(twin[0])
        assert row[1:].numpy() == pytest.approx(np.interp(FREQUENCIES[1:], bins[0, 1:], twin[1:]), abs=1e-12)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("samples", [4, 75, 76])
def test_every_boundary_equals_numpy_step_by_step(boundary, samples):
    signal = np.random.default_rng(samples).dirichlet(np.ones(10), samples)
    changed = {
        "periodic": signal,
        "mirror": np.concatenate([signal, signal[::-1]]) - signal.mean(0),
        "hann": (signal - signal.mean(0)) * np.hanning(samples)[:, None],
        "detrend": signal - np.linspace(signal[0], signal[-1], samples),
    }[boundary]
    twin = np.abs(np.fft.rfft(changed, axis=0)).mean(axis=1)
    assert amplitude_spectrum(torch.from_numpy(signal), boundary).numpy() == pytest.approx(twin, abs=1e-12)
    assert period(samples, boundary) == len(changed)


def test_rounding_around_a_constant_is_no_frequency_and_a_real_wave_is():
    noise = torch.randn(T, 10, generator=torch.Generator().manual_seed(0)).double()
    assert band_share(0.1 + 1e-8 * noise, "mirror") == 0 < 0.5 < band_share(0.1 + 1e-5 * noise, "mirror")


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("level", [0.1, 1 / 3, 1e-3, 1e5])
def test_a_constant_signal_has_no_frequency_with_any_boundary(boundary, level):
    amplitude = amplitude_spectrum(torch.full((T, 10), level), boundary)
    assert band_share(torch.full((T, 10), level), boundary) < 1e-12
    assert mean_frequency(amplitude, torch.arange(amplitude.shape[-1])).item() < 1e-9


def test_the_mean_frequency_counts_the_constant_part():
    """A wave of height 1/2 around 1/2 at 0.2 cycles per unit: amplitudes T/2 at 0 and T/4 at 0.2."""
    t = torch.arange(100, dtype=torch.float64)
    amplitude = amplitude_spectrum((0.5 + 0.5 * torch.sin(2 * torch.pi * 0.2 * t)).unsqueeze(1))
    assert mean_frequency(amplitude, torch.arange(51) / 100).item() == pytest.approx(0.2 * 25 / 75)


def test_total_variation_is_per_unit_of_distance():
    """From one class to the other and back, over 8 samples half a unit apart: 4 in all, over 3.5 units."""
    signal = two_class(torch.tensor([0, 0.5, 1, 1, 1, 0.25, 0, 0], dtype=torch.float64))
    assert total_variation(signal, torch.tensor(0.5)).item() == pytest.approx(4 / 3.5)


def test_signals_are_probabilities_logits_or_the_margin_of_the_class_in_which_the_path_begins():
    logits = torch.tensor([[[1.0, 3.0, 2.0], [5.0, 3.0, 2.0]]])
    assert torch.allclose(signal_of(logits, "probabilities", torch.tensor([1])).sum(-1), torch.ones(1, 2).double())
    assert torch.equal(signal_of(logits, "logits", torch.tensor([1])), logits.double())
    assert signal_of(logits, "margin", torch.tensor([1])).tolist() == [[[1.0], [-2.0]]]
    assert signal_of(logits, "margin", torch.tensor([0])).tolist() == [[[-2.0], [2.0]]]

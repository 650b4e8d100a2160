"""Spectra against numpy, planted waves, and the published values of the released definition."""

import numpy as np
import pytest
import torch

from specbias.measure.spectra import (
    BOUNDARIES,
    amplitude_spectrum,
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


def share(signal, boundary="periodic"):
    return high_frequency_share(amplitude_spectrum(signal, boundary), boundary).item()


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


# As released; the mean removed; and with each boundary.
PUBLISHED = {
    "step": (0.340, 0.534, 0.567, 0.481, 0.583),
    1: (0.297, 0.485, 0.309, 0.215, 0.320),
    4: (0.309, 0.508, 0.048, 0.014, 0.058),
    16: (0.303, 0.558, 0.032, 0.020, 0.061),
    "ramp": (0.340, 0.587, 0.042, 0.043, 0.0),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_change_of_class_has_its_published_share_with_every_boundary(name):
    signal = two_class(transition(name))
    found = [share(signal, boundary) for boundary in ("periodic", "hann", "mirror", "detrend")]
    # without its mean but periodic: the last bin counts, as with the boundaries that take something off
    found.insert(1, high_frequency_share(amplitude_spectrum(signal - signal.mean(0)), "mirror").item())
    assert found == pytest.approx(PUBLISHED[name], abs=1e-3)


@pytest.mark.parametrize(("samples", "published"), [(50, 0.336), (75, 0.340), (76, 0.299), (108, 0.281)])
def test_a_hard_step_has_its_published_share_at_every_length(samples, published):
    t = torch.arange(samples)
    assert share(two_class((t >= samples // 2).double())) == pytest.approx(published, abs=1e-3)


def test_a_constant_model_measures_zero():
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
    assert share(0.1 + 1e-8 * noise, "mirror") == 0 < 0.5 < share(0.1 + 1e-5 * noise, "mirror")


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("level", [0.1, 1 / 3, 1e-3, 1e5])
def test_a_constant_signal_has_no_frequency_with_any_boundary(boundary, level):
    amplitude = amplitude_spectrum(torch.full((T, 10), level), boundary)
    assert share(torch.full((T, 10), level), boundary) < 1e-12
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

"""The share above a fixed band has no steps from a path to one two samples longer, where the released one has them.

On functions of fixed physical width, at every even length from 40 to 140 samples a unit apart: a change of class, a
path that leaves its class for 15 units, each at 100 random places, and sums of three sines of random frequency and
phase. Single sines are left out: whether they fit into a period is a frequency of its own.
"""

import numpy as np
import pytest
import torch

from specbias.measurement.spectra import (
    BOUNDARIES,
    amplitude_spectrum,
    fixed_band_share,
    high_frequency_share,
    period,
)

LENGTHS = range(40, 143, 2)


def random(*shape):
    return torch.from_numpy(np.random.default_rng(0).random(shape))


def step(samples, spacing=1.0):
    at = samples * (0.2 + 0.6 * random(100, 1))
    return torch.sigmoid(spacing * (torch.arange(samples) - at) / 2)


def excursion(samples):
    at = 10 + (samples - 35) * random(100, 1)
    t = torch.arange(samples)
    return torch.sigmoid((t - at) / 2) - torch.sigmoid((t - at - 15) / 2)


def sines(samples):
    frequency, phase = random(2, 300, 3, 1)
    turns = (0.01 + 0.29 * frequency) * torch.arange(samples) + phase
    return 0.5 + torch.sin(2 * torch.pi * turns).mean(1) / 2


def fixed_band(signals, boundary, spacing=1.0):
    amplitude = amplitude_spectrum(signals, boundary)
    samples, step = signals.shape[1], torch.full((len(amplitude), 1), spacing)
    frequencies = torch.arange(amplitude.shape[-1]).double() / (period(samples, boundary) * step)
    return fixed_band_share(amplitude, frequencies, samples=samples, step=step.squeeze(1), band=0.05)


def changes(function, share):
    """How far the mean share moves from each length to that two samples longer."""
    means = np.array([share(torch.stack([1 - p, p], -1)).mean().item() for p in map(function, LENGTHS)])
    return np.abs(np.diff(means))


def at_steps(every):
    """The changes across a multiple of `every` samples: where the first bin that the released form counts steps up."""
    return np.array([(length + 2) // every > length // every for length in LENGTHS[:-1]])


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("function", [step, excursion, sines])
def test_two_samples_more_change_the_share_little_and_no_more_at_the_old_steps(function, boundary):
    moved = changes(function, lambda signals: fixed_band(signals, boundary))
    old = at_steps(10 if boundary == "mirror" else 20)
    assert moved.max() < 0.03
    assert moved[old].mean() < moved[~old].mean() + 0.003


@pytest.mark.parametrize("function", [step, excursion, sines])
def test_the_released_share_has_these_steps(function):
    moved = changes(function, lambda signals: high_frequency_share(amplitude_spectrum(signals)))
    assert moved[at_steps(20)].mean() > moved[~at_steps(20)].mean() + 0.005


def over_odd(samples, boundary, spacing):
    """How much more share a change of class has on an even number of samples than on one more or less, on average."""
    shares = []
    for there in (samples - 1, samples, samples + 1):
        p = step(there, spacing)
        shares.append(fixed_band(torch.stack([1 - p, p], -1), boundary, spacing).mean().item())
    return shares[1] - (shares[0] + shares[2]) / 2


@pytest.mark.parametrize(
    ("samples", "spacing", "sizes"),
    [
        (12, 1.0, (0.013, -0.002, -0.001, 0.003)),
        (38, 1.0, (0.0036, 0, 0, 0.0005)),
        (60, 1.0, (0.0022, 0, 0, 0.0002)),
        (100, 1.0, (0.0013, 0, 0, 0)),
        (8, 8.0, (0.028, 0.001, 0.033, 0.027)),
        (12, 8.0, (0.017, 0, 0.014, 0.015)),
    ],
)
def test_an_even_number_of_samples_has_more_share_than_an_odd_one_by_what_the_docs_say(samples, spacing, sizes):
    """The last bin counts whole: of an even number it lies on the Nyquist frequency, one coefficient where others are
    two. The mirror, of twice as many samples, always has that bin, and its amplitude there is 0."""
    for boundary, size in zip(BOUNDARIES, sizes, strict=True):
        assert over_odd(samples, boundary, spacing) == pytest.approx(size, abs=max(5e-4, abs(size) / 20)), boundary

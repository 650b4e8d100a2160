"""Targets and spectra against numpy, planted waves, and the index of Kiessling & Thor against sums by hand."""

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline
from scipy.stats import spearmanr

from specbias.settings import SettingError
from specbias.synthetic.config import SinusoidsConfig
from specbias.synthetic.kiessling_thor import spectral_bias
from specbias.synthetic.networks import KAN_INTERVALS, Networks, splines
from specbias.synthetic.run import run_experiment
from specbias.synthetic.sinusoids import amplitude, build_sinusoids, grid


def test_targets_are_the_sines_that_the_config_names():
    config = SinusoidsConfig(runs=4, amplitudes="increasing")
    task = build_sinusoids(config)
    for target in task.targets.double().numpy():
        spectrum = 2 * np.abs(np.fft.rfft(target)) / 200
        assert spectrum[5:51:5] == pytest.approx(np.arange(1, 11) / 10, abs=1e-6)
        assert np.delete(spectrum, range(5, 51, 5)) == pytest.approx(0, abs=1e-7)
    assert task.inputs[0, :, 0].numpy() == pytest.approx(np.arange(200) / 200)


def test_phases_are_drawn_anew_for_each_run_and_seed():
    targets = [build_sinusoids(SinusoidsConfig(runs=2, seed=seed)).targets for seed in (0, 1)]
    assert not torch.allclose(targets[0][0], targets[0][1])
    assert not torch.allclose(targets[0], targets[1])


def test_a_planted_wave_has_its_amplitude_at_its_frequency_and_nowhere_else():
    z = grid(50)
    wave = 0.7 * torch.sin(2 * torch.pi * 6 * z + 1.0) + 3.0
    found = amplitude(wave[None], torch.arange(1, 25))
    assert found[0, 5].item() == pytest.approx(0.7)
    assert np.delete(found[0].numpy(), 5) == pytest.approx(0, abs=1e-12)


def test_before_training_the_loss_is_the_variance_of_the_target():
    config = SinusoidsConfig(runs=3, steps=1)
    _, first = next(run_experiment(config))
    assert first.arrays["loss"][:, 0] == pytest.approx(10 / 2, rel=0.01)
    assert first.metrics["synthetic/spectral_bias"] == pytest.approx(0, abs=1e-2)


def test_the_index_is_0_untrained_1_with_low_learned_and_minus_1_with_high_learned():
    z = grid(64)
    low, high = torch.sin(2 * torch.pi * 3 * z), torch.sin(2 * torch.pi * 20 * z + 2)
    outputs = torch.stack((0 * z, 0 * z + 5, low, high, 0.5 * low))
    found = spectral_bias(outputs, (low + high).expand(5, -1))
    assert found.numpy() == pytest.approx([0, 0, 1, -1, (0.5 - 0.125) / (0.5 + 0.125)], abs=1e-7)


def test_the_index_splits_the_targets_variance_in_halves_also_within_a_bin():
    generator = np.random.default_rng(0)
    target, output = generator.normal(size=(2, 51))  # an odd number of samples, all bins filled
    power = 2 * np.abs(np.fft.rfft(target - output)[1:]) ** 2
    share = 2 * np.abs(np.fft.rfft(target)[1:]) ** 2
    edges = np.concatenate([[0], np.cumsum(share)]) / share.sum()
    low = np.clip((0.5 - edges[:-1]) / np.diff(edges), 0, 1)
    expected = (power * (1 - low) - power * low).sum() / power.sum()
    found = spectral_bias(torch.from_numpy(output)[None], torch.from_numpy(target)[None])
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_between_the_halves_of_a_target_of_two_waves_frequencies_are_high():
    z, shifts = grid(64), torch.linspace(0, 6, 40, dtype=torch.float64)
    waves = [torch.sin(2 * torch.pi * k * z + shifts[:, None]) for k in (3, 9, 6)]
    target = waves[0] + waves[1]
    assert spectral_bias(target - waves[2], target).numpy() == pytest.approx(1)


def test_splines_are_scipys_on_the_grid_of_a_kan_layer():
    x = torch.linspace(-1.9, 1.9, 77)
    found = splines(x.view(1, 77, 1)).view(77, KAN_INTERVALS + 4)[:, 1:].numpy()
    width = 2 / KAN_INTERVALS
    knots = -1 + width * np.arange(-3, KAN_INTERVALS + 4)
    for number in range(KAN_INTERVALS + 3):
        basis = BSpline.basis_element(knots[number : number + 5], extrapolate=False)
        assert found[:, number] == pytest.approx(np.nan_to_num(basis(x.numpy())), abs=1e-5)
    inside = (x.abs() < 1).numpy()
    assert found[inside].sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "settings", [{"activation": "sine"}, {"activation": "kan", "width": 8}, {"fourier_features": 5.0}]
)
def test_every_way_to_change_the_bias_learns(settings):
    config = SinusoidsConfig(**{"runs": 2, "steps": 150, "width": 32, "depth": 3, "learning_rate": 2e-3} | settings)
    *_, (_, last) = run_experiment(config)
    assert (last.arrays["loss"][:, -1] < 0.9 * last.arrays["loss"][:, 0]).all()


def test_sines_and_fourier_features_learn_high_frequencies_that_relu_does_not():
    learned = {}
    for name, settings in {"relu": {}, "sine": {"activation": "sine"}, "encoded": {"fourier_features": 20.0}}.items():
        config = SinusoidsConfig(runs=2, steps=200, width=64, depth=4, learning_rate=5e-4, **settings)
        *_, (_, last) = run_experiment(config)
        learned[name] = last.arrays["amplitude"][:, -1, -3:].mean()
    assert learned["relu"] < 0.1 < learned["sine"]
    assert learned["encoded"] > 0.1


def test_singular_values_are_numpys():
    networks = Networks(SinusoidsConfig(runs=2, width=12, depth=3), inputs=1)
    found = networks.spectral_norms()
    for run in range(2):
        for layer, weight in enumerate(networks.weights):
            expected = np.linalg.svd(weight[run].detach().numpy(), compute_uv=False).max()
            assert found[run, layer].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"frequencies": (5, 100)}, "below 100, the Nyquist frequency of 200 samples"),
        ({"frequencies": ()}, "whole numbers from 1"),
        ({"frequencies": (0, 3)}, "whole numbers from 1"),
        ({"steps": 0}, "steps=0: must be at least 1"),
        ({"runs": 0}, "runs=0: must be at least 1"),
        ({"amplitudes": "equla"}, "equal or increasing"),
        ({"activation": "swish"}, "one of relu, tanh"),
        ({"fourier_features": 1.0, "width": 5}, "width even"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(settings, said):
    with pytest.raises(SettingError, match=said) as error:
        SinusoidsConfig(**settings)
    assert "\n" not in str(error.value)


def test_measured_and_recorded_updates_are_points_of_one_grid():
    config = SinusoidsConfig(steps=60_000)
    assert config.steps_to_record[:3] == (0, 100, 200) and len(config.steps_to_record) == 601
    assert set(config.steps_to_measure) < set(config.steps_to_record)
    assert {0, 100, 1000, 6000, 54_000, 60_000} <= set(config.steps_to_measure)
    odd = SinusoidsConfig(steps=250)
    assert odd.steps_to_record == (0, 100, 200, 250) and odd.steps_to_measure[-1] == 250


@pytest.mark.parametrize(
    ("width", "steps", "reached"),
    [
        pytest.param(128, 2000, 2, marks=pytest.mark.slow),
        pytest.param(256, 5000, 4, marks=pytest.mark.nightly),  # the paper's width
    ],
)
def test_low_frequencies_come_first(width, steps, reached):
    """Claims 1 and 2 of experiment 1 with 2 runs: equal amplitudes, and increasing ones at 1,000 updates."""
    for amplitudes, updates, count in (("equal", steps, reached), ("increasing", 1000, 1)):
        config = SinusoidsConfig(runs=2, width=width, steps=updates, amplitudes=amplitudes, threads=1)
        *_, (_, last) = run_experiment(config)
        frequencies, learned = last.arrays["frequencies"], last.arrays["amplitude"].mean(axis=0)
        for point in {10, updates // 100}:  # after 1,000 updates, and at the end
            assert spearmanr(frequencies, learned[point]).statistic <= -0.9
        times = [np.argmax(learned[:, k] >= 0.5) for k in range(count)]  # of those reached by then
        assert (np.diff(times) > 0).all() and times[0] > 0

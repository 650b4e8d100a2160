"""A spike has all frequencies alike; how many of them a network learns depends on its depth, width and bound."""

import numpy as np
import pytest

from specbias.settings import SettingError
from specbias.synthetic.config import SpikeConfig
from specbias.synthetic.run import run_experiment
from specbias.synthetic.spike import build_spike, spectrum

SMALL = {"runs": 2, "steps": 20, "record_every": 10, "samples": 40, "threads": 1}


def last_arrays(**settings):
    *_, (_, last) = run_experiment(SpikeConfig(**SMALL | settings))
    return last.arrays


def test_the_spike_is_at_the_middle_and_has_one_amplitude_at_all_frequencies():
    task = build_spike(SpikeConfig(runs=3))
    assert task.targets.shape == (3, 200) and task.targets.sum() == 3
    assert all(task.inputs[0, row.argmax(), 0] == 0.5 for row in task.targets)
    assert np.allclose(spectrum(task.targets), np.ones((3, 100)))


def test_a_spectrum_is_the_discrete_fourier_transform_by_its_sum():
    arrays = last_arrays(weight_clip=0.2)
    function = arrays["function"][:, -1].astype(float)
    k, j = np.arange(20), np.arange(40)
    by_sum = np.abs(function @ np.exp(-2j * np.pi * np.outer(j, k) / 40))
    assert arrays["spectrum"].shape == (2, 3, 20)
    assert np.allclose(arrays["spectrum"][:, -1], by_sum, rtol=1e-4, atol=1e-5)
    assert np.allclose(arrays["high_frequency"][:, -1], by_sum[:, 10:].mean(axis=1), rtol=1e-3)


def test_runs_share_the_target_and_no_network():
    arrays = last_arrays()
    assert np.array_equal(arrays["targets"][0], arrays["targets"][1])
    assert not np.allclose(arrays["function"][0], arrays["function"][1])


def test_a_spike_needs_a_sample_at_its_place():
    with pytest.raises(SettingError, match="samples=41: must be even"):
        SpikeConfig(samples=41)


@pytest.mark.nightly
def test_depth_and_a_looser_bound_give_high_frequencies():
    shared = {"runs": 4, "steps": 1_200, "record_every": 100, "samples": 100, "learning_rate": 1e-3}
    shallow, deep = (last_arrays(**shared | {"depth": depth}) for depth in (3, 6))
    bounds = [last_arrays(**shared | {"depth": 6, "width": 32, "weight_clip": bound}) for bound in (0.1, 0.2, 2.0)]
    ends = [arrays["high_frequency"][:, -3:].mean() for arrays in (shallow, deep, *bounds)]
    assert ends[1] > 3 * ends[0]
    assert ends[4] > 2 * ends[3] > 2 * ends[2]

"""Neighbours vote as scikit-learn's; a plane wave's power is in its bin; the network's spectrum decays fastest."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from specbias.settings import SettingError
from specbias.synthetic.config import NeighboursConfig
from specbias.synthetic.manifold import MAP_SIZE, classes_on_flower, map_places
from specbias.synthetic.neighbours import HELD_OUT, radial_spectrum, vote
from specbias.synthetic.run import run_experiment

SMALL = {"runs": 2, "steps": 10, "record_every": 10, "width": 8, "depth": 3, "samples": 200, "frequency": 15}
COUNTS = (1, 4, 9)


def last_arrays(**settings):
    *_, (_, last) = run_experiment(NeighboursConfig(**SMALL | {"threads": 1, "neighbours": COUNTS} | settings))
    return last.arrays


def test_maps_and_accuracies_are_those_of_scikit_learns_classifier():
    arrays = last_arrays()
    config = NeighboursConfig(**SMALL)
    held_out, classes = classes_on_flower(config, shift=HELD_OUT)
    for run in range(2):
        for which, count in enumerate(COUNTS):
            twin = KNeighborsClassifier(count).fit(arrays["inputs"], arrays["targets"][run])
            drawn = twin.predict_proba(map_places().numpy())[:, 1].reshape(MAP_SIZE, MAP_SIZE)
            assert np.allclose(arrays["neighbour_maps"][run, which], drawn)
            assert np.isclose(arrays["neighbour_accuracy"][run, which], twin.score(held_out, classes[run]))


def test_held_out_places_lie_between_the_samples_on_the_same_classes():
    config = NeighboursConfig(**SMALL | {"frequency": 3})
    (places, classes), (between, others) = (classes_on_flower(config, shift=shift) for shift in (0.0, HELD_OUT))
    nearest = torch.cdist(between, places).min(dim=1)
    assert nearest.values.min() > 1e-3
    assert (classes[:, nearest.indices] == others).double().mean() > 0.95


def test_the_nearest_sample_of_a_sample_is_itself_and_of_all_the_share_is_the_mean():
    places, classes = classes_on_flower(NeighboursConfig(**SMALL))
    first, all_of_them = vote(places, classes, places, (1, 200)).unbind(dim=1)
    assert torch.equal(first, classes)
    assert torch.allclose(all_of_them, classes.mean(dim=1, keepdim=True).expand_as(classes))


@pytest.mark.parametrize(("across", "up", "expected"), [(7, 0, 7), (0, 12, 12), (9, 12, 15), (-20, 21, 29), (5, 7, 9)])
def test_a_plane_wave_has_its_power_in_the_bin_of_its_length(across, up, expected):
    y, x = np.mgrid[:64, :64] / 64
    wave = 0.5 + 0.3 * np.sin(2 * np.pi * (across * x + up * y) + 1)
    found = radial_spectrum(torch.from_numpy(wave))
    assert found.shape == (32,) and found.argmax() == expected
    assert found[expected].item() == pytest.approx(0.3**2 / 2)
    assert found.sum() - found[expected] < 1e-12


def test_powers_are_together_the_variance_of_a_map_without_corners():
    stream = np.random.default_rng(0)
    y, x = np.mgrid[:40, :40] / 40
    waves = [stream.uniform() * np.cos(2 * np.pi * (a * x + b * y) + a) for a in range(-13, 14) for b in range(1, 14)]
    maps = np.stack([sum(waves[:100]), sum(waves) + 3])
    assert np.allclose(radial_spectrum(torch.from_numpy(maps)).sum(dim=-1), maps.var(axis=(1, 2)))


def test_arrays_have_a_spectrum_and_an_accuracy_for_every_run_and_number_of_neighbours():
    arrays = last_arrays()
    half = MAP_SIZE // 2
    assert arrays["radial_spectrum"].shape == (2, half) and arrays["neighbour_radial_spectrum"].shape == (2, 3, half)
    assert arrays["held_out_accuracy"].shape == (2,) and arrays["radial_frequencies"].shape == (half,)
    rows = np.arange(MAP_SIZE) * 3.2 / (MAP_SIZE - 1)  # their places: a wave at a bin's frequency is in that bin
    wave = np.sin(2 * np.pi * arrays["radial_frequencies"][30] * rows)
    assert radial_spectrum(torch.from_numpy(np.tile(wave, (MAP_SIZE, 1)))).argmax() == 30


def test_no_more_neighbours_than_samples():
    with pytest.raises(SettingError, match="neighbours=.*from 1 to 200"):
        NeighboursConfig(**SMALL | {"neighbours": (1, 201)})


@pytest.mark.nightly
def test_the_networks_spectrum_decays_fastest_and_petals_do_not_help_neighbours():
    shared = {"samples": 500, "frequency": 60, "runs": 1, "neighbours": (1, 3, 5)}
    network = {"width": 48, "depth": 5, "learning_rate": 1e-3, "steps": 1_500, "record_every": 500}
    petalled, circle = (last_arrays(**shared | settings) for settings in (network | {"petals": 16}, {"petals": 0}))
    assert petalled["accuracy"][0, -1] > 0.75

    def slope(powers):
        bins = np.arange(10, 80)
        return np.polyfit(np.log(bins), np.log(powers[bins]), 1)[0]

    neighbours = [slope(powers) for powers in petalled["neighbour_radial_spectrum"][0]]
    assert slope(petalled["radial_spectrum"][0]) < min(neighbours) - 0.3
    assert (petalled["neighbour_accuracy"] < circle["neighbour_accuracy"] + 0.05).all()

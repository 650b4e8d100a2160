"""The flower's geometry, the classes along it, and what runs on it record, against numpy."""

import numpy as np
import pytest
import torch

from specbias.settings import SettingError
from specbias.synthetic.config import ClassificationConfig, ManifoldConfig
from specbias.synthetic.manifold import MAP_EXTENT, MAP_SIZE, build_classification, build_manifold, flower, map_places
from specbias.synthetic.networks import Networks
from specbias.synthetic.run import run_experiment
from specbias.synthetic.sinusoids import grid

SMALL = {"runs": 2, "steps": 20, "record_every": 10, "width": 16, "depth": 3, "threads": 1}


def test_no_petals_are_the_unit_circle():
    places = flower(grid(8), 0)
    assert places[:3].numpy() == pytest.approx(np.array([[1, 0], [0.5**0.5] * 2, [0, 1]]), abs=1e-12)


@pytest.mark.parametrize("petals", [1, 4, 16])
def test_a_flower_has_its_petals_and_goes_round_once(petals):
    places = flower(grid(10_000), petals).numpy()
    radius = np.hypot(*places.T)
    tips = (radius > np.roll(radius, 1)) & (radius >= np.roll(radius, -1))
    assert tips.sum() == petals
    assert (radius.min(), radius.max()) == pytest.approx((0.5, 1.5), abs=1e-4)
    turned = np.diff(np.unwrap(np.arctan2(places[:, 1], places[:, 0])))
    assert (turned > 0).all() and turned.sum() == pytest.approx(2 * np.pi, rel=1e-3)


def test_the_targets_along_the_flower_are_those_along_the_line():
    flat, wound = (build_manifold(ManifoldConfig(runs=2, petals=petals)) for petals in (0, 10))
    assert torch.equal(flat.targets, wound.targets)
    assert not torch.equal(flat.inputs, wound.inputs)
    assert flat.inputs.shape == (1, 1000, 2) and wound.targets.shape == (2, 1000)


def test_classes_alternate_with_the_sine_and_five_samples_a_period_divide_three_to_two():
    task = build_classification(ClassificationConfig(runs=6, frequency=200))
    assert task.facts["majority_share"] == pytest.approx(0.6)
    task = build_classification(ClassificationConfig(runs=3, frequency=10))
    changes = (task.targets != task.targets.roll(1, dims=1)).sum(dim=1)
    assert changes.tolist() == [20, 20, 20]


def test_accuracy_and_loss_are_those_of_the_outputs():
    config = ClassificationConfig(**SMALL | {"steps": 1, "frequency": 3, "samples": 50})
    task = build_classification(config)
    outputs = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    found = task.record(Networks(config, 2), outputs)
    logits, classes = outputs.double().numpy(), task.targets.numpy()
    probability = 1 / (1 + np.exp(-logits))
    expected = -np.log(np.where(classes == 1, probability, 1 - probability)).mean(axis=1)
    assert found["loss"].numpy() == pytest.approx(expected, rel=1e-5)
    assert found["accuracy"].numpy() == pytest.approx(((logits > 0) == (classes == 1)).mean(axis=1))


def test_the_map_is_the_learned_function_with_rows_from_below():
    config = ClassificationConfig(**SMALL | {"frequency": 3})
    *_, (state, last) = run_experiment(config)
    places = map_places().reshape(MAP_SIZE, MAP_SIZE, 2)
    assert places[0, 0].tolist() == [-MAP_EXTENT, -MAP_EXTENT] and places[0, -1].tolist() == [MAP_EXTENT, -MAP_EXTENT]
    corner = state.networks(torch.tensor([[[-MAP_EXTENT, MAP_EXTENT]]], dtype=torch.float32)).sigmoid()
    assert last.arrays["map"][:, -1, 0] == pytest.approx(corner[:, 0].detach().numpy(), abs=1e-6)


def test_a_frequency_above_nyquist_is_refused():
    with pytest.raises(SettingError, match="frequency=500: must be from 1, below 500, the Nyquist frequency"):
        ClassificationConfig(frequency=500)


@pytest.mark.nightly
def test_more_petals_make_sines_easier():
    """Claim 1 of experiment 5, for a circle and sixteen petals: a run each, 1,000 updates."""
    found = {}
    for petals in (0, 16):
        *_, (_, last) = run_experiment(ManifoldConfig(runs=1, steps=1000, petals=petals, threads=2))
        found[petals] = last.arrays["amplitude"][:, -5:].mean(), last.arrays["loss"][:, -5:].mean()
    assert found[16][0] > 1.2 * found[0][0]
    assert found[16][1] < found[0][1]


@pytest.mark.nightly
def test_more_petals_and_lower_frequencies_make_classes_easier():
    """Experiment 6 on the ends of rows and columns, 400 updates of one run each."""
    accuracy = {}
    for frequency, petals in ((50, 0), (50, 10), (50, 20), (100, 0), (100, 20), (200, 10), (200, 20)):
        config = ClassificationConfig(runs=1, steps=400, frequency=frequency, petals=petals, threads=2)
        *_, (_, last) = run_experiment(config)
        accuracy[frequency, petals] = last.arrays["accuracy"][0, -3:].mean()
    for frequency in (50, 100):
        assert accuracy[frequency, 0] < accuracy[frequency, 20]
    for petals in (10, 20):
        assert accuracy[50, petals] > accuracy[200, petals]

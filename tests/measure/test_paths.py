"""Paths against a twin that materialises them one by one; probes against the laws of drawing."""

import dataclasses
import math
from itertools import combinations

import pytest
import torch

from specbias.config import TrialConfig
from specbias.data import load_data
from specbias.measure.paths import SHORTEST, choose_probes, walk


@pytest.fixture(scope="module")
def data():
    return load_data(TrialConfig(dataset="digits", batch_size=2))


@pytest.fixture(scope="module")
def probes(data):
    return choose_probes(data, pairs=3, seed=0)


def materialised(data, pairs, row):
    """x(t) = (1 - t/d) x0 + (t/d) x1 in float64, t = 0, 1, ... < d."""
    first, second = (
        ((data.test.images[int(ends[row])].double() / 255) - data.mean[0]) / data.std[0]
        for ends in (pairs.first, pairs.second)
    )
    distance = (first - second).norm().item()
    return torch.stack([(1 - t / distance) * first + t / distance * second for t in range(math.ceil(distance))])


def outputs_of(data, pairs, batch_size):
    torch.manual_seed(0)
    directions = torch.randn(3072, 5) / 50

    def predict(images):
        assert len(images) <= batch_size
        return images.flatten(1) @ directions

    found = {}
    for rows, outputs in walk(predict, data, pairs, batch_size=batch_size):
        assert outputs.shape[:2] == (len(rows), int(pairs.samples[rows[0]]))
        for row, output in zip(rows.tolist(), outputs, strict=True):
            assert row not in found
            found[row] = output
    return directions, found


@pytest.mark.parametrize("kind", ["within_class", "between_class"])
@pytest.mark.parametrize("batch_size", [1_000_000, 256, 7])
def test_walking_equals_materialising_and_loses_no_sample(data, probes, kind, batch_size):
    pairs = getattr(probes, kind)
    directions, found = outputs_of(data, pairs, batch_size)
    assert sorted(found) == list(range(len(pairs.distance)))
    for row, output in found.items():
        twin = materialised(data, pairs, row).flatten(1) @ directions.double()
        assert torch.allclose(output.double(), twin, atol=2e-5)
    assert sum(len(output) for output in found.values()) == int(pairs.samples.sum())


def test_distances_are_of_the_normalised_images_in_float64(data, probes):
    pairs = probes.between_class
    for row in range(10):
        ends = [
            (data.test.images[int(e[row])].double() / 255 - data.mean[0]) / data.std[0]
            for e in (pairs.first, pairs.second)
        ]
        assert pairs.distance[row].item() == pytest.approx((ends[0] - ends[1]).norm().item(), abs=1e-10)


def test_probes_are_of_the_classes_they_say_from_the_supply_and_used_once(data, probes):
    labels, supply = data.test.labels, probes.supply
    for pairs in (probes.within_class, probes.between_class):
        assert torch.equal(labels[pairs.first], pairs.first_class)
        assert torch.equal(labels[pairs.second], pairs.second_class)
        assert supply[pairs.first].all() and supply[pairs.second].all()
    within, between = probes.within_class, probes.between_class
    assert len(within.first) == 10 * 3 and len(between.first) == 45 * 3
    assert len(set(within.first.tolist() + within.second.tolist())) == 60
    for classes in combinations(range(10), 2):
        chosen = (between.first_class == classes[0]) & (between.second_class == classes[1])
        assert len(set(between.first[chosen].tolist() + between.second[chosen].tolist())) == 6
    assert 0.48 < supply.double().mean() <= 0.5


def test_probes_depend_on_their_seed_alone(data):
    first, again, other = (choose_probes(data, pairs=2, seed=seed).between_class.first for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_every_class_draws_from_a_stream_of_its_own(data):
    """Places in the supply of a class, as drawn: a shared stream would repeat them for every class."""
    probes = choose_probes(data, pairs=5, seed=0)
    rows = {c: ((data.test.labels == c) & probes.supply).nonzero().flatten().tolist() for c in range(10)}
    places = [[] for _ in range(10)]
    for row, label in zip(probes.within_class.first.tolist(), probes.within_class.first_class.tolist(), strict=True):
        places[label].append(rows[label].index(row))
    assert len({tuple(p) for p in places}) == 10


def test_identical_images_are_left_out_and_counted(data):
    images = data.test.images.clone()
    images[data.test.labels == 4] = images[data.test.labels == 4][0]
    same = dataclasses.replace(data, test=data.test._replace(images=images))
    pairs = choose_probes(same, pairs=3, seed=0).within_class
    assert pairs.left_out == 3 and len(pairs.distance) == 27
    assert 4 not in pairs.first_class and pairs.samples.min() >= SHORTEST


def test_the_papers_distances_on_cifar10(cifar_directory, monkeypatch):
    """The paper's 11,000 paths have mean lengths 72.6 within and 75.8 between classes; random pairs come close."""
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(cifar_directory))
    probes = choose_probes(load_data(TrialConfig()), pairs=200, seed=0)
    assert len(probes.within_class.distance) == 2000 and len(probes.between_class.distance) == 9000
    assert probes.within_class.distance.mean().item() == pytest.approx(72.6, abs=1.5)
    assert probes.between_class.distance.mean().item() == pytest.approx(75.8, abs=1.0)

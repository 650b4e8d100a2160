"""Which images are paired: the laws of drawing, the official order, and the papers' counts on CIFAR-10."""

import dataclasses
from itertools import combinations

import pytest
import torch

from specbias.data import load_data
from specbias.measurement.pairs import SHORTEST, choose_probes
from specbias.settings import SettingError
from specbias.settings.config import TrialConfig


@pytest.fixture(scope="module")
def data():
    return load_data(TrialConfig(dataset="digits", batch_size=2))


@pytest.fixture(scope="module")
def probes(data):
    return choose_probes(data, pairs=3, seed=0)


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
    assert len(pairs.left_out) == 3 and len(pairs.distance) == 27
    assert 4 not in pairs.first_class and pairs.samples.min() >= SHORTEST


def test_the_papers_distances_on_cifar10(cifar_directory, monkeypatch):
    """The paper's 11,000 paths have mean lengths 72.6 within and 75.8 between classes; random pairs come close."""
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(cifar_directory))
    probes = choose_probes(load_data(TrialConfig()), pairs=200, seed=0)
    assert len(probes.within_class.distance) == 2000 and len(probes.between_class.distance) == 9000
    assert probes.within_class.distance.mean().item() == pytest.approx(72.6, abs=1.5)
    assert probes.between_class.distance.mean().item() == pytest.approx(75.8, abs=1.0)


def test_official_pairs_are_in_the_order_of_the_data(data):
    """Within a class images (0, 1), (2, 3), ...; between two, image n with image n. A loop over labels says so too."""
    probes = choose_probes(data, pairs=4, pairing="official")
    rows = {c: [i for i, label in enumerate(data.test.labels.tolist()) if label == c] for c in range(10)}
    within, between = probes.within_class, probes.between_class
    expected = [(rows[c][2 * n], rows[c][2 * n + 1]) for c in range(10) for n in range(4)]
    assert list(zip(within.first.tolist(), within.second.tolist(), strict=True)) == expected
    expected = [(rows[a][n], rows[b][n]) for a, b in combinations(range(10), 2) for n in range(4)]
    assert list(zip(between.first.tolist(), between.second.tolist(), strict=True)) == expected
    assert between.number.tolist() == list(range(4)) * 45
    assert probes.supply.nonzero().flatten().tolist() == sorted(i for c in range(10) for i in rows[c][:8])


def test_official_pairing_on_cifar10_has_the_papers_counts(cifar_directory, monkeypatch):
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(cifar_directory))
    probes = choose_probes(load_data(TrialConfig()), pairs=200, pairing="official")
    for pairs, paths, samples, mean, std in (
        (probes.within_class, 2_000, 146_269, 72.6, 18.3),
        (probes.between_class, 9_000, 686_865, 75.8, 18.0),
    ):
        assert len(pairs) == paths and int(pairs.samples.sum()) == samples
        assert pairs.distance.mean().item() == pytest.approx(mean, abs=0.05)
        assert pairs.distance.std().item() == pytest.approx(std, abs=0.05)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_pairs_come_from_the_split_asked_for(data, split):
    probes = choose_probes(data, pairs=2, split=split)
    labels = getattr(data, split).labels
    assert probes.split == split and len(probes.supply) == len(labels)
    assert torch.equal(labels[probes.between_class.second], probes.between_class.second_class)


@pytest.mark.parametrize("spacing", [0.25, 1.0, 3.0])
def test_samples_lie_a_spacing_apart_and_before_the_second_image(data, spacing):
    pairs = choose_probes(data, pairs=2, spacing=spacing).between_class
    assert (pairs.step == spacing).all()
    assert ((pairs.samples - 1) * spacing < pairs.distance).all() and (pairs.samples * spacing >= pairs.distance).all()


def test_a_fixed_number_of_samples_divides_the_distance(data):
    pairs = choose_probes(data, pairs=2, path_samples=9).between_class
    assert (pairs.samples == 9).all() and torch.allclose(pairs.step * 9, pairs.distance)


def test_what_cannot_be_paired_is_said(data):
    with pytest.raises(SettingError, match=r"40 pairs need 80 images of a class: class \d has \d+ in split test$"):
        choose_probes(data, pairs=40, pairing="official")
    with pytest.raises(SettingError, match="20 pairs need 40 images .* that supply probes"):
        choose_probes(data, pairs=20)
    with pytest.raises(SettingError, match="spacing 50: no path has 4 samples, the longest is"):
        choose_probes(data, pairs=2, spacing=50.0)
    with pytest.raises(SettingError, match="split extra: this data set has no such images"):
        choose_probes(data, pairs=2, split="extra")

"""Straight paths against a twin that materialises them one by one."""

import math

import pytest
import torch

from specbias.data import load_data
from specbias.measurement import paths
from specbias.measurement.pairs import choose_probes
from specbias.measurement.paths import linear, walk
from specbias.settings.config import TrialConfig


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
    for rows, outputs in walk(predict, linear(data, data.test, pairs), pairs.samples, batch_size=batch_size):
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
    assert sorted(found) == list(range(len(pairs)))
    for row, output in found.items():
        twin = materialised(data, pairs, row).flatten(1) @ directions.double()
        assert torch.allclose(output.double(), twin, atol=2e-5)
    assert sum(len(output) for output in found.values()) == int(pairs.samples.sum())


def test_an_output_that_is_not_finite_is_said(data, probes):
    with pytest.raises(FloatingPointError, match="output is not finite"):
        pairs = probes.within_class
        list(walk(lambda x: x.flatten(1) / 0, linear(data, data.test, pairs), pairs.samples, batch_size=50))


def test_few_long_groups_are_kept_in_memory(data, probes, monkeypatch):
    """Outputs are given away as soon as enough samples are gathered, not at the end of the walk."""
    pairs, asked, given = probes.between_class, [], []
    monkeypatch.setattr(paths, "GATHERED", 200)

    def predict(images):
        asked.append(len(images))
        return images.flatten(1)[:, :2]

    for rows, outputs in walk(predict, linear(data, data.test, pairs), pairs.samples, batch_size=32):
        given.append(len(rows) * outputs.shape[1])
        assert sum(asked) - sum(given) < 100 + 32 + int(pairs.samples.max())
    assert sum(given) == sum(asked) == int(pairs.samples.sum())

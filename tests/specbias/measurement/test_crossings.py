"""What a path passes through, against one sample after another in plain Python, and on a path drawn by hand."""

import numpy as np
import pytest
import torch

from specbias.measurement.crossings import crossings_of


def described(logits, first, second, step=1.0):
    logits = torch.as_tensor(logits)
    ends = [torch.tensor(labels) for labels in (first, second)]
    found, crossings = crossings_of(logits, logits.double().softmax(-1), *ends, torch.full((len(logits),), step))
    return {name: values.numpy() for name, values in found.items()}, crossings.T.tolist()


def test_a_path_by_hand():
    """From class 0 through 2, twice, to class 1; half a unit apart."""
    found, crossings = described(10.0 * np.eye(3)[[[0, 0, 2, 0, 2, 2, 2, 1]]], [0], [1], step=0.5)
    assert found["crossings"] == 4 and sorted(crossings) == [[0, 2], [0, 2], [2, 0], [2, 1]]
    assert found["outside"] == 4 / 8 and found["through"] == 2
    whole = 1 - 3 / (np.exp(10) + 2)  # of the probability that can move
    assert found["sharpness"] == pytest.approx(whole / 0.5) and found["width"] == pytest.approx(0.5 / whole)
    assert found["first_margin"] == 10 and found["second_margin"] == 10


def test_within_a_class_outside_is_outside_the_class_and_without_a_crossing_there_is_no_width():
    found, crossings = described(10.0 * np.eye(3)[[[1, 1, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0]]], [1, 1, 1], [1, 1, 1])
    assert found["outside"].tolist() == [0.25, 0, 1] and found["through"].tolist() == [0, -1, 0]
    assert found["crossings"].tolist() == [2, 0, 0] and crossings == [[1, 0], [0, 1]]
    assert np.isfinite(found["width"]).tolist() == [True, False, False]
    assert found["first_margin"].tolist() == [10, 10, -10]


def test_of_two_classes_passed_through_alike_the_lowest_number_is_named():
    """From class 1 to class 0, two samples each as 4, 2 and 3."""
    found, _ = described(10.0 * np.eye(5)[[[1, 4, 4, 3, 2, 3, 2, 0]]], [1], [0])
    assert found["through"] == 2


@pytest.mark.parametrize("seed", range(3))
def test_every_value_equals_a_twin(seed):
    stream = np.random.default_rng(seed)
    logits, first, second = stream.normal(size=(5, 30, 4)), stream.integers(4, size=5), stream.integers(4, size=5)
    found, crossings = described(logits, first, second, step=0.7)
    table = []
    for row, path in enumerate(logits):
        said = [int(np.argmax(sample)) for sample in path]
        table += [[a, b] for a, b in zip(said[:-1], said[1:], strict=True) if a != b]
        others = [label for label in said if label not in (first[row], second[row])]
        p = np.exp(path) / np.exp(path).sum(1, keepdims=True)
        sharpest = max(np.abs(b - a).sum() / 2 / 0.7 for a, b in zip(p[:-1], p[1:], strict=True))
        assert found["crossings"][row] == sum(a != b for a, b in zip(said[:-1], said[1:], strict=True))
        assert found["outside"][row] == pytest.approx(len(others) / 30)
        assert others.count(found["through"][row]) == max(map(others.count, range(4)))
        assert found["sharpness"][row] == pytest.approx(sharpest, rel=1e-6)
        assert found["width"][row] == pytest.approx(1 / sharpest, rel=1e-6)
        for name, sample, own in (("first", path[0], first[row]), ("second", path[-1], second[row])):
            assert found[f"{name}_margin"][row] == pytest.approx(sample[own] - max(np.delete(sample, own)))
    assert sorted(crossings) == sorted(table)

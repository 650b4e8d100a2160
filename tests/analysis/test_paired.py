"""Two networks on the same paths: a planted difference is found, where the two means alone would not show it."""

import numpy as np
import pytest

from analysis.inference.paired import paired_difference, right_by_all


def arrays(values, images, correct=True, signal="probabilities"):
    count = len(values)
    return {
        "frequency/signal": np.array(signal),
        "frequency/within_class/first_image": images[0],
        "frequency/within_class/second_image": images[1],
        "frequency/within_class/samples": np.full(count, 70),
        "frequency/within_class/share": values,
        "frequency/within_class/first_correct": np.broadcast_to(correct, count),
        "frequency/within_class/second_correct": np.ones(count, dtype=bool),
    }


@pytest.fixture
def planted():
    """The paths differ far more from each other than the networks do: the second is 0.01 above the first."""
    generator = np.random.default_rng(0)
    images = np.arange(400).reshape(2, 200)
    common = generator.normal(0.2, 0.1, size=200)
    return images, common, common + 0.01 + generator.normal(0, 0.02, size=200)


def test_a_difference_far_below_the_spread_of_the_paths_is_found(planted):
    images, first, second = planted
    found = paired_difference(arrays(first, images), arrays(second, images), kind="within_class")
    assert found.statistic == pytest.approx(np.mean(second - first)) and found.n == 200
    assert abs(found.statistic - 0.01) < 2 * found.standard_error < 0.004
    assert first.std() / 200**0.5 > 0.006  # either mean alone


def test_only_paths_that_both_get_right_are_compared_where_asked(planted):
    images, first, second = planted
    right = np.arange(200) % 2 == 0
    found = paired_difference(
        arrays(first, images, right), arrays(second, images), kind="within_class", both_correct=True
    )
    assert found.n == 100 and found.statistic == pytest.approx(np.mean((second - first)[::2]))


def test_paths_of_only_one_measurement_are_left_out(planted):
    """One stopped earlier than the other, and lists its paths in another order."""
    images, first, second = planted
    fewer = np.arange(150)[::-1]
    found = paired_difference(arrays(first, images), arrays(second[fewer], images[:, fewer]), kind="within_class")
    assert found.n == 150 and found.statistic == pytest.approx(np.mean((second - first)[:150]))


def test_without_a_common_path_there_is_nothing_to_compare(planted):
    images, first, second = planted
    with pytest.raises(ValueError, match="no path on which both were measured"):
        paired_difference(arrays(first, images), arrays(second, images + 1000), kind="within_class")
    with pytest.raises(ValueError, match="one is of probabilities, the other of logits"):
        paired_difference(arrays(first, images), arrays(second, images, signal="logits"), kind="within_class")
    with pytest.raises(ValueError, match="no path that both get right"):
        paired_difference(arrays(first, images, False), arrays(second, images), kind="within_class", both_correct=True)


def test_trials_are_compared_on_the_paths_that_all_of_them_get_right(planted):
    """Three networks, each wrong on other paths; a fourth was measured on other images."""
    images, first, _ = planted
    wrong = {name: np.arange(200) % 10 == name for name in range(3)}
    rows = [(name, arrays(first + name, images, ~wrong[name])) for name in wrong]
    rows.append(("elsewhere", arrays(first, images + 1000)))
    (found,) = right_by_all(iter(rows), kinds=["within_class", "between_class"]).values()
    kept = np.arange(200) % 10 >= 3
    assert (found.paths, found.of, found.left_out) == (140, 200, ["elsewhere"])
    assert found.means == {name: pytest.approx(np.mean(first[kept]) + name) for name in range(3)}


def test_where_no_path_is_right_in_all_there_is_no_mean(planted):
    images, first, _ = planted
    half = np.arange(200) % 2 == 0
    rows = [(name, arrays(first, images, right)) for name, right in (("a", half), ("b", ~half))]
    found = right_by_all(rows, kinds=["within_class"])["within_class"]
    assert (found.means, found.paths) == ({}, 0)

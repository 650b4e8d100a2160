"""Two networks on the same paths: a planted difference is found, where the two means alone would not show it."""

import numpy as np
import pytest

from analysis.inference.paired import paired_difference


def arrays(values, images, correct=True):
    count = len(values)
    return {
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


def test_other_paths_and_no_paths_are_refused(planted):
    images, first, second = planted
    with pytest.raises(ValueError, match="not measured on the same paths"):
        paired_difference(arrays(first, images), arrays(second, images[::-1]), kind="within_class")
    with pytest.raises(ValueError, match="no path has both its ends"):
        paired_difference(arrays(first, images, False), arrays(second, images), kind="within_class", both_correct=True)

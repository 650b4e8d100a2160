"""Standard errors against the spread of means over really new images, a brute-force twin, and the textbook."""

from itertools import combinations

import numpy as np
import pytest

from specbias.measurement.standard_error import ratio_standard_error


def mean_error(values, first, second):
    return ratio_standard_error(values, np.ones(len(values)), first, second)


def official_between(groups, classes=10):
    """Image n of every class with image n of every other: rows (class * groups + n)."""
    pairs = [(a * groups + n, b * groups + n) for a, b in combinations(range(classes), 2) for n in range(groups)]
    return np.array(pairs).T


@pytest.mark.parametrize("paths", [2, 3, 5, 40])
def test_paths_that_share_no_image_have_the_usual_standard_error_of_a_mean(paths):
    values = np.random.default_rng(0).random(paths)
    found = mean_error(values, np.arange(paths), np.arange(paths, 2 * paths))
    assert found == pytest.approx(values.std(ddof=1) / paths**0.5, rel=1e-9)


@pytest.mark.parametrize(("of_images", "of_paths"), [(1.0, 0.0), (0.5, 1.0), (0.0, 1.0)])
def test_it_is_the_spread_of_the_mean_over_new_images(of_images, of_paths):
    """Each path's value is the sum of effects of its two images and noise of its own; 400 sets of new images."""
    generator = np.random.default_rng(1)
    first, second = official_between(groups=20)
    means, errors = [], []
    for _ in range(400):
        effect = of_images * generator.normal(size=200)
        values = 5 + effect[first] + effect[second] + of_paths * generator.normal(size=len(first))
        means.append(values.mean())
        errors.append(mean_error(values, first, second))
    assert np.mean(np.square(errors)) == pytest.approx(np.var(means), rel=0.2)


def test_paths_taken_as_independent_would_be_far_too_sure():
    effect = np.random.default_rng(2).normal(size=200)
    first, second = official_between(groups=20)
    values = effect[first] + effect[second]
    assert mean_error(values, first, second) > 1.8 * values.std(ddof=1) / len(values) ** 0.5


def test_it_is_what_leaving_out_one_image_and_one_path_at_a_time_comes_to():
    """For many images: the variance of the estimates without one image each, less that without one path each."""
    generator = np.random.default_rng(3)
    first, second = official_between(groups=60, classes=5)
    effect = generator.normal(size=300)
    weight = generator.random(len(first)) + 0.5
    value = effect[first] + effect[second] + generator.normal(size=len(first)) + 3

    def ratio(kept):
        return (value[kept] * weight[kept]).sum() / weight[kept].sum()

    def variance(estimates):
        return (len(estimates) - 1) * np.var(estimates)

    images = variance([ratio((first != i) & (second != i)) for i in range(300)])
    paths = variance([ratio(np.arange(len(first)) != p) for p in range(len(first))])
    found = ratio_standard_error(value * weight, weight, first, second)
    assert found == pytest.approx((images - paths) ** 0.5, rel=0.02)


def test_where_images_pull_their_paths_apart_it_is_still_that_of_single_paths():
    """Of the two paths of an image one is high, the other low: by images alone nothing would be left."""
    first, second = np.arange(40), (np.arange(40) + 1) % 40  # a ring: every image in two paths
    values = np.where(np.arange(40) % 2, 1.0, -1.0)
    assert mean_error(values, first, second) == pytest.approx(values.std(ddof=1) / 40**0.5)


def test_what_has_no_standard_error_has_none():
    one = np.array([1.0])
    assert mean_error(one, np.array([0]), np.array([1])) is None
    assert mean_error(np.array([1.0, 2.0]), np.array([0, 0]), np.array([1, 2])) is None  # one image in all paths
    assert mean_error(np.zeros(0), np.zeros(0, int), np.zeros(0, int)) is None

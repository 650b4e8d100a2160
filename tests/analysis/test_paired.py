"""Trials are held against each other on the paths that all of them get right."""

import numpy as np
import pytest

from analysis.inference.paired import right_by_all
from tests.specbias.measurement.test_paired import arrays, planted  # noqa: F401


def of_band(band, images, values):
    """What a network of version 2 has of shares above a band; None: from before the band was kept."""
    kept = {} if band is None else {"frequency/band": np.array(band)}
    shares = {f"frequency/within_class/{name}": values for name in ("fixed_band", "mirror/fixed_band")}
    return arrays(values, images) | shares | {"frequency/measure_version": np.array(2)} | kept


def test_trials_are_compared_on_the_paths_that_all_of_them_get_right(planted):  # noqa: F811
    """Three networks, each wrong on other paths; a fourth was measured on other images."""
    images, first, _ = planted
    wrong = {name: np.arange(200) % 10 == name for name in range(3)}
    rows = [(name, arrays(first + name, images, ~wrong[name])) for name in wrong]
    rows.append(("elsewhere", arrays(first, images + 1000)))
    (found,) = right_by_all(iter(rows), kinds=["within_class", "between_class"]).values()
    kept = np.arange(200) % 10 >= 3
    assert (found.paths, found.of, found.left_out) == (140, 200, ["elsewhere"])
    assert found.means == {name: pytest.approx(np.mean(first[kept]) + name) for name in range(3)}


def test_where_no_path_is_right_in_all_there_is_no_mean(planted):  # noqa: F811
    images, first, _ = planted
    half = np.arange(200) % 2 == 0
    rows = [(name, arrays(first, images, right)) for name, right in (("a", half), ("b", ~half))]
    found = right_by_all(rows, kinds=["within_class"])["within_class"]
    assert (found.means, found.paths) == ({}, 0)


@pytest.mark.parametrize("scalar", ["fixed_band", "mirror/fixed_band"])
def test_shares_above_two_bands_are_not_compared_and_what_has_no_band_is(planted, scalar):  # noqa: F811
    images, first, second = planted
    low, high, _ = of_band(0.05, images, first), of_band(0.2, images, second), of_band(None, images, second)
    rows = [("a", low), ("b", high)]
    assert right_by_all(rows, kinds=["within_class"])["within_class"].paths == 200
    with pytest.raises(ValueError, match="trial a is of the band above 0.05, trial b of the band above 0.2"):
        right_by_all(rows, kinds=["within_class"], scalar=scalar)


def test_only_paths_with_a_value_in_all_trials_are_in_their_means(planted):  # noqa: F811
    images, first, second = planted
    first = np.where(np.arange(200) < 30, np.nan, first)
    rows = [("a", of_band(0.05, images, first)), ("b", of_band(0.05, images, second))]
    found = right_by_all(rows, kinds=["within_class"], scalar="fixed_band")["within_class"]
    assert (found.paths, found.of) == (170, 200)
    assert found.means == {"a": pytest.approx(first[30:].mean()), "b": pytest.approx(second[30:].mean())}

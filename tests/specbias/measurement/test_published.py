"""A network stands among the published ones where it was measured as they were, and only there."""

import numpy as np
import pytest

from specbias.measurement.published import MEASURED_AS, published, standing


def record(accuracy, within=0.1, between=0.3, **settings):
    shares = {"within_class": {"high_frequency_share": within}, "between_class": {"high_frequency_share": between}}
    return {"accuracy": accuracy, "settings": MEASURED_AS | settings} | shares


def test_the_table_has_what_was_published_of_all_447():
    """Means and correlations that the release's own file has; the line is that of docs/study.md."""
    them = published()
    assert {len(values) for values in them} == {447}
    assert np.corrcoef(them.accuracy, them.within_class)[0, 1] == pytest.approx(-0.944, abs=5e-4)
    assert np.corrcoef(them.accuracy, them.between_class)[0, 1] == pytest.approx(0.546, abs=5e-4)
    slope, intercept = np.polyfit(them.accuracy, them.within_class, 1)
    assert (slope, intercept) == pytest.approx((-0.567, 0.6025), abs=5e-4)
    assert (them.between_class.min(), them.between_class.max()) == pytest.approx((0.270, 0.323), abs=5e-4)


def test_a_network_is_held_against_those_as_accurate():
    them = published()
    near = np.abs(them.accuracy - 0.9) <= 0.01
    said = standing(record(0.9, within=0.09))
    assert f"as accurate are {near.sum()} of 447" in said
    assert f"within {np.median(them.within_class[near]):.3f}" in said
    assert f"{(them.within_class[near] < 0.09).mean():.0%} lower than here" in said


@pytest.mark.parametrize("accuracy", [0.3, 0.99])
def test_without_any_as_accurate_that_is_said(accuracy):
    assert "of accuracy 0.625 to 0.963, is as accurate" in standing(record(accuracy))


def test_where_few_are_as_accurate_the_line_through_all_stands_for_them():
    assert f"a share of {0.6025 - 0.567 * 0.8:.3f} within" in standing(record(0.8))


@pytest.mark.parametrize("other", [{"dataset": "digits"}, {"spacing": 2.0}, {"split": "train"}, {"signal": "logits"}])
def test_what_was_measured_otherwise_stands_nowhere(other):
    assert standing(record(0.9, **other)) == ""

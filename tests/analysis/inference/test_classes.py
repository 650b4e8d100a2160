"""Diversity of classes against frequency: by hand, by scipy's loops, and the trap of models that share classes."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.inference import class_association, partial_correlation, random_effects


def shared_classes(generator, models, classes):
    """No relation; models agree about the classes."""
    common = generator.normal(size=classes)
    return common + 0.5 * generator.normal(size=(models, classes)), generator.normal(size=classes)


def spearman(first, second):
    return stats.spearmanr(first, second).statistic


def test_rho_by_hand():
    """Ranks 1 2 3 4 against 1 2 4 3: sum of squared differences 2, rho = 1 - 6 * 2 / 60; and against 4 3 2 1: -1."""
    found = class_association([[10, 20, 40, 30], [9, 7, 5, 1]], [1.0, 2, 3, 4], permutations=50)
    assert found.per_model == pytest.approx([0.8, -1])
    assert found.statistic == pytest.approx(-0.1)
    assert (found.n, found.units, found.unit, found.left_out) == (8, 4, "class", 0)


def test_p_counts_both_signs_over_labels_permuted_for_all_models_together():
    """Two models of the same order: 2 of the 24 orders of diversity have |rho| = 1, the given and its reverse."""
    found = class_association([[1, 2, 3, 4], [5, 6, 7, 8]], [1.0, 2, 3, 4], permutations=6000)
    assert found.p == pytest.approx(2 / 24, abs=0.012)
    opposed = class_association([[1, 2, 3, 4], [8, 7, 6, 5]], [1.0, 2, 3, 4], permutations=200)
    assert opposed.statistic == pytest.approx(0) and opposed.p == 1


def test_the_trap_models_that_share_classes_are_not_independent():
    """A meta-analysis over 30 models finds something in most tables where nothing is; permuted classes in 1 of 20."""
    generator, p, meta = np.random.default_rng(0), [], []
    for _ in range(300):
        frequency, diversity = shared_classes(generator, 30, 10)
        found = class_association(frequency, diversity, permutations=199)
        p.append(found.p)
        together = random_effects(dict(enumerate(found.per_model)), 10)
        meta.append(not together.interval[0] <= 0 <= together.interval[1])
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.085  # two standard errors are 0.025
    assert np.mean(meta) > 0.5


def test_few_classes_have_the_range_without_each_one():
    frequency, diversity = shared_classes(np.random.default_rng(1), 5, 10)
    frequency, diversity = frequency.round(), diversity.round()  # ties
    found = class_association(frequency, diversity, permutations=20)
    without = [
        np.mean([spearman(np.delete(row, one), np.delete(diversity, one)) for row in frequency]) for one in range(10)
    ]
    assert found.interval is None
    assert found.range == pytest.approx((min(without), max(without)))
    assert found.statistic == pytest.approx(np.mean([spearman(row, diversity) for row in frequency]))


def test_the_interval_leaves_out_classes_with_all_their_models():
    frequency, diversity = shared_classes(np.random.default_rng(2), 4, 40)
    frequency = (frequency + 0.8 * diversity).round(1)
    found = class_association(frequency, diversity, permutations=99)
    without = np.array(
        [np.mean([spearman(np.delete(row, one), np.delete(diversity, one)) for row in frequency]) for one in range(40)]
    )
    error = np.sqrt(39 / 40 * np.square(without - without.mean()).sum()) / (1 - found.statistic**2)
    z = np.arctanh(found.statistic) + stats.t.ppf(0.975, 39) * error * np.array([-1, 1])
    assert found.range is None and found.interval == pytest.approx(tuple(np.tanh(z)))


def test_where_chance_gives_as_much_0_is_in_the_interval_and_where_one_class_differs_there_is_none():
    generator = np.random.default_rng(8)
    diversity = np.append(np.zeros(18), generator.random(3))  # three of 21 differ
    stretched = 0
    for _ in range(60):
        found = class_association(generator.normal(size=(2, 21)), diversity, permutations=199)
        assert found.p <= 0.05 or found.interval[0] <= 0 <= found.interval[1]
        stretched += 0 in found.interval
    assert stretched > 0
    one = class_association(generator.normal(size=(2, 21)), np.append(np.zeros(20), 1), permutations=9)
    assert np.isfinite(one.statistic) and np.isnan(one.interval).all()


@pytest.mark.slow
def test_the_interval_covers_a_planted_rho_about_as_often_as_said():
    truth, generator, hits = 6 / np.pi * np.arcsin(0.3), np.random.default_rng(4), 0  # of a normal pair with r = 0.6
    for _ in range(200):
        diversity, own = generator.normal(size=(2, 60))
        frequency = np.tile(0.6 * diversity + 0.8 * own, (3, 1))
        found = class_association(frequency, diversity, permutations=99)
        hits += found.interval[0] <= truth <= found.interval[1]
    assert 0.89 <= hits / 200 <= 0.985


def test_the_partial_rho_is_that_of_every_model_with_its_own_controls():
    generator = np.random.default_rng(5)
    frequency, diversity = shared_classes(generator, 3, 25)
    accuracy, length = generator.normal(size=(3, 25)) + frequency, generator.normal(size=25) + diversity
    found = class_association(frequency, diversity, controls={"accuracy": accuracy, "length": length}, permutations=9)
    for model in range(3):
        columns = {"f": frequency[model], "d": diversity, "a": accuracy[model], "l": length}
        twin = partial_correlation(pd.DataFrame(columns), measure="f", target="d", given=["a", "l"])
        assert found.partial_per_model[model] == pytest.approx(twin.statistic)
    assert found.partial == pytest.approx(found.partial_per_model.mean())
    assert found.statistic == pytest.approx(class_association(frequency, diversity, permutations=9).statistic)
    assert class_association(frequency, diversity, permutations=9).partial is None


def test_a_class_with_a_missing_value_is_left_out_for_all_models():
    frequency, diversity = shared_classes(np.random.default_rng(6), 3, 14)
    spoilt, length = frequency.copy(), np.arange(14.0)
    spoilt[1, 12], length[13] = np.nan, np.inf
    found = class_association(spoilt, diversity, controls={"length": length}, permutations=99)
    clean = class_association(frequency[:, :12], diversity[:12], controls={"length": length[:12]}, permutations=99)
    assert (found.left_out, found.units, clean.left_out) == (2, 12, 0)
    assert (found.statistic, found.p, found.partial) == (clean.statistic, clean.p, clean.partial)


def test_a_constant_is_undefined():
    generator = np.random.default_rng(7)
    frequency, diversity = shared_classes(generator, 3, 10)
    frequency[1] = 0.5
    found = class_association(frequency, diversity, permutations=9)
    assert np.isnan(found.per_model).tolist() == [False, True, False]
    assert found.statistic == pytest.approx(found.per_model[[0, 2]].mean())
    nothing = class_association(frequency, np.ones(10), permutations=9)
    assert np.isnan([nothing.statistic, nothing.p, *nothing.range]).all()


def test_errors_say_what_does_not_fit():
    with pytest.raises(ValueError, match=r"\(classes,\), not \(2, 5\) and \(4,\)"):
        class_association(np.ones((2, 5)), np.ones(4))
    with pytest.raises(ValueError, match=r"control 'length' must be \(2, 5\) or \(5,\), not \(2,\)"):
        class_association(np.ones((2, 5)), np.ones(5), controls={"length": np.ones(2)})
    with pytest.raises(ValueError, match="3 classes without a missing value; at least 4 needed"):
        class_association(np.ones((2, 4)), [1, 2, 3, np.nan])
    with pytest.raises(ValueError, match="4 classes without a missing value; at least 5 needed"):
        class_association(np.ones((2, 4)), np.arange(4), controls={"a": np.arange(4), "b": np.arange(4)})


def test_networks_that_order_the_classes_perfectly_and_disagree_have_no_interval():
    """The mean of 1, 1 and -1 is the same without any class, which says nothing of its spread; p says what is known."""
    classes = np.arange(24.0)
    found = class_association(np.stack([classes, classes, -classes]), classes, permutations=200)
    assert found.statistic == pytest.approx(1 / 3) and np.isnan(found.interval).all() and found.p < 0.01

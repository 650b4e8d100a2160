"""Rank correlations against hand counts and scipy; intervals against known truth."""

import numpy as np
import pytest
from scipy import stats

from analysis.inference import kendall_tau, spearman
from analysis.inference.resampling import bootstrap_interval


def test_kendalls_variants_by_hand():
    x, y = [1, 2, 3, 3], [1, 3, 2, 4]  # of 6 pairs: 4 agree, 1 disagrees, 1 is tied in x
    assert kendall_tau(x, y, variant="a").statistic == pytest.approx(3 / 6)
    assert kendall_tau(x, y, variant="b").statistic == pytest.approx(3 / np.sqrt(5 * 6))


def test_statistics_are_scipys_and_carry_n():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(2, 30))
    assert spearman(x, y).statistic == pytest.approx(stats.spearmanr(x, y).statistic)
    assert kendall_tau(x, y).statistic == pytest.approx(stats.kendalltau(x, y).statistic)
    assert spearman(x, y).n == kendall_tau(x, y).n == 30


def test_a_constant_has_no_rank_correlation():
    assert np.isnan(spearman(np.ones(8), np.arange(8)).statistic)
    assert kendall_tau(np.ones(8), np.arange(8), variant="a").statistic == 0
    assert np.isnan(spearman(np.ones(8), np.arange(8)).interval).all()


def test_an_unknown_variant_lists_the_known_ones():
    with pytest.raises(ValueError, match="unknown variant 'c'; known: a, b"):
        kendall_tau([1, 2], [1, 2], variant="c")


def test_the_interval_is_repeatable_and_agrees_with_scipys():
    x = np.random.default_rng(1).normal(size=40)
    found = bootstrap_interval(np.mean, x, seed=3)
    assert found == bootstrap_interval(np.mean, x, seed=3) != bootstrap_interval(np.mean, x, seed=4)
    twin = stats.bootstrap((x,), np.mean, method="percentile", rng=0).confidence_interval
    assert found == pytest.approx((twin.low, twin.high), abs=0.03)


def test_the_interval_covers_a_known_correlation_about_as_often_as_it_says():
    """Spearman of a bivariate normal with r = 0.6 is 6/pi asin(r/2); 100 samples of 40."""
    truth = 6 / np.pi * np.arcsin(0.3)
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        x, noise = generator.normal(size=(2, 40))
        y = 0.6 * x + 0.8 * noise

        def rank_correlation(a, b):
            return np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1]

        low, high = bootstrap_interval(rank_correlation, x, y, resamples=300)
        covered += low <= truth <= high
    assert 86 <= covered <= 100


def test_undefined_resamples_are_left_out():
    x, y = np.array([1.0, 2, 2, 2, 2]), np.arange(5.0)  # many resamples have a constant x
    low, high = spearman(x, y).interval
    assert np.isfinite([low, high]).all() and low <= high

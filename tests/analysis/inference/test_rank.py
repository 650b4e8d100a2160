"""Rank correlations against hand counts and scipy, what is left out, and blocks."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.inference import kendall_tau, permutation_p, spearman
from analysis.inference.weighted import weighted_tau


def tied_sample(generator, n=25):
    return generator.integers(0, 8, n).astype(float), generator.integers(0, 6, n).astype(float)


def test_kendalls_variants_by_hand():
    x, y = [1, 2, 3, 3], [1, 3, 2, 4]  # of 6 pairs: 4 agree, 1 disagrees, 1 is tied in x
    assert kendall_tau(x, y, variant="a").statistic == pytest.approx(3 / 6)
    assert kendall_tau(x, y, variant="b").statistic == pytest.approx(3 / np.sqrt(5 * 6))


def test_statistics_are_scipys_with_ties_and_without():
    generator = np.random.default_rng(0)
    for n in (2, 3, 7, 8, 9, 33):
        for x, y in (generator.normal(size=(2, n)), tied_sample(generator, n)):
            assert spearman(x, y).statistic == pytest.approx(stats.spearmanr(x, y).statistic, nan_ok=True)
            assert kendall_tau(x, y).statistic == pytest.approx(stats.kendalltau(x, y).statistic, nan_ok=True)


def test_a_constant_has_no_rank_correlation_and_says_so():
    for found in (
        spearman(np.ones(8), np.arange(8)),
        kendall_tau(np.arange(8), np.full(8, 0.3)),
        kendall_tau(np.ones(8), np.arange(8), variant="a"),
    ):
        assert np.isnan([found.statistic, *found.interval]).all() and found.note == "one of the two does not vary"
    assert np.isnan(permutation_p(np.ones(8), np.arange(8)))


def test_what_is_missing_is_left_out_and_counted():
    x, y = np.arange(12.0), np.arange(12.0) ** 2 % 7
    whole = kendall_tau(x[2:], y[2:], clusters=np.arange(10) // 2)
    x[0], y[1] = np.nan, np.inf
    found = kendall_tau(x, y, clusters=pd.Series(np.arange(-2, 10) // 2, name="setting"))
    assert (found.n, found.units, found.unit, found.left_out) == (10, 5, "setting", 2)
    assert found.statistic == whole.statistic and found.interval == whole.interval
    assert (whole.unit, whole.left_out, whole.convention) == ("cluster", 0, "tau-b: corrected for ties")
    assert spearman(x, y).unit == "row" and spearman(x, y).units == 10
    gone = pd.Series([None, "a"] * 6, name="family")
    assert spearman(x, y, clusters=gone).left_out == 7  # row 1 for its y, the even ones for their cluster


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: kendall_tau([1, 2], [1, 2], variant="c"), "unknown variant 'c'; known: a, b"),
        (lambda: spearman([1, np.nan, np.nan], [1, 2, 3]), "'x' and 'y': 1 usable rows; at least 2 needed"),
        (lambda: spearman([1, 2, 3], [1, 2]), "not of one length: x 3, y 2, block 3"),
        (lambda: spearman([1, 2, 3], [1, 2, 3], clusters=[1, 2]), "unit 2"),
        (lambda: spearman(["low", "high", "low"], [1, 2, 3]), "'x' does not hold numbers"),
        (lambda: spearman([1, 2, 3], pd.Series(["1", "2", "3"])), "'y' does not hold numbers"),
        (lambda: kendall_tau([1, 2, 3], pd.date_range("2022", periods=3)), "'y' does not hold numbers"),
        (lambda: permutation_p(pd.to_datetime(["2022", "2023"]), [1, 2]), "'x' does not hold numbers"),
    ],
)
def test_errors_are_one_line(call, said):
    with pytest.raises(ValueError, match=said) as raised:
        call()
    assert "\n" not in str(raised.value)


def test_weighted_tau_is_the_double_sum_over_pairs_of_different_rows():
    generator = np.random.default_rng(1)
    for n in (5, 16, 25):
        x, y = tied_sample(generator, n)
        weights = generator.integers(0, 4, (n, 6)).astype(np.int32)
        found = {variant: weighted_tau(x, y, weights, variant=variant) for variant in "ab"}
        for column, weight in enumerate(weights.T):
            in_x, in_y, agree = 0, 0, 0
            rows = [(i, j) for i in range(n) for j in range(n) if i != j]
            for i, j in rows:
                times = weight[i] * weight[j]
                agree += times * np.sign(x[i] - x[j]) * np.sign(y[i] - y[j])
                in_x += times * (x[i] != x[j])
                in_y += times * (y[i] != y[j])
            pairs = sum(weight[i] * weight[j] for i, j in rows)
            assert found["a"][column] == pytest.approx(agree / pairs)
            assert found["b"][column] == pytest.approx(agree / np.sqrt(in_x * in_y))


def test_within_blocks_the_relation_between_them_does_not_count():
    """Simpson's case: each of 4 families falls, their means rise."""
    family = np.repeat(np.arange(4), 6)
    within = np.tile(np.arange(6.0), 4)
    x, y = within + 100 * family, -within + 100 * family
    assert spearman(x, y).statistic > 0.8
    assert spearman(x, y, blocks=family).statistic == pytest.approx(-1)
    mean = np.mean([stats.spearmanr(x[family == f], y[::-1][family == f]).statistic for f in range(4)])
    assert spearman(x, y[::-1], blocks=family).statistic == pytest.approx(mean)  # of blocks of one size: the mean
    assert spearman(x, y, blocks=np.array(list("abcd"))[family]).convention.endswith("ranks within blocks")


def test_a_block_counts_as_its_ranks_over_its_size_and_one():
    generator = np.random.default_rng(4)
    x, y = generator.normal(size=(2, 13))
    block = np.array([0] * 3 + [1] * 9 + [2])  # that of one row has nothing to say
    ranks = [
        np.concatenate(
            [
                (stats.rankdata(v[block == b]) - ((block == b).sum() + 1) / 2) / ((block == b).sum() + 1)
                for b in range(3)
            ]
        )
        for v in (x, y)
    ]
    expected = ranks[0] @ ranks[1] / np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1]))
    assert spearman(x, y, blocks=block).statistic == pytest.approx(expected)


def test_a_cluster_of_several_blocks_is_refused():
    x = np.arange(12)
    with pytest.raises(ValueError, match="^cluster 0 is in several blocks: number units through all blocks$"):
        spearman(x, x, clusters=x % 6, blocks=x // 6)
    assert spearman(x, x % 5, clusters=x // 2, blocks=x // 6).units == 6

"""Rank correlations against hand counts and scipy; weights against rows repeated; intervals against known truth."""

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
            assert spearman(x, y, resamples=1).statistic == pytest.approx(stats.spearmanr(x, y).statistic, nan_ok=True)
            assert kendall_tau(x, y, resamples=1).statistic == pytest.approx(
                stats.kendalltau(x, y).statistic, nan_ok=True
            )


def test_a_constant_has_no_rank_correlation():
    assert np.isnan(spearman(np.ones(8), np.arange(8)).statistic)
    assert np.isnan(kendall_tau(np.ones(8), np.arange(8)).statistic)
    assert kendall_tau(np.ones(8), np.arange(8), variant="a").statistic == 0
    assert np.isnan(spearman(np.ones(8), np.arange(8)).interval).all()
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


def naive_interval(statistic, x, y, clusters, resamples, seed):
    """The bootstrap drawn as the code says it draws, but by rows repeated."""
    distinct, units = np.unique(clusters, return_inverse=True)
    drawn = np.random.default_rng(seed).integers(len(distinct), size=(resamples, len(distinct)))
    values = []
    for row in drawn:
        members = [np.flatnonzero(units == unit) for unit in row]
        rows, copy = np.concatenate(members), np.repeat(np.arange(len(row)), [*map(len, members)])
        one_copy = copy[:, None] == copy
        of_other_units = units[rows][:, None] != units[rows]
        across = of_other_units.sum() / sum(size * (len(x) - size) for size in np.bincount(units))
        pairs = of_other_units + across * (one_copy & (rows[:, None] != rows))
        values.append(statistic(x[rows], y[rows], pairs))
    every = np.ones((len(x), len(x))) - np.eye(len(x))
    z, found = np.arctanh(values), np.arctanh(statistic(x, y, every))
    return np.tanh(np.nanquantile(z, [0.025, 0.975]) - np.arctanh(np.nanmedian(values)) + found)


def tau_a(x, y, weights):
    return (np.sign(x[:, None] - x) * np.sign(y[:, None] - y) * weights).sum() / weights.sum()


def tau_b(x, y, weights):
    a, b = np.sign(x[:, None] - x), np.sign(y[:, None] - y)
    return (a * b * weights).sum() / np.sqrt((a * a * weights).sum() * (b * b * weights).sum())


def test_the_bootstrap_by_weights_is_the_one_by_rows():
    generator = np.random.default_rng(2)
    x, y = tied_sample(generator, 30)
    clusters = np.repeat(np.arange(10), 3)
    arguments = {"resamples": 150, "seed": 5}

    def rank_correlation(a, b, _):
        return np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1]

    assert spearman(x, y, clusters=clusters, **arguments).interval == pytest.approx(
        naive_interval(rank_correlation, x, y, clusters, **arguments)
    )
    for variant, tau in (("a", tau_a), ("b", tau_b)):
        found = kendall_tau(x, y, variant=variant, clusters=clusters, **arguments).interval
        assert found == pytest.approx(naive_interval(tau, x, y, clusters, **arguments))


def test_pairs_within_a_unit_do_not_weigh_more_in_a_resample_than_in_the_sample():
    """In 9 units of three every pair inside disagrees, 27 of 351, and every pair across agrees."""
    clusters = np.repeat(np.arange(9), 3)
    x, y = np.arange(27.0), 3.0 * clusters + np.tile([2, 1, 0], 9)
    found = kendall_tau(x, y, variant="a", clusters=clusters)
    assert found.statistic == pytest.approx(1 - 2 * (9 * 3) / (27 * 26 / 2))
    assert found.interval == pytest.approx((found.statistic, found.statistic))  # every resample has the same share


def test_resampling_does_not_shrink_tau_a():
    """Of 12 rows a twelfth of a resample's pairs are of copies: were they ties, the middle would be 8 in 100 lower."""
    x = np.arange(12.0)
    y = x + np.tile([0, 3.5, -3.5], 4)
    found = kendall_tau(x, y, variant="a")
    assert np.mean(found.interval) == pytest.approx(found.statistic, abs=0.04)
    every = weighted_tau(x, x, np.random.default_rng(0).multinomial(12, [1 / 12] * 12, 50).T, variant="a")
    assert every == pytest.approx(1)


@pytest.mark.parametrize(("method", "noise"), [(spearman, 0.002), (spearman, 0.01), (kendall_tau, 0.01)])
def test_the_estimate_is_within_its_interval_and_the_truth_too_in_a_sweep_of_families(method, noise):
    """Simpson's case, 6 families of 5 levels of two seeds. Copies tie, so resamples of Spearman's are about 0.02 lower:
    unless moved, the interval of -0.946 ended at -0.946, and left the mean estimate out in 15 of 100."""
    generator, found = np.random.default_rng(6), []
    family, level = np.repeat(np.arange(6), 10), np.tile(np.repeat(np.arange(-2, 3), 2), 6)
    for _ in range(40):
        x = 0.1 * family + 0.01 * level + generator.normal(0, 0.002, 60)
        y = -0.1 * family + 0.02 * level + generator.normal(0, noise, 60)
        result = method(x, y, clusters=5 * family + level, resamples=200)
        found.append((result.interval[0], result.statistic, result.interval[1]))
    low, value, high = np.array(found).T
    assert (low <= value).all() and (value <= high).all()
    assert np.mean((low <= value.mean()) & (value.mean() <= high)) > 0.92


def test_the_interval_is_moved_on_fishers_z():
    """Half of the resamples of a sample that one swap keeps from 1 are 1, whose z is infinite: it is not moved far."""
    x = np.arange(40.0)
    y = np.append(x[:38], [39, 38])
    for method in (spearman, kendall_tau):
        found = method(x, y)
        assert 0.98 < found.interval[0] < found.statistic < found.interval[1] == pytest.approx(1, abs=1e-9)
        other = method(x, -y).interval
        assert other == pytest.approx((-found.interval[1], -found.interval[0]))


@pytest.mark.parametrize("method", [spearman, kendall_tau])
def test_a_monotone_sample_does_not_prove_a_correlation_of_one(method):
    ends = [method(np.arange(n), np.exp(np.arange(n) / 9)).interval for n in (5, 10, 40)]
    assert all(high == 1 for _, high in ends)
    assert -0.3 < ends[0][0] < ends[1][0] - 0.2 < ends[2][0] < 0.9999
    low, high = method(np.arange(10), -np.arange(10)).interval
    assert low == -1 and high == pytest.approx(-ends[1][0])
    assert np.isnan(method(np.arange(4), np.arange(4)).interval).all()


def test_the_interval_is_wider_where_rows_repeat_one_another():
    generator = np.random.default_rng(3)
    x, y = generator.normal(size=(2, 20))
    x, y, clusters = np.repeat(x, 5), np.repeat(y, 5), np.repeat(np.arange(20), 5)
    rows, units = (np.ptp(spearman(x, y, clusters=c).interval) for c in (None, clusters))
    assert 1.8 < units / rows < 2.6  # sqrt(5)
    assert spearman(x, y, seed=1).interval == spearman(x, y, seed=1).interval != spearman(x, y, seed=2).interval


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


def test_p_of_all_permutations_of_five():
    """r of (0..4) and (0, 1, 2, 4, 3) is 0.9; of the 120 orders 5 are as high and 5 as low: p is near 10 / 120."""
    found = permutation_p(np.arange(5), [0, 1, 2, 4, 3], permutations=20_000)
    assert found == pytest.approx(10 / 120, abs=0.008)
    assert permutation_p(np.arange(40), np.arange(40), permutations=99) == 1 / 100


def test_p_of_all_permutations_within_three_pairs():
    """Three pairs that all rise: of the 8 ways to turn pairs round 2 are as extreme; freely, 2 of 20 would be."""
    found = permutation_p([0, 1] * 3, [0, 1] * 3, blocks=list("aabbcc"), permutations=10_000)
    assert found == pytest.approx(0.25, abs=0.02)


def test_p_is_within_blocks_and_two_sided():
    """Families far apart in both; within them falling, or nothing. Over all rows r is high in every permutation."""
    generator = np.random.default_rng(5)
    family = np.repeat(np.arange(5), 8)
    x = generator.normal(size=40)
    y = -x + generator.normal(size=40)
    assert permutation_p(x + 50 * family, y + 50 * family, blocks=family) < 0.01
    reached = []
    for _ in range(200):
        x, y = generator.normal(size=(2, 40)) + 50 * family
        reached.append(permutation_p(x, y, blocks=family, permutations=99) <= 0.1)
    assert 0.05 < np.mean(reached) < 0.16
    assert permutation_p(x, y, permutations=99) == 0.01  # without blocks it is the relation between families


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("rho", [0, 0.5, 0.8])
def test_intervals_of_ten_units_cover_the_truth_about_as_often_as_they_say(rho, size):
    """Of two normal variables with r: tau is 2/pi asin(r), Spearman's 6/pi asin(r/2); 400 samples, error 1.1 in 100."""
    generator = np.random.default_rng(1)
    clusters = np.repeat(np.arange(10), size)
    truth = np.array([6 / np.pi * np.arcsin(rho / 2), 2 / np.pi * np.arcsin(rho)])
    covered = []
    for _ in range(400):
        x, noise = generator.normal(size=(2, 10 * size)) + generator.normal(size=(2, 10))[:, clusters]
        y = rho * x + np.sqrt(1 - rho**2) * noise
        ends = [method(x, y, clusters=clusters, resamples=300).interval for method in (spearman, kendall_tau)]
        covered.append([low <= value <= high for (low, high), value in zip(ends, truth, strict=True)])
    assert (np.abs(np.mean(covered, axis=0) - 0.95) < 0.045).all()

"""Intervals of rank correlations: the jackknife against rows left out, and how often they cover the truth."""

from functools import partial

import numpy as np
import pytest
from scipy import stats

from analysis.inference import kendall_tau, permutation_p, spearman
from analysis.inference.claim import judge_sign
from tests.analysis.inference.test_rank import tied_sample


def tau_a(x, y):
    return (np.sign(x[:, None] - x) * np.sign(y[:, None] - y)).sum() / (len(x) * (len(x) - 1))


@pytest.mark.parametrize(
    ("method", "twin"),
    [
        (spearman, lambda x, y: stats.spearmanr(x, y).statistic),
        (partial(kendall_tau, variant="a"), tau_a),
        (kendall_tau, lambda x, y: stats.kendalltau(x, y).statistic),
    ],
    ids=["spearman", "tau-a", "tau-b"],
)
def test_the_interval_is_the_jackknifes_on_fishers_scale_by_rows_left_out(method, twin):
    generator = np.random.default_rng(2)
    x, y = tied_sample(generator, 48)
    clusters = np.repeat(np.arange(16), 3)
    without = np.array([twin(x[clusters != unit], y[clusters != unit]) for unit in range(16)])
    error = np.sqrt(15 / 16 * np.square(without - without.mean()).sum())
    value = twin(x, y)
    half = stats.t.ppf(0.975, 15) * error / (1 - value**2)
    found = method(x, y, clusters=clusters)
    assert found.statistic == pytest.approx(value) and found.units == 16
    assert found.interval == pytest.approx(np.tanh(np.arctanh(value) + half * np.array([-1, 1])))


def test_many_units_are_left_out_in_groups_about_as_well_as_one_by_one(monkeypatch):
    x, noise = np.random.default_rng(6).normal(size=(2, 450))
    grouped = spearman(x, x + noise)
    monkeypatch.setattr("analysis.inference.resampling.GROUPS", 450)
    alone = spearman(x, x + noise)
    assert np.ptp(grouped.interval) == pytest.approx(np.ptp(alone.interval), rel=0.15) and grouped != alone
    assert grouped == spearman(x, x + noise)._replace(interval=grouped.interval)


def test_of_ten_units_of_which_one_differs_there_is_no_interval():
    """The other nine have a statistic only with it: of resamples, two in three have it, and always in one place."""
    x, y = [1] * 9 + [0.5], [*range(2, 11), 0]
    assert permutation_p(x, y, permutations=5000) == pytest.approx(0.2, abs=0.02)
    for found in (spearman(x, y), kendall_tau(x, y), kendall_tau(x, y, variant="a"), spearman(y, x)):
        assert found.statistic > 0.19 and np.isnan(found.interval).all()
        assert found.note == "no interval: all but one of 10 units are the same"
    few = spearman(x[5:9], y[5:9])
    assert few.note == "one of the two does not vary" and "4 units, at least 5" in spearman(y[:4], y[:4]).note


@pytest.mark.parametrize(("off", "units"), [(1, 10), (1, 20), (2, 10), (3, 10)])
def test_independent_units_of_which_few_differ_look_related_in_no_more_than_7_of_100(off, units):
    generator, excluded = np.random.default_rng(off + units), []
    for _ in range(150 if off > 1 else 10):  # of one there is no interval
        x, y = np.ones(units), generator.normal(size=units)
        x[:off] -= generator.random(off)
        ends = [f(x, y).interval for f in (spearman, kendall_tau, partial(kendall_tau, variant="a"))]
        excluded.append([low > 0 or high < 0 for low, high in ends])
    assert np.mean(excluded, axis=0).max() <= 0.07


def test_an_interval_without_0_has_a_small_permutation_p():
    """Ties and few units, where the jackknife alone is too sure; 20 samples that it puts on one side of 0."""
    generator, sure = np.random.default_rng(8), 0
    while sure < 10:
        units = int(generator.integers(5, 14))
        x = generator.integers(0, 3, units)
        y = x + generator.integers(0, 4, units)
        for method in (spearman, kendall_tau):
            low, high = method(x, y).interval
            if low > 0 or high < 0:
                sure += 1
                assert permutation_p(x, y, permutations=1000) <= 0.05
            elif 0 in (low, high):
                assert permutation_p(x, y, permutations=1000) > 0.05


@pytest.mark.parametrize("rho", [0, 0.8])
def test_ten_settings_in_two_families_with_most_at_the_ceiling_are_covered(rho):
    """8 of 10 at the highest value on average; truth: the correlation of 20,000 such settings, families alike."""
    generator = np.random.default_rng(9)
    family, seeds = np.array([-0.5, 0.5]), np.repeat(np.arange(10), 2)

    def draw(units):
        own = generator.normal(size=units) + np.resize(family, units)
        y = rho * own + np.sqrt(1 - rho**2) * generator.normal(size=units)
        return np.minimum(own, -1.0), y  # 0.2 of them are below

    truth = stats.spearmanr(*draw(20_000)).statistic
    covered = []
    for _ in range(200):
        x, y = (values[seeds] for values in draw(10))
        y = y + 0.1 * generator.normal(size=20)
        low, high = spearman(x, y, clusters=seeds).interval
        covered += [] if np.isnan(low) else [low <= truth <= high]
    assert 80 < len(covered) < 190 and np.mean(covered) >= 0.91


@pytest.mark.parametrize(("method", "noise"), [(spearman, 0.002), (spearman, 0.01), (kendall_tau, 0.01)])
def test_the_estimate_is_within_its_interval_and_the_truth_too_in_a_sweep_of_families(method, noise):
    """Simpson's case, 6 families of 5 levels of two seeds. To 0.001: in one of four sweeps two neighbours of different
    families change places, which is a step that a sweep without one cannot know of."""
    generator, found = np.random.default_rng(6), []
    family, level = np.repeat(np.arange(6), 10), np.tile(np.repeat(np.arange(-2, 3), 2), 6)
    for _ in range(40):
        x = 0.1 * family + 0.01 * level + generator.normal(0, 0.002, 60)
        y = -0.1 * family + 0.02 * level + generator.normal(0, noise, 60)
        result = method(x, y, clusters=5 * family + level)
        found.append((result.interval[0], result.statistic, result.interval[1]))
    low, value, high = np.array(found).T
    assert (low <= value).all() and (value <= high).all()
    assert np.mean((low - 0.001 <= value.mean()) & (value.mean() <= high + 0.001)) > 0.92


def test_an_almost_monotone_sample_is_not_quite_sure():
    x = np.arange(40.0)
    y = np.append(x[:38], [39, 38])
    for method in (spearman, kendall_tau):
        found = method(x, y)
        assert 0.95 < found.interval[0] < found.statistic < found.interval[1] < 1
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


def marked(mark, *cases):
    return [pytest.param(*case, marks=mark) for case in cases]


@pytest.mark.parametrize(
    ("rho", "size"),
    [
        *marked(pytest.mark.slow, (0, 1), (0.8, 2)),
        *marked(pytest.mark.nightly, (0, 2), (0.5, 1), (0.5, 2), (0.8, 1)),
    ],
)
def test_intervals_of_ten_units_cover_the_truth_about_as_often_as_they_say(rho, size):
    """Of two normal variables with r: tau is 2/pi asin(r), Spearman's 6/pi asin(r/2); 400 samples, error 1.1 in 100."""
    generator = np.random.default_rng(1)
    clusters = np.repeat(np.arange(10), size)
    truth = np.array([6 / np.pi * np.arcsin(rho / 2), 2 / np.pi * np.arcsin(rho)])
    covered = []
    for _ in range(400):
        x, noise = generator.normal(size=(2, 10 * size)) + generator.normal(size=(2, 10))[:, clusters]
        y = rho * x + np.sqrt(1 - rho**2) * noise
        ends = [method(x, y, clusters=clusters).interval for method in (spearman, kendall_tau)]
        covered.append([low <= value <= high for (low, high), value in zip(ends, truth, strict=True)])
    assert (np.abs(np.mean(covered, axis=0) - 0.95) < 0.045).all()


@pytest.mark.parametrize("method", [spearman, kendall_tau])
def test_an_interval_of_fewer_than_eight_units_says_that_it_is_wide(method):
    """Of five to seven it covers the truth in up to 100 of 100 cases."""
    x, y = np.random.default_rng(3).normal(size=(2, 8))
    assert [method(x[:n], y[:n]).note for n in (5, 7, 8)] == ["wide: fewer than 8 units"] * 2 + [""]
    assert "wide" in judge_sign("tau", method(x[:7], y[:7]), trials="all", positive=True).note


@pytest.mark.parametrize("method", [spearman, lambda x, y: kendall_tau(x, y, variant="a")])
def test_what_is_the_same_without_any_unit_has_no_interval(method):
    """Two levels of both, in the same order: tau-a is 0.57 with each of the eight and without; Spearman's is 1."""
    found = method([0] * 4 + [1] * 4, [0] * 4 + [1] * 4)
    if found.statistic < 0.9:
        assert np.isnan(found.interval).all()
        assert found.note == "no interval: it is the same without any one of the units"
    else:
        assert found.interval[0] < found.interval[1] == 1 and not found.note


def test_a_monotone_order_within_blocks_is_worth_what_is_known_in_them():
    """Of pairs nothing; of one block what it is without; and three of ten weigh as 3 (10 - 3) + 3 units."""
    x = np.arange(12)
    pairs = spearman(x, x, blocks=x // 2)
    assert pairs.statistic == pytest.approx(1) and np.isnan(pairs.interval).all() and "12 units in blocks" in pairs.note
    assert spearman(x, x, blocks=np.zeros(12)).interval == spearman(x, x).interval
    thirty, twenty_four = np.arange(30), np.arange(24)
    low, high = spearman(thirty, thirty, blocks=thirty // 10).interval
    assert (low, high) == pytest.approx(spearman(twenty_four, twenty_four).interval)

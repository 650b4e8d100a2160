"""The jackknife over units, the bootstrap of a table and of runs, and what becomes of a statistic that is undefined."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.inference import cluster_bootstrap
from analysis.inference.resampling import (
    differing_units,
    jackknife,
    over_pairs,
    percentile_interval,
    resamples_for,
    runs_interval,
    unit_means,
    usable,
    without_bias,
)
from analysis.inference.weighted import weighted_tau


def mean(table):
    return table["value"].mean()


def test_of_rows_the_interval_is_scipys_and_repeatable():
    x = np.random.default_rng(1).normal(size=40)
    table = pd.DataFrame({"value": x})
    found = cluster_bootstrap(mean, table, seed=3)
    assert found == cluster_bootstrap(mean, table, seed=3) != cluster_bootstrap(mean, table, seed=4)
    twin = stats.bootstrap((x,), np.mean, method="percentile", rng=0).confidence_interval
    assert found == pytest.approx((twin.low, twin.high), abs=0.03)


def test_clusters_come_whole_and_twice_is_two():
    table = pd.DataFrame({"family": list("aaabbc"), "value": [1, 1, 1, 10, 10, 100]})
    seen = []
    cluster_bootstrap(lambda t: seen.append(t) or 0.0, table, cluster="family", resamples=50)
    for again in seen:
        assert again["family"].nunique() == 3  # copies are numbered anew
        assert {(v.iloc[0], len(v)) for _, v in again.groupby("family")["value"]} <= {(1, 3), (10, 2), (100, 1)}
    assert len({len(again) for again in seen}) > 3


@pytest.mark.slow
def test_the_interval_of_a_mean_covers_it_if_clusters_are_drawn_and_not_if_rows_are():
    """20 families of 8 rows, all variance between families; 60 samples: the true rates are about 0.93 and 0.5."""
    generator, covered = np.random.default_rng(0), []
    for _ in range(60):
        values = np.repeat(generator.normal(size=20), 8)
        table = pd.DataFrame({"family": np.repeat(np.arange(20), 8), "value": values})
        ends = [cluster_bootstrap(mean, table, cluster=cluster, resamples=100) for cluster in ("family", None)]
        covered.append([low <= 0 <= high for low, high in ends])
    by_family, by_row = np.mean(covered, axis=0)
    assert by_family > 0.83 and by_row < 0.65


def mean_of(values):
    return lambda weights: values @ weights / weights.sum(axis=0)


def test_of_a_mean_the_jackknife_is_its_standard_error_and_clusters_are_left_out_whole(monkeypatch):
    x = np.random.default_rng(2).normal(size=30)
    found = jackknife(mean_of(x), np.arange(30))
    assert found.statistic == pytest.approx(x.mean()) and found.error == pytest.approx(stats.sem(x))
    assert found.half == pytest.approx(stats.t.ppf(0.975, 29) * stats.sem(x))
    repeated = jackknife(mean_of(np.repeat(x, 3)), np.repeat(np.arange(30), 3))
    assert repeated.error == pytest.approx(stats.sem(x)) and repeated.freedom == 29
    monkeypatch.setattr("analysis.inference.resampling.WEIGHTS", 70)  # two columns at a time
    assert jackknife(mean_of(x), np.arange(30)) == pytest.approx(found)
    monkeypatch.setattr("analysis.inference.resampling.GROUPS", 10)
    assert jackknife(mean_of(x), np.arange(30)).freedom == 9
    assert jackknife(mean_of(x), np.arange(30)).error == pytest.approx(stats.sem(x), rel=0.5)


def test_there_is_no_error_of_few_units_nor_where_one_of_them_makes_the_statistic():
    one = np.array([0.0] * 9 + [1])

    def share(weights):  # undefined without the last
        return np.where(one @ weights > 0, 1.0, np.nan)

    assert np.isnan(jackknife(share, np.arange(10)).error) and jackknife(share, np.arange(10)).statistic == 1
    assert np.isnan(jackknife(mean_of(one[:4]), np.arange(4)).error)


def test_an_interval_is_not_given_by_the_resamples_in_which_the_statistic_exists():
    """Of 100 values 1 may be undefined. In a third of the resamples of ten rows a given one is missing."""
    values = np.arange(100.0)
    values[3] = np.nan
    assert percentile_interval(values, level=1) == (0, 99)
    values[4] = np.nan
    assert np.isnan(percentile_interval(values)).all() and np.isnan(percentile_interval(np.full(3, np.nan))).all()
    table = pd.DataFrame({"value": [0.0] * 9 + [1]})
    assert np.isnan(cluster_bootstrap(lambda t: np.nan if t["value"].max() == 0 else 7.0, table)).all()
    runs = table["value"].to_numpy()
    assert runs_interval(lambda a: np.nan if a.max() == 0 else 7.0, runs) is None
    pairs = over_pairs(np.stack([np.arange(10), np.arange(10)], axis=1))  # without one of them in most resamples
    assert pairs(lambda a: np.nan if a.max() == 0 else 7.0, runs) is None


def test_runs_drawn_again_in_any_order_are_asked_for_once_and_count_as_often_as_they_are_drawn():
    runs, asked = np.random.default_rng(3).normal(size=(5, 2)), []
    found = runs_interval(lambda drawn: asked.append(drawn) or drawn.mean(), runs)
    generator = np.random.default_rng(0)
    loop = [runs[generator.integers(5, size=5)].mean() for _ in range(1000)]
    assert found == pytest.approx(percentile_interval(np.array(loop), method="inverted_cdf")) and len(asked) <= 126


@pytest.mark.parametrize(
    ("values", "count"),
    [([1, 1, 1, 2, 3], 2), ([1, 1, 2, 3, 4], 5), ([1, 2, 3, 4, 5], 5), ([1] * 5, 0), ([1, 1, 1, 1, 2], 1)],
)
def test_units_differ_from_the_value_that_most_share(values, count):
    values, units = np.array(values, dtype=float), np.arange(5)
    assert differing_units(values, units) == count
    assert differing_units(np.repeat(values, 2), np.repeat(units, 2)) == count


def test_a_cluster_is_in_one_family_and_means_are_of_whole_rows():
    table = pd.DataFrame({"family": list("aabb"), "unit": [0, 1, 0, 1], "m": [1.0, 2, 3, 4], "g": [1.0, 2, 3, 4]})
    with pytest.raises(ValueError, match="^unit 0 is in a and b: number units through all families$"):
        unit_means(table, ["m", "g"], family="family", cluster="unit")
    table["unit"] = [0, 0, 1, 1]
    table.loc[0, "m"] = np.nan
    means = unit_means(table, ["m", "g"], family="family", cluster="unit")
    assert means["g"].tolist() == [2, 3.5] and means["family"].tolist() == ["a", "b"]
    assert len(unit_means(table, ["m"], family="family")) == 3


def test_how_many_resamples():
    assert [resamples_for(n) for n in (1, 2000, 2001, 10_000)] == [2000, 2000, 200, 200]


def test_rows_that_cannot_be_used_are_counted_and_settings_may_be_missing():
    table = pd.DataFrame({"m": [1, np.nan, 3, 4, np.inf], "lr": [np.nan] * 5, "family": ["a", "a", None, "b", "b"]})
    sample = usable(table, ["m"], settings=["lr"], cluster="family")
    assert sample.table["m"].tolist() == [1, 4] and sample.units.tolist() == [0, 1]
    assert sample.described == {"n": 2, "units": 2, "unit": "family", "left_out": 3}
    with pytest.raises(ValueError, match="^no column 'gap'; the table has: m, lr, family$"):
        usable(table, ["m", "gap"])
    with pytest.raises(ValueError, match="^'m': 1 usable rows; at least 2 needed$"):
        usable(table.head(2), ["m"])


def test_without_its_bias_the_jackknifes_variance_of_tau_is_what_is_known_of_independent_ranks():
    """Kendall (1938): 2 (2n + 5) / (9n (n - 1)); the jackknife of ten has 1.38 times as much. 500 samples, error 2%."""
    generator, found = np.random.default_rng(6), []
    for _ in range(500):
        x, y = generator.normal(size=(2, 10))
        plain = jackknife(tau := partial(weighted_tau, x, y, variant="a"), np.arange(10))
        found.append([each.error**2 for each in (plain, without_bias(plain, tau, np.arange(10)))])
    ratios = np.mean(found, axis=0) / (2 * 25 / (9 * 10 * 9))
    assert 1.3 < ratios[0] < 1.5 and 1.0 < ratios[1] < 1.15  # a little above 1: it is never below what pairs alone make


def test_the_bias_of_the_jackknife_is_what_pairs_make_beyond_their_units():
    """Of a mean over pairs: the variance of s_ij less the means of i and j, times 2 / (n - 1) (n - 2)."""
    generator, n = np.random.default_rng(7), 9
    x, y = generator.normal(size=(2, n))
    signs = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    mean, others = signs.sum() / (n * (n - 1)), ~np.eye(n, dtype=bool)
    of_unit = (signs.sum(axis=1) - (n - 1) * mean) / (n - 2)
    beyond = (signs - mean - of_unit[:, None] - of_unit)[others]
    variance = np.square(beyond).sum() / (n * (n - 3))
    units = np.repeat(np.arange(n), 2)

    def statistic(weights):  # of units, whatever their rows are
        w = weights[::2].astype(float)
        return np.einsum("ik,ij,jk->k", w, signs, w) / (w.sum(axis=0) * (w.sum(axis=0) - 1))

    plain = jackknife(statistic, units)
    better = without_bias(plain, statistic, units)
    assert plain.error**2 - better.error**2 == pytest.approx(2 * variance / ((n - 1) * (n - 2)))


def test_where_a_statistic_is_undefined_without_a_pair_its_error_is_the_jackknifes():
    """Two of ten differ from the rest."""
    x, y = np.array([0.0] * 8 + [1, 2]), np.random.default_rng(8).normal(size=10)
    plain = jackknife(tau := partial(weighted_tau, x, y, variant="b"), np.arange(10))
    assert np.isfinite(plain.error) and without_bias(plain, tau, np.arange(10)) == plain

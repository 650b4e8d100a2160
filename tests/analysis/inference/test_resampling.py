"""The bootstrap of any statistic of a table: scipy's for rows, wider for clusters, and what it does with NaN."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.inference import cluster_bootstrap
from analysis.inference.resampling import bootstrap_values, percentile_interval, resamples_for, usable


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


def test_by_weights_and_by_rows_the_same_units_are_drawn():
    table = pd.DataFrame({"family": np.repeat(np.arange(6), 2), "value": np.arange(12.0)})
    units = usable(table, ["value"], cluster="family").units
    values = bootstrap_values(lambda w: table["value"].to_numpy() @ w / w.sum(axis=0), units, resamples=300, seed=2)
    drawn = np.random.default_rng(2).integers(6, size=(300, 6))
    assert values == pytest.approx((2 * drawn + 0.5).mean(axis=1))  # the mean of family f is 2 f + 0.5


def test_chunks_of_resamples_leave_the_law_alone(monkeypatch):
    monkeypatch.setattr("analysis.inference.resampling.WEIGHTS", 70)
    values = bootstrap_values(lambda w: w[:10].sum(axis=0), np.arange(20), resamples=1000)
    assert len(values) == 1000 and values.mean() == pytest.approx(10, abs=0.4)
    assert values.std() == pytest.approx(np.sqrt(20 / 4), abs=0.2)  # binomial: 20 draws of 1/2


def test_undefined_resamples_are_left_out():
    assert percentile_interval(np.array([np.nan, 1.0, np.nan, 3.0]), level=1) == (1, 3)
    assert np.isnan(percentile_interval(np.full(3, np.nan))).all()
    table = pd.DataFrame({"value": [0.0, 0, 0, 0, 1]})
    assert cluster_bootstrap(lambda t: np.nan if t["value"].max() == 0 else 7.0, table) == (7, 7)


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

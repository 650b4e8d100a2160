"""Slopes against least squares with dummies and a jackknife run as a loop, and how often they cover the truth."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from analysis.inference import slopes

NAMES = {"measure": "frequency", "target": "accuracy", "family": "intervention"}


def table_of(x, y, families, clusters=None):
    columns = {"accuracy": x, "frequency": y, "intervention": families}
    return pd.DataFrame(columns if clusters is None else columns | {"setting": clusters})


def sweep(generator, settings, families, *, slope=0.5, shift=0.0, uneven=False):
    """Settings with two seeds that share an error; `shift`: how far a family's intercept follows its mean of x."""
    of = np.arange(settings) % families
    mean = generator.normal(size=families) * (shift != 0)
    intercept = shift * mean + (shift != 0) * 0.5 * generator.normal(size=families)
    cluster = np.repeat(np.arange(settings), 2)
    family = of[cluster]
    x = (mean[of] + generator.normal(size=settings))[cluster] + 0.2 * generator.normal(size=2 * settings)
    error = generator.normal(size=settings)[cluster] + 0.5 * generator.normal(size=2 * settings)
    if uneven:
        error = error * (0.3 + np.abs(x - mean[family]))
    return table_of(x, slope * x + intercept[family] + error, family, cluster)


def naive_slope(x, y, families):
    dummies = np.eye(families.max() + 1)[families]
    return float((np.linalg.pinv(np.column_stack([x, dummies])) @ y)[0])


def naive_interval(x, y, families, clusters):
    every, found = np.unique(clusters), naive_slope(x, y, families)
    without = [naive_slope(*(column[clusters != one] for column in (x, y, families))) for one in every]
    error = np.sqrt((len(every) - 1) / len(every) * sum((one - found) ** 2 for one in without))
    return found + error * stats.t.ppf([0.025, 0.975], len(every) - 1)


def test_simpsons_paradox_by_hand():
    """Within each family the slope is -1. Over all: Sxx = 17.5, Sxy = 9.5. Without a family only -1 is left."""
    table = table_of(np.arange(6.0), np.array([2.0, 1, 0, 5, 4, 3]), list("aaabbb"))
    found = slopes(table, **NAMES)
    assert found.pooled.statistic == pytest.approx(9.5 / 17.5)
    assert found.within.statistic == pytest.approx(-1)
    assert found.within.interval == pytest.approx((-1, -1))
    assert found.leave_one_out == pytest.approx({"a": -1, "b": -1})
    assert found.sign_flips == ("a", "b")
    assert found.simpson == "signs differ"  # six rows leave the pooled slope's sign open
    assert found.pooled.interval[0] < 0 < found.pooled.interval[1]


def test_a_reversal_beyond_chance_is_called_one_and_agreement_is_not():
    generator = np.random.default_rng(0)
    family = np.repeat(np.arange(6), 20)
    x = 3.0 * family + generator.normal(size=120)
    noise = 0.2 * generator.normal(size=120)
    assert slopes(table_of(x, 3 * 3.0 * family - x + noise, family), **NAMES).simpson == "reversed"
    agreed = slopes(table_of(x, x + noise, family), **NAMES)
    assert agreed.simpson == "" and agreed.sign_flips == ()


@pytest.mark.parametrize("spread", [False, True])
def test_slopes_and_intervals_are_those_of_dummies_and_a_jackknife_loop(spread):
    """With clusters inside families, and with clusters across them."""
    generator = np.random.default_rng(1)
    family = generator.permutation(np.repeat(np.arange(4), [3, 9, 12, 16]))
    cluster = generator.integers(0, 9, 40) if spread else family * 3 + generator.integers(0, 3, 40)
    x = 5 + family + generator.normal(size=40)
    y = 0.3 * x - family + generator.normal(size=40)
    found = slopes(table_of(x, y, family, cluster), **NAMES, cluster="setting")
    assert found.pooled.interval == pytest.approx(naive_interval(x, y, np.zeros_like(family), cluster))
    assert found.within.interval == pytest.approx(naive_interval(x, y, family, cluster))
    twin = sm.OLS(y, np.column_stack([x, np.eye(4)[family]])).fit()
    assert found.within.statistic == pytest.approx(twin.params[0])
    assert found.pooled.statistic == pytest.approx(stats.linregress(x, y).slope)
    for one in range(4):
        assert found.leave_one_out[str(one)] == pytest.approx(
            stats.linregress(x[family != one], y[family != one]).slope
        )
    assert (found.pooled.n, found.pooled.units, found.pooled.unit) == (40, len(np.unique(cluster)), "setting")


def test_a_cluster_that_is_a_whole_family_may_be_omitted():
    generator = np.random.default_rng(2)
    family = np.repeat(np.arange(6), 4)
    x, y = generator.normal(size=(2, 24))
    found = slopes(table_of(x, y, family, family), **NAMES, cluster="setting")
    assert found.within.interval == pytest.approx(naive_interval(x, y, family, family))


def test_a_family_of_one_row_adds_nothing_within():
    generator = np.random.default_rng(8)
    family = np.array(["a"] * 10 + ["b"] * 10)
    x, y = generator.normal(size=(2, 20))
    alone = table_of(np.append(x, 50.0), np.append(y, 90.0), np.append(family, "baseline"))
    found, without = slopes(alone, **NAMES), slopes(table_of(x, y, family), **NAMES)
    assert found.within.statistic == pytest.approx(without.within.statistic)
    assert found.within.interval == pytest.approx(without.within.interval)
    assert (found.within.n, found.within.units, found.pooled.n) == (20, 20, 21)
    assert found.within.note == "families of one row add nothing: baseline"
    assert found.leave_one_out["baseline"] == pytest.approx(without.pooled.statistic)


def test_one_family_has_no_slope_within_and_says_so():
    generator = np.random.default_rng(9)
    x, y = generator.normal(size=(2, 12))
    found = slopes(table_of(x, y, ["a"] * 12), **NAMES)
    for part in (found.within, found.mixed):
        assert np.isnan(part.statistic) and np.isnan(part.interval).all()
        assert part.note == "one family only: the pooled slope is all there is"
    assert np.isfinite(found.pooled.interval).all() and np.isnan(found.leave_one_out["a"])
    singles = slopes(table_of(x, y, np.arange(12)), **NAMES)
    assert singles.within.note == "every family has one row" and singles.within.n == 0


def test_a_constant_target_has_no_slope_and_a_constant_measure_has_slope_0():
    generator = np.random.default_rng(10)
    x, family = generator.normal(size=20), np.arange(20) % 4
    constant = slopes(table_of(np.full(20, 0.1), x, family), **NAMES)
    for part in (constant.pooled, constant.within, constant.mixed):
        assert np.isnan(part.statistic) and "does not vary" in part.note
    flat = slopes(table_of(x, np.full(20, 0.1), family), **NAMES)
    assert flat.pooled.statistic == flat.within.statistic == 0
    for _ in range(20):  # rounding leaves a little variance in some
        by_family = slopes(table_of(generator.normal(size=4)[family], x, family), **NAMES)
        assert np.isnan(by_family.within.statistic) and np.isfinite(by_family.pooled.statistic)


def test_few_units_or_families_have_no_interval():
    generator = np.random.default_rng(11)
    few = slopes(sweep(generator, 4, 2), **NAMES, cluster="setting")
    assert few.pooled.interval is None and few.within.interval is None and few.simpson in ("", "signs differ")
    assert few.pooled.note == "no interval: 4 units, at least 5 needed"
    more = slopes(sweep(generator, 10, 4, shift=1.0), **NAMES, cluster="setting")
    assert more.pooled.interval and more.within.interval
    assert more.mixed.interval is None and more.mixed.note == "no interval: 4 families, at least 5 needed"


def test_rows_with_a_missing_value_are_left_out_and_counted():
    table = sweep(np.random.default_rng(12), 20, 5)
    spoilt = pd.concat([table, table.iloc[:4]], ignore_index=True)
    spoilt.loc[40, "accuracy"], spoilt.loc[41, "frequency"] = np.nan, np.inf
    spoilt["intervention"] = spoilt["intervention"].astype(object)
    spoilt["setting"] = spoilt["setting"].astype(object)
    spoilt.loc[42, "intervention"], spoilt.loc[43, "setting"] = None, None
    found, clean = (slopes(one, **NAMES, cluster="setting") for one in (spoilt, table))
    assert found.pooled.statistic == clean.pooled.statistic and found.pooled.interval == clean.pooled.interval
    assert (found.pooled.left_out, clean.pooled.left_out, found.pooled.n) == (4, 0, 40)


def test_errors_say_what_is_missing():
    table = table_of([1.0, 2, 3], [1.0, 2, np.nan], list("abc"))
    with pytest.raises(ValueError, match="'frequency' and 'accuracy': 2 usable rows; at least 3 needed"):
        slopes(table, **NAMES)
    with pytest.raises(ValueError, match="no column 'width'; the table has: accuracy, frequency, intervention"):
        slopes(table, **NAMES | {"family": "width"})
    with pytest.raises(ValueError, match="not a column of numbers: 'intervention'"):
        slopes(table, **NAMES | {"target": "intervention"})


def covered(settings, families, part, count, **options):
    generator, hits = np.random.default_rng(20), 0
    for _ in range(count):
        found = getattr(slopes(sweep(generator, settings, families, **options), **NAMES, cluster="setting"), part)
        hits += found.interval[0] <= 0.5 <= found.interval[1]
    return hits / count


@pytest.mark.slow
@pytest.mark.parametrize("settings, families, least, count", [(50, 8, 0.93, 1000), (10, 3, 0.87, 300)])
@pytest.mark.parametrize("part, shift", [("pooled", 0.0), ("within", -1.5)])
@pytest.mark.parametrize("uneven", [False, True])
def test_intervals_cover_a_planted_slope(monkeypatch, settings, families, least, count, part, shift, uneven):
    monkeypatch.setitem(slopes.__globals__, "_variances", lambda *columns: (0.0, 0.0, "not asked"))
    share = covered(settings, families, part, count, shift=shift, uneven=uneven)
    assert least <= share <= 0.97 + (settings == 10) * 0.015


@pytest.mark.slow
def test_the_mixed_interval_covers_a_planted_slope():
    """Intercepts that have nothing to do with x; two standard errors of the share are 0.04."""
    generator, hits = np.random.default_rng(21), 0
    for _ in range(150):
        table = sweep(generator, 50, 8)
        table["frequency"] += generator.normal(size=8)[table["intervention"]]
        low, high = slopes(table, **NAMES, cluster="setting").mixed.interval
        hits += low <= 0.5 <= high
    assert 0.89 <= hits / 150 <= 0.98

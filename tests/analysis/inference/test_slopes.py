"""Slopes against least squares with dummies, a jackknife run as a loop and a dense likelihood; their coverage."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.optimize import minimize_scalar

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


def dense_reml(x, y, families):
    """Slope and variances (residual, intercepts) from the restricted likelihood with the whole covariance."""
    design, same = np.column_stack([np.ones_like(x), x]), np.equal.outer(families, families)

    def fit(ratio):
        inverse = np.linalg.inv(np.eye(len(x)) + ratio * same)
        inside = design.T @ inverse @ design
        slopes = np.linalg.solve(inside, design.T @ inverse @ y)
        rest = y - design @ slopes
        variance = rest @ inverse @ rest / (len(x) - 2)
        deviance = (len(x) - 2) * np.log(variance) - np.linalg.slogdet(inverse)[1] + np.linalg.slogdet(inside)[1]
        return deviance, slopes[1], variance

    best = minimize_scalar(lambda log: fit(np.exp(log))[0], bounds=(-12, 8), method="bounded").x
    ratio = min((0.0, np.exp(best)), key=lambda at: fit(at)[0])
    return fit(ratio)[1], fit(ratio)[2], ratio * fit(ratio)[2]


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


@pytest.mark.parametrize("size", [0.0, 0.7, 30.0])
@pytest.mark.parametrize("unit", [1.0, 1e-4])
def test_the_mixed_slope_is_the_one_of_the_dense_likelihood(size, unit):
    generator = np.random.default_rng(3)
    family = np.repeat(np.arange(7), [1, 2, 4, 5, 8, 10, 12])
    x = generator.uniform(0.5, 0.95, size=42) + 0.1 * family
    y = unit * (x + size * generator.normal(size=7)[family] + generator.normal(size=42))
    found = slopes(table_of(x, y, family), **NAMES).mixed
    slope = dense_reml(x, y / unit, family)[0] * unit
    assert found.statistic == pytest.approx(slope, rel=2e-3, abs=2e-3 * unit)
    assert found.note == "" and found.interval[0] < found.statistic < found.interval[1]


def test_the_mixed_slope_is_least_squares_where_families_do_not_differ():
    generator = np.random.default_rng(4)
    family = np.arange(60) % 6
    x = generator.normal(size=60)
    y = x + generator.normal(size=60)
    y -= np.array([(y - x)[family == one].mean() for one in range(6)])[family]  # families more alike than by chance
    found = slopes(table_of(x, y, family), **NAMES)
    assert found.mixed.statistic == pytest.approx(found.pooled.statistic, rel=1e-6)
    assert found.mixed.interval == pytest.approx(found.pooled.interval, rel=1e-3)


def test_the_mixed_interval_has_the_variance_of_intercepts():
    """With many rows and intercepts far apart in x the error is that of the line through the families' means."""
    generator = np.random.default_rng(5)
    family = np.repeat(np.arange(8), 40)
    x = 0.5 * family + 0.01 * np.tile(np.arange(40) % 2, 8)
    intercept = generator.normal(size=8)
    y = x + intercept[family] + generator.normal(size=320)
    found = slopes(table_of(x, y, family), **NAMES).mixed
    slope, residual, variance = dense_reml(x, y, family)
    means = 0.5 * np.arange(8)
    error = np.sqrt((variance + residual / 40) / np.square(means - means.mean()).sum())
    half = error * stats.t.ppf(0.975, 319)
    assert found.statistic == pytest.approx(slope, rel=0.01)
    assert found.interval == pytest.approx((slope - half, slope + half), abs=0.06 * half)


def test_a_fit_with_an_infinite_likelihood_is_not_taken(monkeypatch):
    """statsmodels' lbfgs gives for these 25 rows an infinite likelihood, variance 0 and the slope within families."""
    generator = np.random.default_rng(35)
    families, n, scale, size = int(generator.integers(2, 13)), int(generator.integers(8, 60)), 10.0, 1.0
    generator.integers(-4, 3), generator.integers(-3, 4)
    family, x = generator.integers(0, families, n), generator.uniform(0.5, 0.95, n)
    y = scale * (0.3 * x + size * generator.normal(size=families)[family] + generator.normal(size=n))
    slope = dense_reml(x, y, family)[0]
    usual = slopes(table_of(x, y, family), **NAMES)
    assert usual.mixed.statistic == pytest.approx(slope, rel=1e-3)
    assert abs(usual.mixed.statistic - usual.within.statistic) > 0.5
    monkeypatch.setitem(slopes.__globals__, "OPTIMISERS", ("lbfgs",))
    trapped = slopes(table_of(x, y, family), **NAMES).mixed
    assert np.isnan(trapped.statistic) and trapped.note == "no sound REML fit by lbfgs"


def test_a_fit_whose_slope_contradicts_its_variances_is_not_taken(monkeypatch):
    from statsmodels.regression.mixed_linear_model import MixedLM

    class Fit:
        llf, scale, cov_re, fe_params = 0.0, 1.0, np.zeros((1, 1)), np.array([0.0, 0.9])

    monkeypatch.setattr(MixedLM, "fit", lambda *args, **options: Fit())
    generator = np.random.default_rng(6)
    x, y = generator.normal(size=(2, 30))
    found = slopes(table_of(x, y, np.arange(30) % 5), **NAMES).mixed
    assert np.isnan(found.statistic) and "no sound REML fit" in found.note


def test_a_fit_with_an_infinite_likelihood_is_not_taken_though_its_slope_agrees(monkeypatch):
    from statsmodels.regression.mixed_linear_model import MixedLM

    generator = np.random.default_rng(6)
    x, y = generator.normal(size=(2, 30))

    class Fit:
        llf, scale, cov_re = np.inf, 1.0, np.zeros((1, 1))
        fe_params = np.array([0.0, stats.linregress(x, y).slope * x.std() / y.std()])

    monkeypatch.setattr(MixedLM, "fit", lambda *args, **options: Fit())
    assert np.isnan(slopes(table_of(x, y, np.arange(30) % 5), **NAMES).mixed.statistic)
    Fit.llf = 0.0
    assert np.isfinite(slopes(table_of(x, y, np.arange(30) % 5), **NAMES).mixed.statistic)


def test_the_likelier_of_two_fits_is_taken(monkeypatch):
    from statsmodels.regression.mixed_linear_model import MixedLM

    generator = np.random.default_rng(7)
    family = np.arange(40) % 5
    x = generator.normal(size=40) + family
    y = x + 3 * generator.normal(size=5)[family] + generator.normal(size=40)
    right, fit = slopes(table_of(x, y, family), **NAMES), MixedLM.fit

    class Stuck:  # at variance 0, consistently
        llf, scale, cov_re = -1e6, 1.0, np.zeros((1, 1))
        fe_params = np.array([0.0, stats.linregress(x, y).slope * x.std() / y.std()])

    for stuck in ("powell", "bfgs"):
        monkeypatch.setattr(MixedLM, "fit", lambda *a, at=stuck, **o: Stuck() if o["method"] == at else fit(*a, **o))
        found = slopes(table_of(x, y, family), **NAMES)
        assert found.mixed.statistic == pytest.approx(right.mixed.statistic, rel=1e-4)
        assert abs(found.mixed.statistic - found.pooled.statistic) > 0.1


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

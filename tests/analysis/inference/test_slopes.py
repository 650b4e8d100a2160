"""Slopes against least squares with dummies and a jackknife run as a loop, and how often they cover the truth."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from analysis.inference import slopes
from analysis.inference.claim import judge_sign
from analysis.inference.jackknife import leverage, slopes_without

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


def naive_weights(x, families):
    """The numbers that a slope is the sum of y times."""
    return np.linalg.pinv(np.column_stack([x, np.eye(families.max() + 1)[families]]))[0]


def naive_interval(x, y, families, clusters):
    """The jackknife over clusters; its mean and degrees of freedom where all errors have variance 1."""
    whole, changes = naive_weights(x, families), []
    for one in np.unique(clusters):
        without = np.where(clusters == one, 0.0, np.nan)
        without[clusters != one] = naive_weights(x[clusters != one], families[clusters != one])
        changes.append(without - whole)
    covariance = np.array(changes) @ np.array(changes).T
    mean = np.trace(covariance)
    error = np.sqrt(np.square(np.array(changes) @ y).sum() / mean * (whole @ whole))
    return whole @ y + error * stats.t.ppf([0.025, 0.975], mean**2 / np.square(covariance).sum())


def test_the_jackknife_and_its_degrees_of_freedom_are_clubsandwichs():
    """coef_test(lm(y ~ x), "CR3", cluster, "Satterthwaite") of clubSandwich 0.5.8 in R 4.2.2, and lm(y ~ x + family).

    In clusters within the four families, and in four across them. It has no correction of the bias.
    """
    i = np.arange(30)
    family, inside, across = i % 4, (i % 4) * 3 + i // 4 % 3, i * i % 7
    x = np.cos(i**2) + i % 4 / 2 + 2 * (i == 3)
    y = 0.5 * x + np.sin(3 * i) * (1 + i / 30) + np.cos(i // 2)
    for cluster, pooled, within in (
        (inside, (0.225286439169, 5.14186157638), (0.352875577842, 6.45171959279)),
        (across, (0.179935345156, 1.64549808739), (0.355836139153, 1.85791045325)),
    ):
        units = np.unique(cluster, return_inverse=True)[1]
        for ratio, of_r in ((math.inf, pooled), (0.0, within)):
            slope, without = slopes_without(x, y, family, units, ratio)
            assert slope == pytest.approx(0.807031925385 if ratio else 0.649519610947, rel=1e-11)
            error = np.sqrt(np.square(without - slope).sum())
            assert (error, leverage(x, family, units, ratio).freedom) == pytest.approx(of_r, rel=1e-10)


def test_simpsons_paradox_by_hand():
    """Within each family the slope is -1. Over all: Sxx = 17.5, Sxy = 9.5. Without a family only -1 is left."""
    table = table_of(np.arange(6.0), np.array([2.0, 1, 0, 5, 4, 3]), list("aaabbb"))
    found = slopes(table, **NAMES)
    assert found.pooled.statistic == pytest.approx(9.5 / 17.5)
    assert found.within.statistic == pytest.approx(-1)
    assert found.within.interval is None and found.within.note.startswith("no interval: it is the same without any")
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


def test_a_constant_has_no_slope():
    generator = np.random.default_rng(10)
    x, family = generator.normal(size=20), np.arange(20) % 4
    constant = slopes(table_of(np.full(20, 0.1), x, family), **NAMES)
    for part in (constant.pooled, constant.within, constant.mixed):
        assert np.isnan(part.statistic) and "does not vary" in part.note
    flat = slopes(table_of(x, np.full(20, 0.1), family), **NAMES)
    assert flat.pooled.note == "the measure does not vary" and np.isnan(flat.within.statistic)
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


def test_a_slope_that_few_units_carry_says_so():
    """Sixteen of twenty settings at a ceiling; then all but one."""
    generator = np.random.default_rng(13)
    x, family = np.append(generator.uniform(0.2, 0.9, 4), np.full(16, 0.95)), np.arange(20) % 2
    y = generator.normal(size=20)
    found = slopes(table_of(x, y, family), **NAMES).pooled
    assert found.note.startswith("rough: few units carry it, ") and found.note.endswith(" degrees of freedom")
    assert "rough" in judge_sign("slope", found, trials="all", positive=True).note
    even = slopes(table_of(generator.normal(size=40), generator.normal(size=40), np.arange(40) % 2), **NAMES)
    assert even.pooled.note == even.within.note == ""
    x[:3] = 0.95
    alone = slopes(table_of(x, y, family), **NAMES).pooled
    assert alone.interval is None and alone.note == "no interval: one unit alone has another target"


@pytest.mark.slow
@pytest.mark.parametrize("design, spread, draws", [("ceiling", 0.0, 500), ("diverged", 1.0, 250)])
def test_intervals_cover_where_few_settings_carry_the_slope(monkeypatch, design, spread, draws):
    """Errors of one variance, or that grow with the distance; t of 49 degrees covers in 93 and 90 of 100."""
    monkeypatch.setitem(slopes.__globals__, "_variances", lambda *columns: (0.0, 0.0, "not asked"))
    generator, hits = np.random.default_rng(22), np.zeros(2)
    for _ in range(draws):
        x = generator.normal(size=50)
        if design == "ceiling":
            x = np.append(1 + 0.02 * x[:40], generator.uniform(-3, 1, 10))
        else:
            x[:4] -= 8
        error = generator.normal(size=50) * (1 + spread * (np.abs(x - np.median(x)) - 0.7))
        found = slopes(table_of(x, error, np.arange(50) % 6), **NAMES)
        hits += [part.interval[0] <= 0 <= part.interval[1] for part in (found.pooled, found.within)]
    assert hits.min() / draws >= 0.9 and hits.max() / draws <= 0.98  # two standard errors are 0.02 and 0.03


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


FEW, MANY = (10, 3, 0.87, 300), (50, 8, 0.93, 1000)
POOLED, WITHIN = ("pooled", 0.0), ("within", -1.5)
DESIGNS = {(FEW, POOLED, False): pytest.mark.slow, (FEW, WITHIN, True): pytest.mark.slow}


@pytest.mark.parametrize(
    "size, of, uneven",
    [
        pytest.param(*design, marks=DESIGNS.get(design, pytest.mark.nightly))
        for design in itertools.product((FEW, MANY), (POOLED, WITHIN), (False, True))
    ],
)
def test_intervals_cover_a_planted_slope(monkeypatch, size, of, uneven):
    (settings, families, least, count), (part, shift) = size, of
    monkeypatch.setitem(slopes.__globals__, "_variances", lambda *columns: (0.0, 0.0, "not asked"))
    share = covered(settings, families, part, count, shift=shift, uneven=uneven)
    assert least <= share <= 0.97 + (settings == 10) * 0.015


@pytest.mark.slow
def test_the_mixed_interval_covers_a_planted_slope():
    """Intercepts that have nothing to do with x; two standard errors of the share are 0.04."""
    generator, hits = np.random.default_rng(21), 0
    for _ in range(100):
        table = sweep(generator, 50, 8)
        table["frequency"] += generator.normal(size=8)[table["intervention"]]
        low, high = slopes(table, **NAMES, cluster="setting").mixed.interval
        hits += low <= 0.5 <= high
    assert 0.89 <= hits / 100 <= 0.98


def test_rows_on_one_line_have_no_interval():
    """Two levels of the target with one value each: what the slope's spread is, they do not say."""
    x, y = np.repeat([0.8, 0.9], 3), np.repeat([0.1, 0.4], 3)
    for offset in (0.0, 1e3):
        found = slopes(table_of(offset + x, y, list("ababab")), **NAMES)
        for each in (found.pooled, found.within):
            assert each.statistic == pytest.approx(3) and each.interval is None
            assert each.note == "no interval: it is the same without any one of the units"


def test_a_slope_of_rounding_is_0_and_has_no_sign():
    """The measure goes up and down again over the target: 0 within, without each family, and at any size."""
    x, there = np.tile([0.1, 0.2, 0.3], 4), np.tile([0.1, 0.7, 0.1], 4)
    family = np.repeat(list("ab"), 6)
    for y in (there, 1e3 + there, there * 1e-9):
        found = slopes(table_of(x, y, family), **NAMES)
        assert found.pooled.statistic == found.within.statistic == 0 == found.leave_one_out["a"]
        assert found.sign_flips == () and found.simpson == ""
    some = np.where(family == "a", 0.3, there + x)
    left = slopes(table_of(x, some, family), **NAMES).leave_one_out
    assert np.isnan(left["b"]) and left["a"] == pytest.approx(1)  # of a alone, the measure does not vary

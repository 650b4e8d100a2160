"""The mixed slope against a dense likelihood, and the guards against a fit that says it is one and is none."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar

from analysis.inference import slopes

NAMES = {"measure": "frequency", "target": "accuracy", "family": "intervention"}


def table_of(x, y, families, clusters=None):
    columns = {"accuracy": x, "frequency": y, "intervention": families}
    return pd.DataFrame(columns if clusters is None else columns | {"setting": clusters})


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
    half = error * stats.t.ppf(0.975, 6)  # eight families, less two
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

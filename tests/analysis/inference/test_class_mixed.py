"""The mixed model of classes and models against least squares on means, statsmodels and a dense likelihood."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.optimize import minimize
from statsmodels.regression.mixed_linear_model import MixedLM

from analysis.inference import class_mixed_model


def planted(generator, models, classes, *, slope=0.5, by_class=1.0, by_model=1.0, noise=1.0):
    diversity = generator.normal(size=classes)
    diversity = (diversity - diversity.mean()) / diversity.std()
    frequency = slope * diversity + by_class * generator.normal(size=classes)
    frequency = (
        frequency + by_model * generator.normal(size=(models, 1)) + noise * generator.normal(size=(models, classes))
    )
    return frequency, diversity


def usual(values):
    return (values - values.mean()) / values.std()


def dense(frequency, columns):
    """Slopes, their errors and the variances (class, model, residual) by REML with the whole covariance."""
    models, classes = frequency.shape
    y, design = frequency.ravel(), np.column_stack([np.ones(frequency.size), *(c.ravel() for c in columns)])
    by_class = np.kron(np.ones((models, models)), np.eye(classes))
    by_model = np.kron(np.eye(models), np.ones((classes, classes)))

    def fit(logs):
        covariance = np.exp(logs[0]) * by_class + np.exp(logs[1]) * by_model + np.eye(len(y))
        solved = np.linalg.solve(covariance, np.column_stack([design, y]))
        inside = design.T @ solved[:, :-1]
        slopes = np.linalg.solve(inside, design.T @ solved[:, -1])
        rest, left = y - design @ slopes, len(y) - design.shape[1]
        variance = rest @ (solved[:, -1] - solved[:, :-1] @ slopes) / left
        deviance = left * np.log(variance) + np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(inside)[1]
        return deviance, slopes, np.sqrt(variance * np.diag(np.linalg.inv(inside))), variance

    best = minimize(lambda logs: fit(logs)[0], [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-5}).x
    _, slopes, errors, variance = fit(best)
    return slopes, errors, (*variance * np.exp(best), variance)


def test_without_controls_it_is_least_squares_on_the_means_of_classes():
    """Per standard deviation of diversity, whatever its unit."""
    frequency, diversity = planted(np.random.default_rng(0), 6, 30)
    found = class_mixed_model(frequency, 100 + 7 * diversity)
    twin = sm.OLS(frequency.mean(axis=0), sm.add_constant(diversity)).fit()
    assert found.statistic == pytest.approx(twin.params[1])
    assert found.interval == pytest.approx(tuple(twin.conf_int()[1]), rel=1e-4)
    assert (found.n, found.units, found.unit, found.left_out) == (180, 30, "class", 0)


def test_with_controls_it_is_the_dense_likelihood_and_statsmodels():
    generator = np.random.default_rng(1)
    frequency, diversity = planted(generator, 5, 24)
    accuracy = generator.normal(size=(5, 24)) + 0.5 * diversity + generator.normal(size=24)
    length = diversity + generator.normal(size=24)
    frequency = frequency - 0.7 * accuracy
    found = class_mixed_model(frequency, diversity, {"accuracy": accuracy, "length": length})
    columns = [np.broadcast_to(usual(np.broadcast_to(c, (5, 24))), (5, 24)) for c in (diversity, accuracy, length)]
    slopes, errors, variances = dense(frequency, columns)
    assert (found.statistic, *found.controls.values()) == pytest.approx(slopes[1:], rel=1e-3)
    half = errors[1] * stats.t.ppf(0.975, 24 - 4)
    assert found.interval == pytest.approx((slopes[1] - half, slopes[1] + half), rel=2e-3)
    assert (found.class_variance, found.model_variance, found.residual_variance) == pytest.approx(variances, rel=5e-3)
    assert list(found.controls) == ["accuracy", "length"]

    model, label = np.divmod(np.arange(120), 24)
    table = pd.DataFrame({"f": frequency.ravel(), "model": model, "label": label})
    table[["d", "a", "l"]] = np.stack([c.ravel() for c in columns], 1)
    parts = {"model": "0 + C(model)", "label": "0 + C(label)"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        twin = MixedLM.from_formula("f ~ d + a + l", table, groups=np.ones(120), vc_formula=parts).fit(method="powell")
    assert found.statistic == pytest.approx(twin.params["d"], abs=0.01)


@pytest.mark.parametrize("by_class, by_model", [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_a_variance_may_be_0(by_class, by_model):
    generator = np.random.default_rng(2)
    frequency, diversity = planted(generator, 5, 24, by_class=by_class, by_model=by_model)
    frequency = frequency - (by_class == 0) * (frequency.mean(axis=0) - 0.5 * diversity)  # classes alike
    frequency = frequency - (by_model == 0) * frequency.mean(axis=1, keepdims=True)
    found = class_mixed_model(frequency, diversity)
    assert (found.class_variance == 0) == (by_class == 0) and (found.model_variance == 0) == (by_model == 0)
    assert np.isfinite(found.interval).all()


def test_classes_with_a_missing_value_are_left_out():
    frequency, diversity = planted(np.random.default_rng(3), 4, 26)
    spoilt = frequency.copy()
    spoilt[2, 25] = np.nan
    found, clean = class_mixed_model(spoilt, diversity), class_mixed_model(frequency[:, :25], diversity[:25])
    assert (found.statistic, found.left_out, found.units) == (clean.statistic, 1, 25)


def test_what_is_undefined_and_what_is_refused():
    frequency, diversity = planted(np.random.default_rng(4), 4, 24)
    for found in (
        class_mixed_model(frequency, np.full(24, 0.1)),
        class_mixed_model(frequency, diversity, {"twice": 3 - 2 * diversity}),
    ):
        assert np.isnan([found.statistic, *found.interval]).all()
        assert found.note == "a column is constant, or a combination of the others"
    assert class_mixed_model(np.full((4, 24), 0.1), diversity).note == "the frequency is constant"
    with pytest.raises(ValueError, match="19 classes without a missing value; at least 20 needed"):
        class_mixed_model(frequency[:, :19], diversity[:19])
    with pytest.raises(ValueError, match="1 model; at least 2 needed"):
        class_mixed_model(frequency[:1], diversity)


@pytest.mark.parametrize(
    "classes, by_class",
    [pytest.param(20, 1.0, marks=pytest.mark.slow), pytest.param(60, 0.2, marks=pytest.mark.nightly)],
)
def test_the_interval_covers_a_planted_slope_as_often_as_said(classes, by_class):
    generator, hits = np.random.default_rng(5), 0
    for _ in range(200):
        frequency, diversity = planted(generator, 6, classes, by_class=by_class)
        control = diversity + generator.normal(size=(6, classes))
        found = class_mixed_model(frequency + control, diversity, {"control": control})
        hits += found.interval[0] <= 0.5 <= found.interval[1]
    assert 0.915 <= hits / 200 <= 0.985

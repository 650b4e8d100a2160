"""Random effects over models against the formulas of DerSimonian and Laird, and Paule and Mandel's estimate."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from analysis.inference import fisher_interval, random_effects


@pytest.mark.parametrize("rho", [0.0, 0.8, 0.95])
@pytest.mark.parametrize("n", [12, 50])
def test_fishers_interval_covers_low_and_high_correlations(rho, n):
    """Of normal variables, whose Spearman's rho is 6/pi asin(rho / 2); with Fieller's 1.06 it is 88 to 91 at 0.95."""
    x, y = np.random.default_rng(1).normal(size=(2, 2000, n))
    ranks = [values.argsort().argsort() for values in (x, rho * x + np.sqrt(1 - rho**2) * y)]
    found = 1 - 6 * np.square(ranks[0] - ranks[1]).sum(axis=1) / (n**3 - n)
    ends = np.array([fisher_interval(value, n) for value in np.minimum(found, 1 - 12 / (n**3 - n))])
    truth = 6 / np.pi * np.arcsin(rho / 2)
    assert 0.92 <= np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])) <= 0.97


def test_two_models_by_hand():
    """n = 56: v = 0.02. z = 0 and 0.6: Q = 50 (0.09 + 0.09) = 9, tau2 = (9 - 1) / (100 - 50) = 0.16, I2 = 8/9."""
    found = random_effects({"a": 0.0, "b": np.tanh(0.6)}, 56)
    assert found.tau2 == pytest.approx(0.16) and found.i2 == pytest.approx(8 / 9)
    assert found.statistic == pytest.approx(np.tanh(0.3))
    half = stats.t.ppf(0.975, 1) * 0.3  # Hartung and Knapp: (0.3^2 + 0.3^2) / 0.18 over 1 degree is 1
    assert found.interval == pytest.approx((np.tanh(0.3 - half), np.tanh(0.3 + half)))
    assert np.isnan(found.prediction).all()
    assert (found.n, found.units, found.unit, found.left_out) == (112, 2, "model", 0)


def test_models_of_unequal_size_by_the_formulas():
    rho, n = {"a": 0.1, "b": 0.5, "c": -0.2, "d": 0.7}, {"a": 20, "b": 50, "c": 30, "d": 100}
    z, v = np.arctanh(list(rho.values())), 1.06 / (np.array(list(n.values())) - 3)
    w = 1 / v
    q = (w * (z - (w * z).sum() / w.sum()) ** 2).sum()
    tau2 = (q - 3) / (w.sum() - (w**2).sum() / w.sum())
    v = v + tau2
    mean, error = (z / v).sum() / (1 / v).sum(), (1 / v).sum() ** -0.5
    found = random_effects(rho, n)
    assert (found.tau2, found.i2, found.statistic) == pytest.approx((tau2, (q - 3) / q, np.tanh(mean)))
    spread = np.sqrt(((z - mean) ** 2 / v).sum() / 3) * error
    half = stats.t.ppf(0.975, 3) * spread
    assert found.interval == pytest.approx((np.tanh(mean - half), np.tanh(mean + half)))
    ends = -0.407612016796, 1.11555422941  # rma(z, 1.06 / (n - 3), method="DL", test="knha") of metafor 3.8-1, R 4.2.2
    assert found.interval == pytest.approx(tuple(np.tanh(ends)), rel=1e-10)
    half = stats.t.ppf(0.975, 2) * np.sqrt(tau2 + error**2)
    assert found.prediction == pytest.approx((np.tanh(mean - half), np.tanh(mean + half)))
    twin = combine_effects(z, 1 / w, method_re="pm")
    assert found.tau2 == pytest.approx(twin.tau2, rel=0.5) and found.statistic == pytest.approx(
        np.tanh(twin.mean_effect_re), abs=0.02
    )


def test_models_that_agree_more_than_by_chance_have_no_variance_between_them():
    """The mean and its error are then those of fixed effects: weights n - 3, here 1 and 2; v = 1.06 / 27 and half."""
    found = random_effects({"a": np.tanh(0.3), "b": np.tanh(0.33)}, {"a": 30, "b": 57})
    assert found.tau2 == found.i2 == 0
    half = stats.t.ppf(0.975, 1) * np.sqrt(1.06 / 81) * np.sqrt((27 * 0.02**2 + 54 * 0.01**2) / 1.06)
    assert found.statistic == pytest.approx(np.tanh(0.32))
    assert found.interval == pytest.approx((np.tanh(0.32 - half), np.tanh(0.32 + half)))
    same = random_effects({"a": 0.4, "b": 0.4, "c": 0.4}, 20)
    assert same.statistic == pytest.approx(0.4) and same.i2 == 0
    half = 1.959964 * np.sqrt(1.06 / 51)  # no spread to take an error from
    assert same.interval == pytest.approx((np.tanh(np.arctanh(0.4) - half), np.tanh(np.arctanh(0.4) + half)))
    assert same.note.split("; ") == [
        "prediction: rough, models hardly differ beyond their errors",
        "prediction: very wide, of 3 models",
    ]


def test_the_mean_of_a_few_models_that_differ_is_covered():
    """The normal interval of DerSimonian and Laird covers 85 of 100; two standard errors are 0.02."""
    generator = np.random.default_rng(2)
    draws = 0.4 + 0.3 * generator.normal(size=(400, 3)) + np.sqrt(1.06 / 47) * generator.normal(size=(400, 3))
    ends = np.array([random_effects(dict(enumerate(np.tanh(z))), 50).interval for z in draws])
    assert 0.92 <= np.mean((ends[:, 0] <= np.tanh(0.4)) & (np.tanh(0.4) <= ends[:, 1])) <= 0.975


def test_planted_heterogeneity_is_found_and_another_model_is_predicted():
    generator = np.random.default_rng(0)
    z = 0.4 + 0.3 * generator.normal(size=400) + np.sqrt(1.06 / 47) * generator.normal(size=400)
    found = random_effects(dict(enumerate(np.tanh(z))), 50)
    assert np.sqrt(found.tau2) == pytest.approx(0.3, abs=0.03)
    assert found.interval[0] <= np.tanh(0.4) <= found.interval[1]
    another = np.tanh(0.4 + 0.3 * generator.normal(size=2000))
    assert np.mean((found.prediction[0] <= another) & (another <= found.prediction[1])) == pytest.approx(0.95, abs=0.03)


def test_models_without_a_usable_rho_are_left_out():
    used = {"a": 0.2, "b": 0.5, "c": -0.1}
    n = dict.fromkeys("abcdef", 20) | {"f": 3}
    found = random_effects(used | {"d": np.nan, "e": 1.0, "f": 0.3}, n)
    assert (found.left_out, found.units, found.n) == (3, 3, 60)
    assert found.statistic == random_effects(used, 20).statistic
    with pytest.raises(ValueError, match="1 models with a rank correlation inside"):
        random_effects({"a": 0.2, "b": np.nan}, 20)

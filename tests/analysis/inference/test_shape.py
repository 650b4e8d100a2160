"""Monotone fits against fits by hand and scikit-learn, and their p where there is no relation."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from analysis.inference import isotonic_fit, segmented_fit


def test_a_monotone_fit_by_hand():
    """1, 3, 2, 4 rises as 1, 2.5, 2.5, 4: of the 5 around the mean 4.5 are explained; it falls as a constant."""
    found = isotonic_fit([0, 1, 2, 3], [1, 3, 2, 4], permutations=20)
    assert found.fitted == pytest.approx([1, 2.5, 2.5, 4])
    assert found.statistic == pytest.approx(0.9) and found.direction == "increasing"
    fallen = isotonic_fit([0, 1, 2, 3], [-1, -3, -2, -4], permutations=20)
    assert fallen.statistic == pytest.approx(0.9) and fallen.direction == "decreasing"
    assert fallen.fitted == pytest.approx([-1, -2.5, -2.5, -4])


def test_the_fit_is_scikit_learns_with_ties_and_missing_rows():
    generator = np.random.default_rng(0)
    x = generator.integers(0, 12, 40).astype(float)
    y = 5 - np.sqrt(x) + generator.normal(size=40)
    x[3], y[7] = np.nan, np.inf
    kept = np.isfinite(x) & np.isfinite(y)
    found = isotonic_fit(x, y, permutations=50)
    twin = IsotonicRegression(increasing=False).fit(x[kept], y[kept])
    assert found.fitted[kept] == pytest.approx(twin.predict(x[kept]))
    assert np.isnan(found.fitted[~kept]).all() and found.direction == "decreasing"
    assert found.statistic == pytest.approx(twin.score(x[kept], y[kept]))
    assert (found.n, found.left_out, found.interval) == (38, 2, None)


def test_p_counts_both_directions():
    """Of the 120 orders of five values two are monotone."""
    found = isotonic_fit(np.arange(5), np.arange(5) ** 2, permutations=6000)
    assert found.statistic == pytest.approx(1)
    assert found.p == pytest.approx(2 / 120, abs=0.005)


def test_p_is_never_0():
    assert isotonic_fit(np.arange(12), np.arange(12), permutations=99).p == pytest.approx(1 / 100)


def test_noise_has_a_high_r2_and_a_usual_p():
    generator = np.random.default_rng(1)
    fits = [isotonic_fit(*generator.normal(size=(2, 20)), permutations=99) for _ in range(200)]
    assert np.mean([fit.statistic for fit in fits]) > 0.12
    assert 0.02 <= np.mean([fit.p <= 0.05 for fit in fits]) <= 0.09  # two standard errors are 0.03


def test_what_is_constant_is_undefined_and_shapes_must_fit():
    x = np.arange(15.0)
    for fit in (isotonic_fit, segmented_fit):
        for pair in ((x, np.full(15, 0.1)), (np.full(15, 0.1), x)):
            found = fit(*pair)
            assert np.isnan(found.statistic) and np.isnan(found.p)
        with pytest.raises(ValueError, match="rows of the same length"):
            fit(x, x[:12])
    with pytest.raises(ValueError, match="2 finite rows; at least 3 needed"):
        isotonic_fit([1, 2, np.nan], [1, 2, 3])

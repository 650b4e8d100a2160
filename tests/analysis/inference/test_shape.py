"""Monotone and broken lines against fits by hand, scikit-learn and a loop of least squares; their p under a null."""

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.isotonic import IsotonicRegression

from analysis.inference import isotonic_fit, segmented_fit


def broken(generator, n, *, at=0.6, before=0.0, after=3.0, noise=0.2):
    x = np.sort(generator.uniform(size=n))
    return x, before * x + (after - before) * np.maximum(x - at, 0) + noise * generator.normal(size=n)


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


def test_a_broken_line_is_the_best_of_a_loop_over_breaks():
    generator = np.random.default_rng(2)
    x, y = broken(generator, 40, noise=0.5)
    x, order = 100 + 7 * np.round(x, 2), generator.permutation(40)  # with ties, far from 0
    fits = {}
    for c in np.unique(x):
        if min((x < c).sum(), (x > c).sum()) >= 5:
            fits[c] = sm.OLS(y, np.column_stack([np.ones(40), x, np.maximum(x - c, 0)])).fit()
    c = min(fits, key=lambda at: fits[at].ssr)
    found = segmented_fit(x[order], y[order], resamples=50)
    assert found.statistic == c
    assert (found.before, found.after) == pytest.approx((fits[c].params[1], fits[c].params[1:].sum()))
    line = sm.OLS(y, sm.add_constant(x)).fit()
    assert (found.r2, found.line_r2) == pytest.approx((fits[c].rsquared, line.rsquared))
    assert found.aic - found.line_aic == pytest.approx(fits[c].aic + 2 - line.aic)  # statsmodels does not know of c
    assert found.n == found.units == 40


def test_a_break_is_found_where_it_is_and_scale_does_not_matter():
    x, y = broken(np.random.default_rng(3), 80, noise=0.1)
    found = segmented_fit(x, y, resamples=300)
    assert found.interval[0] <= 0.6 <= found.interval[1] and found.interval[1] - found.interval[0] < 0.15
    assert found.p == pytest.approx(1 / 301) and found.aic < found.line_aic
    assert found.before == pytest.approx(0, abs=0.2) and found.after == pytest.approx(3, abs=0.4)
    moved = segmented_fit(1e4 + 1e-3 * x, 1e-6 * y, resamples=300)
    assert moved.statistic == pytest.approx(1e4 + 1e-3 * found.statistic, abs=1e-9) and moved.p == found.p
    assert moved.after == pytest.approx(1e-3 * found.after)


def test_a_break_has_five_rows_on_either_side():
    """Of twelve rows only the sixth and the seventh have; the break in y is at the third."""
    y = np.maximum(np.arange(12.0) - 2, 0) + 0.01 * np.cos(np.arange(12))
    found = segmented_fit(np.arange(12.0), y, resamples=50)
    assert found.statistic == 5 and set(found.interval) <= {5.0, 6.0}
    with pytest.raises(ValueError, match="11 finite rows; at least 12 needed"):
        segmented_fit(np.arange(12.0), np.append(y[:11], np.nan))


def test_a_straight_line_breaks_by_chance_as_often_as_said_and_not_as_an_f_test_says():
    generator, p, naive = np.random.default_rng(4), [], []
    for _ in range(300):
        x = generator.uniform(size=30)
        y = x + generator.standard_t(5, size=30)
        found = segmented_fit(x, y, resamples=99)
        p.append(found.p)
        hinge = np.maximum(x - found.statistic, 0)
        naive.append(sm.OLS(y, np.column_stack([np.ones(30), x, hinge])).fit().pvalues[2])
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.085  # two standard errors are 0.025
    assert np.mean(np.array(naive) <= 0.05) > 0.1


def test_p_of_a_break_is_that_of_f_in_a_loop_over_drawn_residuals():
    generator = np.random.default_rng(7)
    x = np.sort(generator.uniform(size=24))
    y = 2 * x + 0.6 * np.maximum(x - 0.5, 0) + generator.standard_t(2, size=24)
    rows = np.random.default_rng(0).integers(24, size=(60, 24))

    def largest_f(values):
        line = sm.OLS(values, sm.add_constant(x)).fit().ssr
        hinges = [np.column_stack([np.ones(24), x, np.maximum(x - c, 0)]) for c in x[5:-5]]
        return max((line - ssr) / ssr for ssr in (sm.OLS(values, hinge).fit().ssr for hinge in hinges))

    residuals = sm.OLS(y, sm.add_constant(x)).fit().resid
    reached = sum(largest_f(residuals[drawn]) >= largest_f(y) for drawn in rows)
    assert 3 < reached < 57
    assert segmented_fit(x, y, resamples=60).p == pytest.approx((1 + reached) / 61)


def test_the_interval_of_a_break_covers_it_about_as_often_as_said():
    generator, hits = np.random.default_rng(5), 0
    for _ in range(150):
        found = segmented_fit(*broken(generator, 60, noise=0.3), resamples=200)
        hits += found.interval[0] <= 0.6 <= found.interval[1]
    assert 0.88 <= hits / 150 <= 0.99


def test_a_large_table_is_searched_at_places_spread_over_all_of_it():
    x, y = broken(np.random.default_rng(6), 5000, at=0.97, after=30.0, noise=0.1)
    found = segmented_fit(x, y, resamples=20)
    assert found.statistic == pytest.approx(0.97, abs=0.005)


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

"""Broken lines against loops of least squares, how often their interval covers, and their p where no line breaks."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from analysis.inference import segmented_fit

X40 = np.linspace(0, 1, 40)
UNEVEN = 0.3 + 1.4 * X40


def broken(generator, n, *, at=0.6, before=0.0, after=3.0, noise=0.2):
    x = np.sort(generator.uniform(size=n))
    return x, before * x + (after - before) * np.maximum(x - at, 0) + noise * generator.normal(size=n)


def joined(x, y, c):
    return sm.OLS(y, np.column_stack([np.ones(len(x)), x, np.maximum(x - c, 0)])).fit()


def test_a_broken_line_is_the_best_of_a_loop_over_breaks():
    """Of 4,000 places; with ties, rows in any order and far from 0."""
    generator = np.random.default_rng(2)
    x, y = broken(generator, 40, noise=0.5)
    x, order = 100 + 7 * np.round(x, 2), generator.permutation(40)
    places = np.linspace(np.sort(x)[4], np.sort(x)[-5], 4000)
    best = min((joined(x, y, c) for c in places), key=lambda fit: fit.ssr)
    found = segmented_fit(x[order], y[order], resamples=0)
    there = joined(x, y, found.statistic)
    assert best.ssr - 1e-3 < there.ssr <= best.ssr
    assert (found.before, found.after) == pytest.approx((there.params[1], there.params[1:].sum()))
    line = sm.OLS(y, sm.add_constant(x)).fit()
    assert (found.r2, found.line_r2) == pytest.approx((there.rsquared, line.rsquared))
    assert found.aic - found.line_aic == pytest.approx(there.aic + 2 - line.aic)  # statsmodels does not know of c
    assert found.n == found.units == 40


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_the_interval_is_where_two_lines_may_meet_and_fit_nearly_as_well(noise):
    """Lines through the rows on either side of a place, by scipy, held to Welch's t; F of the place at 99%."""
    x, y = broken(np.random.default_rng(8), 30, noise=noise)
    found = segmented_fit(x, y, resamples=0)
    least, inside = joined(x, y, found.statistic).ssr, []
    for c in np.linspace(x[4], x[-5], 500):
        gap, variances, freedom = 0.0, [], []
        for sign, rows in ((-1, x <= c), (1, x > c)):
            line = stats.linregress(x[rows], y[rows])
            gap += sign * (line.intercept + line.slope * c)
            variances.append(line.intercept_stderr**2 + line.stderr**2 * (c**2 - 2 * c * x[rows].mean()))
            freedom.append(rows.sum() - 2)
        welch = sum(variances) ** 2 / sum(v**2 / d for v, d in zip(variances, freedom, strict=True))
        near = (joined(x, y, c).ssr - least) / (least / 26) <= stats.f.ppf(0.99, 1, 26)
        if near and abs(gap) <= stats.t.ppf(0.975, welch) * np.sqrt(sum(variances)):
            inside.append(c)
    assert found.interval == pytest.approx((min(inside), max(inside)), abs=0.004)  # degrees are a gap's middle one's


def test_a_break_is_found_where_it_is_and_scale_does_not_matter():
    x, y = broken(np.random.default_rng(3), 80, noise=0.1)
    found = segmented_fit(x, y, resamples=300)
    assert found.interval[0] <= 0.6 <= found.interval[1] and found.interval[1] - found.interval[0] < 0.15
    assert found.p == pytest.approx(1 / 301) and found.aic < found.line_aic
    assert found.before == pytest.approx(0, abs=0.2) and found.after == pytest.approx(3, abs=0.4)
    moved = segmented_fit(1e4 + 1e-3 * x, 1e-6 * y, resamples=300)
    assert moved.statistic == pytest.approx(1e4 + 1e-3 * found.statistic, abs=1e-9) and moved.p == found.p
    assert moved.interval == pytest.approx(1e4 + 1e-3 * np.array(found.interval), abs=1e-9)
    assert moved.after == pytest.approx(1e-3 * found.after)


def test_a_break_has_five_rows_on_either_side_itself_included():
    """So between the fifth and the eighth of twelve rows; the break in y is at the third."""
    y = np.maximum(np.arange(12.0) - 2, 0) + 0.01 * np.cos(np.arange(12))
    found = segmented_fit(np.arange(12.0), y, resamples=50)
    assert found.statistic == 4 and found.interval[0] == 4 and found.interval[1] <= 7
    assert found.note.startswith("or beyond, where there are fewer than 5 rows")
    with pytest.raises(ValueError, match="11 finite rows; at least 12 needed"):
        segmented_fit(np.arange(12.0), np.append(y[:11], np.nan))
    few = segmented_fit(np.repeat([0.0, 1, 2], 5), np.arange(15.0), resamples=0)  # at 1 there is room for one place
    assert np.isnan(few.statistic) and few.note == "no stretch of x with 5 rows of two values on either side"


@pytest.mark.parametrize("noise", [0.002, 0.1])
def test_the_interval_of_a_break_covers_it_as_often_as_said(noise):
    """The break lies between two x."""
    generator, hits, widths = np.random.default_rng(5), 0, []
    for _ in range(400):
        y = 0.2 * X40 + 1.3 * np.maximum(X40 - 0.6, 0) + noise * generator.normal(size=40)
        low, high = segmented_fit(X40, y, resamples=0).interval
        hits, widths = hits + (low <= 0.6 <= high), [*widths, high - low]
    assert 0.925 <= hits / 400 <= 0.98  # two standard errors are 0.02
    assert np.median(widths) == pytest.approx(2.9 * noise, rel=0.35)


@pytest.mark.parametrize("spread", [np.ones(40), UNEVEN])
def test_p_of_a_straight_line_is_uniform_whatever_the_variances(spread):
    generator = np.random.default_rng(4)
    lines = 0.7 * X40 + spread * generator.normal(size=(300, 40))
    p = [segmented_fit(X40, y, resamples=99).p for y in lines]
    assert stats.kstest(p, "uniform").pvalue > 0.02
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.085  # two standard errors are 0.025


def test_an_f_test_of_the_best_break_is_wrong_twice_as_often_as_it_says():
    generator, naive = np.random.default_rng(4), []
    for _ in range(100):
        y = generator.normal(size=40)
        naive.append(joined(X40, y, segmented_fit(X40, y, resamples=0).statistic).pvalues[2])
    assert np.mean(np.array(naive) <= 0.05) > 0.1


def test_p_of_a_break_is_that_of_f_in_a_loop_over_drawn_signs():
    generator = np.random.default_rng(7)
    x = np.sort(generator.uniform(size=24))
    y = 2 * x + 0.6 * np.maximum(x - 0.5, 0) + generator.standard_t(2, size=24)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(60, 24))
    straight = sm.OLS(y, sm.add_constant(x)).fit()

    def largest_f(values):
        line = sm.OLS(values, sm.add_constant(x)).fit().ssr
        return max((line - fit.ssr) / fit.ssr for fit in (joined(x, values, c) for c in x[4:-4]))

    even = straight.resid / np.sqrt(1 - straight.get_influence().hat_matrix_diag)
    reached = sum(largest_f(drawn * even) >= largest_f(y) for drawn in signs)
    assert 3 < reached < 57
    assert segmented_fit(x, y, resamples=60).p == pytest.approx((1 + reached) / 61)


@pytest.mark.parametrize("offset, size", [(0.0, 1.0), (1e6, 1e-3), (0.0, 1e-12)])
def test_rows_on_a_straight_line_have_no_break(offset, size):
    """Their residuals are rounding, which has a pattern."""
    found = segmented_fit(X40, offset + size * (0.3 + 0.7 * X40), resamples=99)
    assert np.isnan([found.statistic, *found.interval]).all() and found.p == 1
    assert found.note == "the rows lie on a straight line"
    assert found.before == found.after == pytest.approx(0.7 * size, rel=1e-6)


def test_a_break_without_noise_is_where_it_is():
    found = segmented_fit(X40, 0.2 * X40 + 1.3 * np.maximum(X40 - 0.6, 0), resamples=99)
    assert found.statistic == pytest.approx(0.6) and found.p == 0.01
    assert found.interval == pytest.approx((0.6, 0.6), abs=1e-5)
    assert (found.before, found.after) == pytest.approx((0.2, 1.5))


def test_a_large_table_is_searched_over_all_of_it():
    x, y = broken(np.random.default_rng(6), 5000, at=0.97, after=30.0, noise=0.1)
    found = segmented_fit(x, y, resamples=20)
    assert found.statistic == pytest.approx(0.97, abs=0.005) and found.interval[0] <= 0.97 <= found.interval[1]


def test_rows_that_scatter_unevenly_are_told_from_even_ones():
    generator, noted = np.random.default_rng(0), {}
    for name in ("even", "away from the break", "on one side"):
        noted[name] = 0
        for _ in range(100):
            x, noise = generator.uniform(-1, 1, 60), generator.normal(size=60)
            size = {"even": 1.0, "on one side": np.where(x > 0, 2.0, 0.4)}.get(name, 0.3 + 2 * np.abs(x))
            fit = segmented_fit(x, 2 * np.maximum(x, 0) + 0.2 * size * noise, resamples=0)
            noted[name] += "scatter more in one part of x" in fit.note
    assert noted["even"] <= 12 and min(noted["away from the break"], noted["on one side"]) >= 80

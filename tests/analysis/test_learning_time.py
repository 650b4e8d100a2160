"""Times at which curves reach a level, their order with some never reached, and intervals over runs: planted truth."""

import numpy as np
import pytest
from scipy import stats

from analysis.inference.claim import as_text, judge
from analysis.inference.learning_time import at_step, first_reached, highest_correlation, rank_correlation, smooth
from analysis.inference.resampling import runs_interval

STEPS = np.arange(0, 1001, 10)


def ramps(times):
    """Curves (1, T, K) that rise in a straight line and reach 0.5 at the times."""
    return 0.5 * STEPS[None, :, None] / np.asarray(times, dtype=float)


def test_the_time_is_the_first_recorded_step_at_the_level_and_infinite_where_never():
    found = first_reached(STEPS, ramps([10, 100, 995, 4000])[0])
    assert found.tolist() == [10, 100, 1000, np.inf]


def test_a_running_median_leaves_a_monotone_curve_and_takes_out_a_spike_wherever_it_is():
    curve = np.sqrt(STEPS)[None, :, None]
    assert np.array_equal(smooth(curve)[:, :-1], curve[:, :-1])
    for place in (0, 1, 50, 98, 99, 100):
        spiked = curve.copy()
        spiked[0, place] = 1e6
        if place > 1:  # before the first updates there is no Adam that could spike
            assert np.abs(smooth(spiked) - curve).max() < 1
    assert np.array_equal(smooth(curve[:, :4]), curve[:, :4])


def test_a_spike_does_not_count_as_learned():
    curve = ramps([500])
    curve[0, 20] = 0.9
    assert first_reached(STEPS, curve[0]) == 200 and first_reached(STEPS, smooth(curve)[0]) == 500


def test_what_was_not_reached_ties_at_the_end():
    times = np.array([10, 30, 20, np.inf, np.inf])
    assert rank_correlation(np.arange(5), times) == pytest.approx(
        np.corrcoef([1, 2, 3, 4, 5], [1, 3, 2, 4.5, 4.5])[0, 1]
    )
    assert np.isnan(rank_correlation(np.arange(3), np.full(3, np.inf)))
    x, y = np.random.default_rng(0).integers(0, 8, size=(2, 20))  # with ties
    assert rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)


@pytest.mark.parametrize("reached", [1, 2, 5, 9, 10])
def test_the_highest_correlation_is_that_of_the_right_order(reached):
    times = np.where(np.arange(10) < reached, np.arange(10.0), np.inf)
    best = highest_correlation(times)
    assert best == pytest.approx(rank_correlation(np.arange(10), times))
    shuffled = np.random.default_rng(0).permutation(times)
    assert highest_correlation(shuffled) == pytest.approx(best)
    assert (best >= 0.94) == (reached >= 6)


def test_at_a_step_is_the_last_record_not_after_it():
    curves = STEPS[None, :, None] * np.ones((2, 1, 3))
    assert (at_step(STEPS, curves, 105) == 100).all() and (at_step(STEPS, curves, 0) == 0).all()
    assert at_step(STEPS, curves, 5000).shape == (2, 3) and (at_step(STEPS, curves, 5000) == 1000).all()


def test_the_interval_over_runs_draws_each_trials_runs_on_their_own():
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(40, 3)), generator.normal(size=(60, 3))
    low, high = runs_interval(lambda a, b: a.mean() - b.mean(), first, second)
    error = np.hypot(first.mean(1).std() / np.sqrt(40), second.mean(1).std() / np.sqrt(60))
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert runs_interval(np.mean, first[:1]) is None


def test_an_interval_may_end_at_infinity():
    assert runs_interval(lambda runs: runs.max(), np.array([1.0, np.inf]))[1] == np.inf


@pytest.mark.parametrize(
    ("center", "verdict"), [(2.0, "held"), (0.0, "not held"), (1.0, "undecided")], ids=["above", "below", "at"]
)
def test_the_verdict_is_the_intervals(center, verdict):
    runs = center + np.linspace(-0.1, 0.1, 20)
    assert judge("x", np.mean, runs, trials="t", at_least=1).verdict == verdict
    mirrored = judge("x", np.mean, -runs, trials="t", at_most=-1)
    assert mirrored.verdict == verdict and mirrored.criterion == "<= -1" and mirrored.n == 20


def test_without_criterion_or_interval_or_number_nothing_is_decided():
    runs = np.linspace(1, 2, 5)
    assert judge("x", np.mean, runs, trials="t").verdict == "reported"
    assert judge("x", np.mean, runs[:1], trials="t", at_least=0).verdict == "undecided"
    assert judge("x", np.mean, runs, trials="t", at_least=0, decidable=False).verdict == "undecided"
    undefined = judge("x", lambda a: float("nan"), runs, trials="t", at_least=0)
    assert undefined.verdict == "undecided" and undefined.as_dict()["statistic"] is None
    text = as_text([undefined, judge("y", np.mean, runs, trials="t", at_least=0)])
    assert "undefined" in text and "nan" not in text and "held" in text and "[1.2" in text

"""Times at which curves reach a level, their order with some never reached, and intervals over runs: planted truth."""

import numpy as np
import pytest
from scipy import stats

from analysis.inference.claim import as_text, judge, judge_order
from analysis.inference.learning_time import at_step, first_reached, highest_correlation, rank_correlation, smooth
from analysis.inference.resampling import over_pairs, runs_interval

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
    assert runs_interval(np.mean, first[:4]) is None and runs_interval(np.mean, first[:5]) is not None
    assert runs_interval(lambda a, b: 0.0, first, second[:4]) is None


def test_an_interval_may_end_at_infinity():
    assert runs_interval(lambda runs: runs.max(), np.array([1.0, 2.0, 3.0, 4.0, np.inf]))[1] == np.inf


@pytest.mark.parametrize(
    ("center", "verdict"), [(2.0, "held"), (0.0, "not held"), (1.0, "undecided")], ids=["above", "below", "at"]
)
def test_the_verdict_is_the_intervals(center, verdict):
    runs = center + np.linspace(-0.1, 0.1, 20)
    assert judge("x", np.mean, runs, trials="t", at_least=1).verdict == verdict
    mirrored = judge("x", np.mean, -runs, trials="t", at_most=-1)
    assert mirrored.verdict == verdict and mirrored.criterion == "<= -1" and mirrored.n == 20


def test_without_criterion_or_number_nothing_is_decided():
    runs = np.linspace(1, 2, 5)
    assert judge("x", np.mean, runs, trials="t").verdict == "reported"
    assert judge("x", np.mean, runs, trials="t", at_least=0, undecidable="why").verdict == "undecided"
    for criterion in ({}, {"at_least": 0}):
        undefined = judge("x", lambda a: float("nan"), runs, trials="t", **criterion)
        assert undefined.verdict == "undefined" and undefined.note == "" and undefined.as_dict()["statistic"] is None
    text = as_text([undefined, judge("y", np.mean, runs, trials="t", at_least=0)])
    assert "undefined" in text and "nan" not in text and "held" in text and "[1.2" in text


def test_of_fewer_than_five_runs_the_value_alone_is_judged():
    for runs in (np.linspace(0, 3, 4), np.ones(1)):
        assert judge("x", np.mean, runs, trials="t", at_least=1).verdict == "met"
        assert judge("x", np.mean, runs, trials="t", at_most=0.9).verdict == "not met"
        assert judge("x", np.mean, runs, trials="t", at_least=1).interval is None
    assert judge("x", np.mean, np.linspace(0, 3, 5), trials="t", at_least=1).verdict == "undecided"


def test_the_order_of_means_is_that_of_trials_with_its_values_said():
    values = [at + size * np.array([-1, 0, 1]) for at, size in ((3.0, 0.1), (1.0, 9.0), (2.0, 5.0))]
    found = judge_order("rho", [4, 8, 16], values, trials="t", at_most=-0.4)
    assert found.statistic == pytest.approx(-0.5) and found.verdict == "met"
    assert found.note == "4: 3, 8: 1, 16: 2" and found.n == 3


@pytest.mark.parametrize(("runs", "covered"), [(5, 0.83), (10, 0.90)])
def test_the_interval_over_few_runs_covers_as_often_as_the_rule_says(runs, covered):
    generator = np.random.default_rng(runs)
    within = [low <= 0 <= high for low, high in _means(generator, runs, 400)]
    assert np.mean(within) == pytest.approx(covered, abs=0.06)


def _means(generator, runs, trials):
    return (runs_interval(np.mean, generator.normal(size=runs), resamples=200, seed=i) for i in range(trials))


def test_pairs_that_share_images_are_not_independent():
    """25 pairs of 5 images: what differs is the image, so that the error is that of 5 values and not of 25."""
    first, second = np.divmod(np.arange(25), 5)
    by_image = first.astype(float)
    low, high = over_pairs(np.stack([first, second], axis=1))(np.mean, by_image)
    assert high - low == pytest.approx(2 * 1.96 * np.std(range(5)) / np.sqrt(5), rel=0.15)
    turned = over_pairs(np.stack([second, first], axis=1))(np.mean, by_image)
    assert turned[1] - turned[0] == pytest.approx(high - low, rel=0.15)
    assert over_pairs(np.stack([first % 4, second], axis=1))(np.mean, by_image) is None

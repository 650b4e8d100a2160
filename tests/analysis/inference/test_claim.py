"""Verdicts: nothing is held at a boundary or where nothing varies, and an undecided claim says what would decide it."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import inference
from analysis.inference.claim import judge, judge_order, judge_sign


def result(statistic, interval, units=9, **more):
    return SimpleNamespace(statistic=statistic, interval=interval, n=units, units=units, **more)


@pytest.mark.parametrize(
    ("statistic", "interval", "above", "below"),
    [
        (1.0, (0.5, 2.0), "held", "not held"),
        (-1.0, (-2.0, -0.5), "not held", "held"),
        (1.0, (-0.5, 2.0), "undecided", "undecided"),
        (0.0, (0.0, 0.0), "undecided", "undecided"),
        (1.0, (0.0, 2.0), "undecided", "undecided"),
        (-1.0, (-2.0, 0.0), "undecided", "undecided"),
        (1.0, None, "undecided", "undecided"),
        (1.0, (np.nan, np.nan), "undecided", "undecided"),
        (np.nan, None, "undefined", "undefined"),
        (np.nan, (np.nan, np.nan), "undefined", "undefined"),
    ],
)
def test_a_sign_is_held_where_the_whole_interval_has_it_and_nowhere_at_0(statistic, interval, above, below):
    for positive, verdict in ((True, above), (False, below)):
        claim = judge_sign("x", result(statistic, interval), trials="all", positive=positive)
        assert (claim.verdict, claim.n, claim.criterion) == (verdict, 9, "> 0" if positive else "< 0")


@pytest.mark.parametrize("statistic", [np.mean, lambda runs: 3e-17, lambda runs: -3e-17])  # a rank correlation of 0
def test_runs_without_a_difference_are_on_neither_side(statistic):
    for criterion in ({"above": 0}, {"below": 0}):
        assert judge("x", statistic, np.zeros(6), trials="all", **criterion).verdict == "undecided"
        assert judge("x", statistic, np.zeros(3), trials="all", **criterion).verdict == "not met"
    at_it = judge("x", np.mean, np.ones(6), trials="all", at_least=1)
    assert (at_it.verdict, at_it.criterion) == ("held", ">= 1")  # a closed bound is met at it
    assert judge("x", np.mean, np.ones(6), trials="all", above=0.9).criterion == "> 0.9"


def test_what_does_not_vary_is_undefined_for_every_result_and_says_so():
    """Forty trials of one accuracy, but for the last digit, in five families of eight settings."""
    generator = np.random.default_rng(0)
    rows = pd.DataFrame({"f": np.arange(40) % 5, "a": np.arange(40) % 4, "b": np.arange(40) // 4})
    rows["one"], rows["other"] = np.where(rows["a"] > 1, 0.3, 0.1 + 0.2), generator.normal(size=40)
    for measure, target in (("one", "other"), ("other", "one")):
        names = {"measure": measure, "target": target}
        slopes = inference.slopes(rows, **names, family="f")
        found = [
            *(getattr(slopes, part) for part in ("pooled", "within", "mixed")),
            inference.spearman(rows[measure], rows[target]),
            inference.spearman(rows[measure], rows[target], blocks=rows["f"]),
            *(inference.kendall_tau(rows[measure], rows[target], variant=variant) for variant in "ab"),
            *(inference.granulated_kendall(rows, **names, axes=["a", "b"], variant=variant) for variant in "ab"),
            inference.partial_correlation(rows, **names, given=["f"]),
            inference.class_association(rows[measure].to_numpy()[None], rows[target].to_numpy(), permutations=9),
        ]
        for each in found:
            for positive in (True, False):
                claim = judge_sign("x", each, trials="all", positive=positive)
                assert claim.verdict == "undefined" and claim.interval is None, each
            assert not hasattr(each, "note") or "vary" in claim.note or "constant" in claim.note
    order = judge_order("x", [1, 2, 3], [np.ones(6)] * 3, trials="all", at_least=0.5)
    assert order.verdict == "undefined"


def test_an_undecided_claim_says_how_many_more_would_tell():
    """Half of the interval is 0.8 and the effect 0.5: (0.8 / 0.5)^2 times as many units are needed, 25.6 for 10."""
    claim = judge_sign("x", result(0.5, (-0.3, 1.1), 10), trials="all", positive=True, note="p 0.2", of="settings")
    assert claim.note == "p 0.2; about 16 more settings would decide it, if the effect stays as it is"
    other = judge_sign("x", result(-0.5, (-1.1, 0.3), 10), trials="all", positive=True)
    assert other.note == "about 16 more units would decide it, if the effect stays as it is"
    many = judge_sign("x", result(0.1, (-0.7, 0.9), 10), trials="all", positive=True)
    assert many.note.startswith("about 600 more units")
    for near in (0.0, 0.01):
        assert judge_sign("x", result(near, (-0.7, 0.9)), trials="all", positive=True).note == (
            "too near 0 to be decided by more units"
        )
    assert judge_sign("x", result(0.5, (0.1, 0.9)), trials="all", positive=True).note == ""
    none = result(0.5, (np.nan, np.nan), note="no interval: 4 units, at least 5 needed")
    assert judge_sign("x", none, trials="all", positive=True).note == "no interval: 4 units, at least 5 needed"


def test_with_as_many_more_runs_it_is_told():
    runs = 0.3 + np.linspace(-1, 1, 12)
    claim = judge("x", np.mean, runs, trials="all", above=0, note="here")
    said, more = claim.note.split("; about ")
    assert claim.verdict == "undecided" and said == "here"
    assert more.endswith(" more runs would decide it, if the effect stays as it is") and 1 < int(more.split()[0]) < 12
    assert judge("x", np.mean, np.repeat(runs, 2), trials="all", above=0).verdict == "held"
    reason = judge("x", np.mean, runs, trials="all", above=0, undecidable="an interval takes 5 seeds, 3 more")
    assert reason.verdict == "undecided" and reason.note == "an interval takes 5 seeds, 3 more"


def test_equal_runs_are_one_run():
    """To the last bit, so that they say nothing of how far runs spread; epochs and counts do coincide."""
    for criterion in ({"above": -1.0}, {"below": 0.0}, {"at_least": -1.0}):
        claim = judge("x", np.mean, np.full(5, -0.01), trials="all", of="seeds", **criterion)
        assert claim.verdict == "undecided" and claim.note == "5 equal seeds are one" and claim.interval is None
    pairs = judge("x", lambda a, b: (a - b).mean(), np.full(5, 0.1), np.linspace(0, 1, 5) - 9, trials="all", above=0)
    assert pairs.verdict == "held"  # those of the other trial differ
    for same in (np.full(5, 3.0), np.tile([2.0, np.inf], (5, 1))):
        assert judge("x", lambda runs: runs.min(), same, trials="all", above=0).verdict == "held"


def test_an_interval_that_was_stretched_to_0_has_its_count_from_p():
    """Ten units of which two differ: p is above 0.05, and z grows as the square root of units."""
    for seed in range(100):
        x, y = np.random.default_rng(seed).normal(size=(2, 10))
        found = inference.spearman(x, x + 2 * y)
        if 0.0 in found.interval:
            break
    times = (stats.norm.isf(0.025) / stats.norm.isf(found.p / 2)) ** 2
    claim = judge_sign("x", found, trials="all", positive=found.statistic > 0)
    assert claim.verdict == "undecided" and found.p > 0.05
    assert claim.note.startswith(f"about {max(np.ceil(10 * (times - 1)), 1):.0f} more units would decide it")
    far = judge_sign("x", result(0.5, (0.0, 0.9), 10, p=0.2), trials="all", positive=True)
    assert far.note.startswith("about 14 more units")  # 10 (1.96 / 1.28)^2 - 10

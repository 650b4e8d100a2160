"""The claims on noise fitting, of planted trials: which hold, what a changed setting does, and what is undecided."""

import numpy as np
import pytest

from analysis.questions.noise_claims import EARLIER, FIT, ORDER, change_claims, noise_claims
from tests.analysis.test_noise_fitting import groups_of, sweep, trial


@pytest.mark.parametrize(
    ("seeds", "slope", "verdict", "rho"),
    [(1, -1, "undecided", -1), (4, 1, "undecided", 1), (5, -1, "held", -1), (5, 1, "not held", 1)],
)
def test_low_frequencies_are_fitted_more(seeds, slope, verdict, rho):
    claims = {claim.name: claim for claim in noise_claims(groups_of(*sweep(seeds, slope)))[0]}
    for name in (ORDER, FIT):
        claim = claims[name]
        assert (claim.verdict, claim.n, claim.criterion) == (verdict, seeds, "< 0")
        assert claim.statistic == pytest.approx(rho) and claim.trials == "strength 0.4, baseline"
    assert claims[ORDER].note.startswith("0.02: +0.3")
    assert claims[EARLIER].criterion == "> 0" and (claims[EARLIER].statistic > 0) == (slope < 0)


def test_an_order_needs_three_waves_and_the_control():
    four = sweep()
    for some, why in ((four[:3], "2 radial waves, 3 needed"), (four[1:], "no seed has all and the control")):
        claims, notes = noise_claims(groups_of(*some))
        assert not claims and any(why in note for note in notes)


@pytest.mark.parametrize(
    ("changed", "criterion"),
    [
        ({"width": 16}, "> 0"),
        ({"width": 4}, "< 0"),
        ({"cutout": 16}, "< 0"),
        ({"weight_decay": 0.0}, "> 0"),
        ({"weight_decay": 0.1, "cutout": 8}, "< 0"),
        ({"weight_decay": 0.0, "cutout": 8}, None),
        ({"width": 16, "cutout": 8}, None),
    ],
)
def test_size_and_regularisation_are_judged_by_what_they_change_at_the_highest_frequency(changed, criterion):
    claims, notes = change_claims(groups_of(*sweep(5), *sweep(5, slope=-0.5, **changed)))
    if criterion is None:
        assert not claims and len(notes) == 2
        return
    (claim,) = claims
    assert claim.statistic == pytest.approx(0.1) and claim.n == 5  # 0.2 where the baseline has 0.1, at 0.2
    assert claim.criterion == criterion and claim.verdict == ("held" if criterion[0] == ">" else "not held")
    assert "radial: 0.2" in claim.trials and "+0.2, baseline +0.1" in claim.note


def test_a_change_of_few_seeds_is_undecided_whatever_its_size():
    for seeds in (1, 4):
        (claim,) = change_claims(groups_of(*sweep(seeds), *sweep(seeds, slope=-1 - 1e-8, cutout=16)))[0]
        assert claim.statistic < 0 and (claim.verdict, claim.interval, claim.n) == ("undecided", None, seeds)


def test_without_a_baseline_nothing_is_claimed_of_changes():
    claims, notes = change_claims(groups_of(*sweep(cutout=8), *sweep(cutout=16)))
    assert not claims and "no baseline" in notes[0]


def test_equal_minima_differ_from_the_control_alike():
    """By another sum the minimum of one wave is another float; the order of waves has no say in that."""
    waves = [trial(minimum, frequency=f) for f, minimum in ((0.02, -0.7), (0.05, -0.7 - 1e-16), (0.2, -0.7))]
    claims, _ = noise_claims(groups_of(trial(-0.701, kind="uniform"), *waves))
    order = next(claim for claim in claims if claim.name == ORDER)
    assert order.verdict == "undefined"


def test_an_empty_regulariser_is_expected_to_do_nothing():
    """What the cell was to say is not known: no claim on it, and no other is lost."""
    empty = [{**row, "cutout": np.nan} for each in sweep() for row in [*each]]
    empty = [{**row, "trial_id": row["trial_id"] + "?", "intervention": "cutout"} for row in empty]
    groups = groups_of(*sweep(), empty)
    assert [group.setting for group in groups] == ["baseline", "cutout=nan"]
    assert not any(claim.name == "cutout=nan" for claim in noise_claims(groups)[0])

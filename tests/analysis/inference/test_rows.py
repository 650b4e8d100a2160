"""Which numbers are the same: rounding is no difference, a thousand steps of a float are; settings in 12 digits."""

import numpy as np
import pandas as pd
import pytest

from analysis import inference
from analysis.inference.learning_time import rank_correlation
from analysis.inference.rows import equate, level_numbers, setting_text, varies
from analysis.tables.conditions import changes

TENTHS = np.array([0.1, 0.2, 0.3, 0.3, 0.5, 0.6, 0.6, 0.7])
SUMMED = np.array([0.1, 0.2, 0.1 + 0.2, 0.3, 0.2 + 0.3, 0.6, 0.1 + 0.2 + 0.3, 0.1 + 0.6])  # two are other floats


def test_numbers_that_differ_by_rounding_are_one_and_what_is_not_finite_stays():
    assert len(set(SUMMED)) > len(set(TENTHS)) == len(set(equate(SUMMED)))
    odd = np.array([0.1 + 0.2, np.nan, np.inf, 0.3, -np.inf, 0.0, 5e-324, -0.3, -0.1 - 0.2])
    assert np.isnan(equate(odd)[1]) and np.array_equal(np.delete(equate(odd), 1)[1:3], [np.inf, 0.3])
    assert len(set(np.delete(equate(odd), 1))) == 6  # 0 and the least positive float are two
    assert np.array_equal(odd[[0, 3]], [0.1 + 0.2, 0.3])  # what was given is left alone


def test_numbers_close_together_do_not_run_into_one():
    steps = 1e6 + np.arange(1000) * np.spacing(1e6)  # every float of a range
    assert 5 < len(set(equate(steps))) < 100 and np.abs(equate(steps) - steps).max() <= 1.5e-14 * 1e6
    assert varies(steps) and varies(np.array([1e-300, 2e-300])) and not varies(np.array([0.3, 0.1 + 0.2]))
    assert not varies(np.zeros(3))


def table(first, repeats=4):
    """Return rows of two settings of 4 and 2 levels, as many repeats of each, in two families."""
    target = np.array([5, 3, 8, 1, 2, 9, 4, 7]) / 10
    rows = pd.DataFrame({"m": np.tile(first, repeats), "g": np.tile(target, repeats)})
    rows["g"] += np.repeat(np.arange(repeats), 8) / 100
    return rows.assign(a=np.tile(np.arange(8) % 4, repeats), b=np.tile(np.arange(8) // 4, repeats), f=rows.index % 2)


NAMES = {"measure": "m", "target": "g"}
FUNCTIONS = {
    "spearman": lambda t: inference.spearman(t.m, t.g),
    "within": lambda t: inference.spearman(t.g, t.m, blocks=t.f),
    "tau-a": lambda t: inference.kendall_tau(t.m, t.g, variant="a"),
    "tau-b": lambda t: inference.kendall_tau(t.m, t.g),
    "p": lambda t: inference.permutation_p(t.m, t.g, permutations=200),
    "granulated": lambda t: inference.granulated_kendall(t, **NAMES, axes=["a", "b"]),
    "information": lambda t: inference.conditional_mutual_information(t, **NAMES, axes=["a", "b"], permutations=9),
    "sign error": lambda t: inference.sign_error(t, **NAMES, axes=["a", "b"], test_size=100),
    "partial": lambda t: inference.partial_correlation(t, **NAMES, given=["b"]),
    "partial of means": lambda t: inference.partial_correlation(t, **NAMES, given=["b"], cluster="a"),
    "monotone": lambda t: inference.isotonic_fit(t.m.to_numpy(), t.g.to_numpy(), permutations=50),
    "classes": lambda t: inference.class_association(np.stack([t.m, t.g]), t.g, permutations=50),
    "of times": lambda t: rank_correlation(t.m.to_numpy(), t.g.to_numpy()),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_order_in_which_a_number_was_summed_up_changes_no_rank(name):
    exact, summed = (FUNCTIONS[name](table(first)) for first in (TENTHS, SUMMED))
    assert str(exact) == str(summed)


def test_a_measure_that_varies_in_its_last_digits_has_its_slope_and_a_constant_has_none():
    generator = np.random.default_rng(0)
    u, noise = generator.uniform(0, 1, 40), generator.normal(0, 0.1, 40)
    rows = pd.DataFrame({"m": 1e6 + 1e-5 * (u + noise), "g": u, "f": np.arange(40) % 5})  # 1e-5 on 1e6: 86,000 floats
    exact = inference.slopes(rows.assign(m=u + noise), **NAMES, family="f")
    for part in ("pooled", "within", "mixed"):
        found, known = getattr(inference.slopes(rows, **NAMES, family="f"), part), getattr(exact, part)
        assert found.statistic == pytest.approx(1e-5 * known.statistic, rel=0.005) and found.interval[0] > 0
    for constant in (rows.assign(m=3.0), rows.assign(m=np.where(np.arange(40) % 3, 0.3, 0.1 + 0.2))):
        for found in (each := inference.slopes(constant, **NAMES, family="f")).pooled, each.within, each.mixed:
            assert np.isnan(found.statistic) and "the measure does not vary" in found.note
    between = inference.slopes(rows.assign(m=rows["f"] / 3), **NAMES, family="f")
    assert between.pooled.statistic != 0 and between.within.note == "the measure does not vary within families"


def test_settings_that_are_equal_but_for_rounding_are_one(as_records):
    rates = [0.3, 0.1 + 0.2, 0.3 + 1e-11, 8, 8.0, None, (0.3, 8.0), (0.1 + 0.2, 8)]
    assert [setting_text(rate) for rate in rates] == [
        *("0.3", "0.3", "0.30000000001", "8", "8", "None", "(0.3, 8)", "(0.3, 8)")
    ]
    records = as_records(
        pd.DataFrame(
            {"trial_id": list("abcd"), "epoch": 1, "intervention": ["baseline", "baseline", "rate", "rate"]}
            | {"rate": [0.3, 0.1 + 0.2, 0.5, 0.5 + 1e-13], "seed": [0, 1, 0, 1], "sweep_id": "", "study": "cifar"}
            | {"search": "grid", "a/x": [0.1, 0.2, 0.3, 0.4]}
        )
    )
    assert records.units.nunique() == 2 and records.units.iloc[0] == records.units.iloc[1]
    assert [bool(each) for each in changes(records).values()] == [False, False, True, True]
    assert level_numbers(pd.Series([0.5, 0.1 + 0.2, 0.3, np.nan]), ordered=True).tolist() == [1, 0, 0, 2]
    assert level_numbers(pd.Series([0.5, 0.1 + 0.2, 0.3, 0.5])).tolist() == [0, 1, 1, 0]


def test_repeats_under_a_rate_that_was_computed_otherwise_are_one_unit_of_every_statistic():
    generator = np.random.default_rng(1)
    rates = np.repeat(np.linspace(0.1, 1, 10), 2)
    rows = pd.DataFrame({"rate": rates, "m": generator.normal(size=20), "g": generator.normal(size=20)})
    rows["again"] = rates + np.tile([0, 1e-14], 10)
    exact, rounded = (inference.spearman(rows["g"], rows["m"], clusters=rows[name]) for name in ("rate", "again"))
    assert exact.units == rounded.units == 10 and exact.interval == rounded.interval
    assert inference.partial_correlation(rows, **NAMES, given=[], cluster="again").n == 10
    assert inference.slopes(rows.assign(f=0), **NAMES, family="f", cluster="again").pooled.units == 10


def test_differences_of_numbers_that_have_the_same_difference_are_one():
    """Accuracies in four digits, that of training 0.05 above that of test: the gap does not vary."""
    training = np.random.default_rng(0).integers(8500, 10_000, 40)
    gap = training / 10_000 - (training - 500) / 10_000
    assert len(set(gap)) > 1 == len(set(equate(gap))) and not varies(gap)
    rows = pd.DataFrame({"m": training, "g": gap, "f": np.arange(40) % 4})
    assert inference.slopes(rows, **NAMES, family="f").pooled.note == "the target does not vary"


def test_small_gaps_between_high_accuracies_are_one_where_their_images_are(as_records):
    """Gaps of 4 to 6 in 1,000 images: rounding of 0.95 is 16 times that of the gap. A gap of one image more is two."""
    generator = np.random.default_rng(0)
    training, lead = generator.integers(900, 1000, 60), generator.integers(4, 7, 60)
    accuracies = {"generalization/train_accuracy": training / 1000}
    accuracies["generalization/test_accuracy"] = (training - lead) / 1000
    gap = accuracies["generalization/train_accuracy"] - accuracies["generalization/test_accuracy"]
    assert len(set(equate(gap))) > len(set(equate(gap, size=1))) == 3
    rows = pd.DataFrame({"trial_id": [*map(str, range(60))], "epoch": 1, "sweep_id": "", "study": "", "search": "grid"})
    rows = rows.assign(intervention="", **accuracies, **{"generalization/gap": gap, "a/x": lead**2.0})
    measure, target = (as_records(rows).table[name] for name in ("a/x", "generalization/gap"))
    assert inference.kendall_tau(measure, target).statistic == pytest.approx(1)
    assert inference.spearman(measure, target).statistic == pytest.approx(1)
    assert np.abs(target - gap).max() < 1e-15


def test_whole_numbers_are_told_apart_as_far_as_floats_have_them():
    """Times in milliseconds as identities: twenty of them were three units."""
    ids = 1.7e12 + np.arange(20)
    assert level_numbers(pd.Series(ids)).tolist() == [*range(20)]
    assert [setting_text(value) for value in (ids[1], -0.0, 2.0**60)] == ["1700000000001", "0", "1.15292150461e+18"]
    assert inference.spearman(np.arange(20), np.arange(20), clusters=ids).units == 20

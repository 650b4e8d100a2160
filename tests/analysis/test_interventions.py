"""The analysis of interventions: planted sweeps give their truth, and what is no evidence is refused or counted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.interventions import LOSS, interventions, right_by_all_trials
from analysis.questions.by_intervention import ACCURACY, KINDS, associations
from analysis.tables.records import RecordError
from analysis.tables.table import Records, normal

WITHIN, BETWEEN = KINDS


def sweep(trials, **changes):
    """Records of trials (intervention, level, seed, accuracy, within, between), in a file's shape."""
    names = ("intervention", "level", "seed", ACCURACY, WITHIN, BETWEEN)
    table = pd.DataFrame(trials, columns=names)
    fixed = {"sweep_id": "made", "study": "cifar", "search": "grid", "run_id": "", "dataset": "cifar10", "epoch": 1}
    table = table.assign(**fixed, trial_id=[f"t{i}" for i in range(len(table))])
    table["label"] = table["intervention"] + "=" + table["level"].astype(str)
    for name in sorted(set(table["intervention"]) - {"baseline"}):
        table[name] = table["level"].where(table["intervention"] == name, 0)
    table[LOSS] = np.random.default_rng(0).normal(size=len(table))
    return Records(normal(table.drop(columns="level").assign(**changes)), {}, "made")


def families(generator, *, count=6, levels=5, slope, offset, noise=0.01):
    """A sweep of families of levels with two seeds: frequency is offset x the family's accuracy + slope x its own."""
    trials = []
    for family in range(count):
        centre = 0.3 + 0.1 * family
        for level in range(1, levels + 1):
            own = 0.01 * (level - 3)
            for seed in range(2):
                errors = generator.normal(0, noise, size=2)
                accuracy = centre + own + generator.normal(0, 0.002)
                trials.append((f"kind_{family}", level, seed, accuracy, *(offset * centre + slope * own + errors)))
    return trials


def verdicts(found, measure):
    return {claim.name: claim.verdict for claim in found.claims if claim.trials == measure}


def test_a_real_relation_is_found_by_every_way_of_asking():
    found = interventions(sweep(families(np.random.default_rng(1), slope=-2, offset=-2, noise=0.002)))
    asked = verdicts(found, WITHIN)
    assert asked.pop("given training loss and intervention") in ("held", "undecided")
    assert asked == dict.fromkeys(
        ("test accuracy, Spearman", "slope within interventions", "granulated Kendall"), "held"
    )
    assert set(verdicts(found, BETWEEN).values()) <= {"not held", "undecided"}  # planted with the wrong sign
    assert verdicts(found, BETWEEN)["slope within interventions"] == "not held"
    relation = found.numbers["relations"][0]
    assert relation.slopes.simpson == "" and not relation.slopes.sign_flips
    assert relation.information.p < 0.01 and relation.p_within < 0.01


def test_simpsons_case_is_flagged_and_the_slope_within_says_the_opposite():
    found = interventions(sweep(families(np.random.default_rng(2), slope=2, offset=-1, noise=0.002)))
    asked = verdicts(found, WITHIN)
    assert asked["test accuracy, Spearman"] == "held" and asked["slope within interventions"] == "not held"
    assert found.numbers["relations"][0].slopes.simpson == "reversed"
    assert [claim.note for claim in found.claims if claim.name == "slope within interventions"] == ["reversed"] * 2
    assert any("Simpson's paradox" in table for table in found.tables)


@pytest.mark.nightly
def test_a_null_is_held_or_not_as_often_as_said(monkeypatch):
    """60 sweeps without a relation: a two-sided claim of 95% is wrong in 5 of 100, so in up to 9 of them (0.999)."""
    found = {"test accuracy, Spearman": 0, "slope within interventions": 0}
    left_out = ("conditional_mutual_information", "sign_error", "granulated_kendall", "partial_correlation")
    for name in (*left_out, "isotonic_fit", "segmented_fit"):
        monkeypatch.setattr(f"analysis.inference.relation.{name}", refused)
    monkeypatch.setattr("analysis.figures.interventions_figure", lambda *args, **kwargs: None)
    monkeypatch.setattr("analysis.inference.many.associate_all", lambda *args, **kwargs: NO_MEASURES)
    monkeypatch.setattr("analysis.inference.resampling.resamples_for", lambda n: 300)
    generator = np.random.default_rng(3)
    for _ in range(60):
        trials = [(f"kind_{k}", n, 0, *generator.normal(0.5, 0.1, size=3)) for k in range(5) for n in range(1, 8)]
        for name, verdict in verdicts(interventions(sweep(trials)), WITHIN).items():
            found[name] += verdict != "undecided"
    assert all(1 <= count <= 9 for count in found.values()), found


NO_MEASURES = pd.DataFrame(columns=["measure", "rho", "low", "high", "rho_within", "p", "q", "n", "left_out"])


def refused(*arguments, **options):
    raise ValueError("left out of this test")


@pytest.mark.parametrize(
    ("changes", "left_out", "said"),
    [
        ({"search": "optuna"}, {}, "its trials were chosen by optuna"),
        ({"search": ["grid"] * 20 + ["asha"] * 20}, {}, "its trials were chosen by asha"),
        ({"search": "grid with median"}, {}, "its trials were chosen by grid with median"),
        ({}, {"stopped early": 3}, "3 of its trials were stopped early"),
    ],
)
def test_a_selected_sample_is_refused_with_the_reason_unless_told(changes, left_out, said):
    records = sweep(families(np.random.default_rng(4), count=4, slope=1, offset=1), **changes)
    records.left_out.update(left_out)
    with pytest.raises(RecordError, match=f"selected sample .{said}"):
        interventions(records)


def test_a_selected_sample_is_taken_where_told():
    records = sweep(families(np.random.default_rng(4), count=3, levels=3, slope=1, offset=1), search="optuna")
    assert interventions(replace(records, take_selected=True)).claims


def test_over_paths_that_all_get_right_the_relation_is_another_claim_where_there_are_enough(monkeypatch):
    records = sweep(families(np.random.default_rng(6), count=3, slope=-1, offset=-1))
    count = {"within_class": 30, "between_class": 19}

    def arrays(row):
        for kind, paths in count.items():
            images = {
                f"frequency/{kind}/{name}": np.arange(paths) for name in ("first_image", "second_image", "samples")
            }
            right = {f"frequency/{kind}/{name}_correct": np.ones(paths, dtype=bool) for name in ("first", "second")}
            yield from (images | right | {f"frequency/{kind}/share": np.full(paths, 1 - row[ACCURACY])}).items()

    every = [(row, dict(arrays(row))) for _, row in records.last.iterrows()]
    found = iter(every)
    monkeypatch.setattr("analysis.tables.arrays.last_arrays", lambda records: found)
    made = interventions(records)
    name = "paths that all trials get right, Spearman"
    assert verdicts(made, WITHIN)[name] == "held" and name not in verdicts(made, BETWEEN)
    assert not any("gone" in note for note in made.notes)
    assert (
        "paths that all trials get right, between_class: 19 of 19, too few for a correlation (20 needed)" in made.notes
    )
    found, sound = iter(every[2:]), records.last.assign(unit=records.units)
    assert "left out: 2 trials whose arrays are gone" in right_by_all_trials(records, sound)[1]
    logits = every[0][1] | {"frequency/signal": np.array("logits")}
    found = iter([(every[0][0], logits), *every[1:]])
    (note,) = right_by_all_trials(records, sound)[1]
    assert "not done (trial" in note and "of the signal logits" in note


def test_what_is_missing_is_counted_and_too_few_settings_are_said():
    trials = families(np.random.default_rng(5), count=3, slope=-1, offset=-1)
    records = sweep(trials)
    records.table.loc[[0, 1, 2], WITHIN] = np.nan
    records.table.loc[3, ACCURACY] = np.inf
    found = interventions(records)
    assert "left out: 4 trials whose accuracy or frequency is missing or not finite" in found.careful
    assert found.notes[0].startswith("26 trials of ")
    few = interventions(sweep(trials[:8]))
    assert any("no correlation and no claim: they take 5 settings" in said for said in few.answers)
    assert not few.claims and few.figures
    with pytest.raises(RecordError, match="the trials of made have no frequency/within_class$"):
        interventions(sweep([(*trial[:4], np.nan, trial[5]) for trial in trials]))


def test_repeats_of_a_setting_are_no_evidence_of_their_own():
    """Ten copies under other seeds have the interval of one: independent trials would have a third of it."""
    once = [
        (f"kind_{k}", n, 0, *np.random.default_rng(7 * k + n).normal(size=3)) for k in range(4) for n in range(1, 4)
    ]
    ten = [(kind, level, seed, *values) for kind, level, _, *values in once for seed in range(10)]
    first, second = (associations(records.last.assign(unit=records.units))[0] for records in map(sweep, (once, ten)))
    assert (first.n, first.units, second.n, second.units) == (12, 12, 120, 12)
    assert second.spearman[WITHIN].interval == pytest.approx(first.spearman[WITHIN].interval, abs=0.05)

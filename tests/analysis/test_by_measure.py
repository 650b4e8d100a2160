"""The claims under every measure of frequency: planted signs are told apart, each is what the other scripts say."""

import json
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from analysis.findings import careful_of
from analysis.interventions import interventions
from analysis.measures import main, measures
from analysis.questions.by_intervention import ACCURACY, KINDS, LOSS, coefficient_text
from analysis.questions.by_measure import AMONG, BETWEEN, GIVEN, MEASURES, OVERALL, RISES, SLOPE, WITHIN, by_measure
from analysis.tables.records_file import write_records
from analysis.tables.table import RecordError, Records, normal
from analysis.training_curves import training_curves

EPOCHS = (0, 1, 2, 4)


def trials(*, levels=6, seeds=2, measures=MEASURES):
    """Records of two interventions: released and fixed-band shares fall within classes, the mirrored one rises."""
    generator, rows = np.random.default_rng(0), []
    plan = [("baseline", 0)] + [(name, level) for name in ("cutout", "width") for level in range(1, levels)]
    for name, level in plan:
        for seed in range(seeds):
            best = 0.5 + 0.03 * level + (0.02 if name == "width" else 0) + generator.normal(0, 0.002)
            fixed = {"trial_id": f"{name} {level} {seed}", "label": f"{name}={level}", "run_id": "", "sweep_id": "made"}
            fixed |= {"study": "cifar", "search": "grid", "intervention": name, "dataset": "cifar10", "model": "toy"}
            fixed |= {"cutout": level * (name == "cutout"), "width": level * (name == "width"), "seed": seed}
            for epoch in EPOCHS:
                accuracy = best * (1 - 0.5 ** (epoch + 0.1))
                row = fixed | {"epoch": epoch, ACCURACY: accuracy, LOSS: generator.normal()}
                for end in measures:
                    sign = -1 if end in ("", "fixed_band") else 1 if end == "mirror" else 0
                    for kind in KINDS:
                        slope = 0.3 if kind == BETWEEN else 0.3 * sign
                        row[f"{kind}/{end}".rstrip("/")] = slope * accuracy + generator.normal(0, 0.002)
                rows.append(row)
    return Records(normal(pd.DataFrame(rows)), {}, "planted")


@pytest.fixture(scope="module")
def planted():
    return trials()


@pytest.fixture(scope="module")
def rows(planted):
    return {(row.name, row.kind): row for row in by_measure(planted)[0]}


def test_a_sign_that_only_some_measures_have_is_told(rows):
    assert [*rows][:3] == [(RISES, BETWEEN), (OVERALL, WITHIN), (OVERALL, BETWEEN)]
    for name in (OVERALL, SLOPE, f"{AMONG} cutout", f"{AMONG} width"):
        between, within = rows[name, BETWEEN].claims, rows[name, WITHIN].claims
        assert [*between] == [*within] == [*MEASURES.values()]
        assert {claim.verdict for claim in between.values()} == {"held"}
        assert [within[each].verdict for each in ("released share", "fixed band")] == ["held"] * 2
        assert within["mirrored"].verdict == "not held"
    assert {claim.verdict for claim in rows[RISES, BETWEEN].claims.values()} == {"held"}
    assert set(rows[GIVEN, WITHIN].claims) == set(MEASURES.values())


def test_the_released_share_has_what_the_other_scripts_say_of_it(planted, rows):
    found = interventions(planted)
    claims = {(claim.name, claim.trials): claim for claim in found.claims}
    names = {OVERALL: "test accuracy, Spearman", SLOPE: "slope within interventions"}
    names |= {GIVEN: "given training loss and intervention"}
    for name, theirs in names.items():
        for kind in KINDS:
            own, other = rows[name, kind].claims["released share"], claims[theirs, kind]
            assert (own.statistic, own.interval, own.verdict) == (other.statistic, other.interval, other.verdict)
    curves = training_curves(planted).claims[0]
    assert rows[RISES, BETWEEN].claims["released share"].interval == curves.interval
    plt.close("all")


@pytest.mark.parametrize("end", ["mirror", "fixed_band"])
def test_another_measure_has_what_the_scripts_say_of_records_that_have_it_for_a_share(planted, rows, end):
    table = planted.table.drop(columns=[*KINDS]).rename(columns={f"{kind}/{end}": kind for kind in KINDS})
    found = interventions(replace(planted, table=normal(table)))
    plt.close("all")
    said = {row.trials: row.spearman for row in found.numbers["associations"]}
    for group, name in {"all": OVERALL, "cutout": f"{AMONG} cutout"}.items():
        for kind in KINDS:
            claim = rows[name, kind].claims[MEASURES[end]]
            assert (claim.statistic, claim.interval) == (said[group][kind].statistic, said[group][kind].interval)


def test_measures_that_records_lack_are_left_out_and_few_settings_refused():
    found = measures(trials(measures=("", "mirror"), seeds=1))
    plt.close("all")
    assert "| claim | frequency | released share | mirrored |\n" in found.tables[0]
    with pytest.raises(RecordError, match="planted: the trials have 1 of the measures of frequency; two are needed"):
        measures(trials(measures=("",), seeds=1))
    with pytest.raises(RecordError, match="planted: too few settings: correlations take 5"):
        measures(replace(trials(levels=2, seeds=1), table=trials(levels=2, seeds=1).last))


def without(planted, column, trials):
    """The records, some of whose trials lack a metric at their last epoch."""
    table = planted.table.copy()
    ids = table["trial_id"].unique()[:trials]
    table.loc[table["trial_id"].isin(ids) & (table["epoch"] == EPOCHS[-1]), column] = np.nan
    return replace(planted, table=table)


def test_trials_without_a_measure_are_counted_and_a_measure_of_none_is_named(planted):
    found = measures(without(planted, f"{WITHIN}/hann", 3))
    assert found.careful == ["Hann window: 19 of 22 trials have it"]
    assert {claim.n for claim in found.claims if claim.name == OVERALL} == {19, 22}
    none = measures(without(planted, f"{WITHIN}/hann", 99))
    assert none.careful == ["Hann window: no trial has it at its last epoch"] and "Hann window" not in none.tables[0]
    plt.close("all")


def test_without_training_loss_or_interventions_nothing_is_held_fixed_and_it_is_said(planted):
    rows, notes = by_measure(without(planted, LOSS, 2))
    assert notes == ["not at equal training loss: 2 trials have none"] and GIVEN not in {row.name for row in rows}
    rows, notes = by_measure(replace(planted, table=planted.table.assign(intervention="")))
    assert {row.name for row in rows} == {RISES, OVERALL} and notes == []


def test_the_answers_are_of_all_claims_and_claim_three_is_counted(planted):
    found = measures(planted)
    plt.close("all")
    both = "frequency is lower within classes: 2 held (released share, fixed band); 2 did not hold (mirrored)"
    assert any(line.startswith(f"{AMONG} intervention, {both}") for line in found.answers)
    assert careful_of([], found) == []


def test_the_figure_has_every_rank_correlation_on_the_side_of_its_kind(rows):
    from analysis.figures.by_measure import by_measure_figure

    figure = by_measure_figure([*rows.values()])
    names = [name for name in dict.fromkeys(name for name, _ in rows) if name not in (RISES, SLOPE)]
    for axes, (kind, rises) in zip(figure.axes, KINDS.items(), strict=True):
        for measure in MEASURES.values():
            drawn = [line for line in axes.lines if line.get_label() == measure]
            claims = [rows[name, kind].claims[measure] for name in names]
            assert [line.get_xdata()[0] for line in drawn] == [claim.statistic for claim in claims]
            assert [round(line.get_ydata()[0]) for line in drawn] == [*range(len(names))]
            ends = [line.get_xdata() for line in axes.lines if line.get_color() == drawn[0].get_color()]
            assert [tuple(each) for each in ends if len(each) == 2] == [claim.interval for claim in claims]
        (shaded,) = axes.patches
        assert (shaded.get_x() >= 0) is rises
    plt.close("all")
    assert by_measure_figure([row for row in rows.values() if row.name == RISES]) is None


def test_the_script_prints_the_verdicts_and_saves_the_numbers(planted, rows, run_script, tmp_path):
    write_records(planted, tmp_path / "records.csv")
    status, said, _ = run_script(main, "--records", "records.csv", "--full", "--format", "svg")
    claim = rows[OVERALL, WITHIN].claims["mirrored"]
    assert status == 0 and f" | {coefficient_text(claim)} did not hold | " in said
    assert f"{OVERALL}, frequency is lower within classes: held (released share, fixed band); did not hold (mir" in said
    saved = json.loads((tmp_path / "figures" / "records" / "measures.json").read_text())
    (row,) = (row for row in saved["rows"] if (row["claim"], row["kind"]) == (OVERALL, WITHIN))
    assert row["by_measure"]["mirrored"]["statistic"] == claim.statistic

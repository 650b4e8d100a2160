"""The analysis of interventions: planted sweeps give their truth, its refusals, its figure's numbers, the script."""

import json
from dataclasses import replace
from functools import partial

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from analysis.figures import interventions_figure, label, save
from analysis.interventions import ACCURACY, KINDS, LOSS, associations, by_intervention, interventions, main
from analysis.records import RecordError, load_records
from analysis.table import Records, normal

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
    assert "Simpson's paradox" in found.tables[1]


@pytest.mark.slow
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
        ({}, {"stopped early": 3}, "3 of its trials were stopped early"),
    ],
)
def test_a_selected_sample_is_refused_with_the_reason_unless_told(changes, left_out, said):
    records = sweep(families(np.random.default_rng(4), count=4, slope=1, offset=1), **changes)
    records.left_out.update(left_out)
    with pytest.raises(RecordError, match=f"selected sample .{said}"):
        interventions(records)
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

    found = ((row, dict(arrays(row))) for _, row in records.last.iterrows())
    monkeypatch.setattr("analysis.records.last_arrays", lambda records: found)
    made = interventions(records)
    name = "paths that all trials get right, Spearman"
    assert verdicts(made, WITHIN)[name] == "held" and name not in verdicts(made, BETWEEN)
    assert (
        "paths that all trials get right, between_class: 19 of 19, too few for a correlation (20 needed)" in made.notes
    )


def test_what_is_missing_is_counted_and_too_few_settings_are_said():
    trials = families(np.random.default_rng(5), count=3, slope=-1, offset=-1)
    records = sweep(trials)
    records.table.loc[[0, 1, 2], WITHIN] = np.nan
    records.table.loc[3, ACCURACY] = np.inf
    found = interventions(records)
    assert "left out: 4 trials whose accuracy or frequency is missing or not finite" in found.notes
    assert found.notes[0].startswith("26 trials of ")
    with pytest.raises(
        RecordError, match="4 settings of made have a finite accuracy and frequency: a rank correlation takes 5"
    ):
        interventions(sweep(trials[:8]))
    records = sweep(trials)
    records.table.loc[1:, ACCURACY] = np.nan
    with pytest.raises(RecordError, match="1 settings of made have a finite accuracy"):
        interventions(records)
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


def trial(number, intervention, accuracy, epochs=(0, 1, 5)):
    """The rows of one trial: within falls and between rises with accuracy, at the last epoch exactly."""
    fixed = {"trial_id": f"t{number}", "label": f"{intervention} {number}", "intervention": intervention}
    return [
        {
            **fixed,
            "number": number,
            "epoch": epoch,
            ACCURACY: accuracy * epoch / epochs[-1],
            WITHIN: (1 - accuracy) * epoch / epochs[-1],
            BETWEEN: accuracy**2 * epoch / epochs[-1],
        }
        for epoch in epochs
    ]


@pytest.fixture
def table():
    plan = [("baseline", 0.5)] + [("epochs", a) for a in (0.2, 0.3, 0.4, 0.6)] + [("mixup", a) for a in (0.7, 0.8)]
    return pd.DataFrame([row for i, (name, accuracy) in enumerate(plan) for row in trial(i, name, accuracy)])


def last_of(table):
    return table[table["epoch"] == 5]


def test_associations_are_over_all_and_per_intervention_with_the_baseline(table):
    last = last_of(table)
    found = {row.trials: row for row in associations(last.assign(unit=last["number"]))}
    assert {name: row.n for name, row in found.items()} == {"all": 7, "epochs": 5, "mixup": 3}
    for name in ("all", "epochs"):
        assert found[name].spearman[WITHIN].statistic == pytest.approx(-1)
        assert found[name].kendall[BETWEEN].statistic == pytest.approx(1)
    assert found["mixup"].spearman is None and found["mixup"].kendall is None
    text = by_intervention([*found.values()]).splitlines()
    assert text[2].split()[:2] == ["all", "7"] and "-1.00 [-1.00, " in text[2]
    assert text[4].split() == ["mixup", "3", "too", "few", "(5", "settings", "needed,", "3", "here)"]


def test_the_figure_shows_every_trial_at_its_last_epoch_and_every_epoch_of_every_trial(table):
    figure = interventions_figure(table)
    above, below = figure.axes[:2], figure.axes[2:4]
    for axes, kind in zip(above, KINDS, strict=True):
        points = np.concatenate([np.asarray(c.get_offsets()) for c in axes.collections])
        assert sorted(map(tuple, points)) == sorted(map(tuple, last_of(table)[[ACCURACY, kind]].to_numpy()))
        assert axes.get_xlabel() == label(ACCURACY) and axes.get_ylabel() == label(kind)
    for axes, kind in zip(below, KINDS, strict=True):
        drawn = []
        for line in axes.lines:
            points = line.get_xydata()  # the trials of an intervention, with a gap before each
            starts = np.flatnonzero(np.isnan(points[:, 1]))
            drawn += [tuple(map(tuple, part[1:])) for part in np.split(points, starts[1:])]
        asked = sorted(tuple(map(tuple, rows[["epoch", kind]].to_numpy())) for _, rows in table.groupby("trial_id"))
        assert sorted(drawn) == asked
        assert axes.get_xlabel() == "epoch" and axes.get_ylabel() == label(kind)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["baseline", "epochs", "mixup"]


def test_an_intervention_has_one_colour_in_all_panels(table):
    figure = interventions_figure(table)
    colour = {c.get_label(): matplotlib.colors.to_hex(c.get_facecolor()[0]) for c in figure.axes[0].collections}
    assert len(set(colour.values())) == 3
    lines = [matplotlib.colors.to_hex(line.get_color()) for line in figure.axes[2].lines]
    assert lines == [colour["baseline"], colour["epochs"], colour["mixup"]]


def test_the_same_table_gives_the_same_files(table, tmp_path):
    first, second = (save(interventions_figure(table), tmp_path / name, "x") for name in "ab")
    assert [path.suffix for path in first] == [".png", ".svg"]
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(first, second, strict=True))


def fill(folder, table, sweep_id="made1"):
    """Write the table into a store as the service would: a parent with its list, and a finished run per trial."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    found = client.get_experiment_by_name("made")
    experiment = (
        found.experiment_id if found else client.create_experiment("made", artifact_location=f"{folder}/mlruns")
    )
    tags = {"specbias.sweep_id": sweep_id, "specbias.search": "grid", "specbias.study": "cifar"}
    parent = client.create_run(experiment, tags=tags | {"specbias.opened": sweep_id})
    trials = table.groupby("trial_id").first().reset_index()[["trial_id", "label", "intervention"]]
    client.log_dict(parent.info.run_id, {"trials": trials.to_dict("records")}, "sweep.json")
    for trial_id, rows in table.groupby("trial_id"):
        tags = {"mlflow.parentRunId": parent.info.run_id, "specbias.trial_id": trial_id}
        run = client.create_run(experiment, tags=tags | {"specbias.outcome": "finished"})
        client.log_param(run.info.run_id, "number", str(rows["number"].iloc[0]))
        for row in rows.to_dict("records"):
            for key in (ACCURACY, *KINDS):
                client.log_metric(run.info.run_id, key, row[key], step=row["epoch"])
    return client, parent.info.run_id


def test_sweeps_are_not_mixed(table, tmp_path):
    store = f"sqlite:///{tmp_path}/mlflow.db"
    fill(tmp_path, table, "first")
    few = table[table["trial_id"].isin(["t0", "t1"])].replace({"intervention": {"baseline": "epochs"}})
    fill(tmp_path, few, "second")  # its own runs of two of the trials, and its own names for them
    latest = load_records("made", tracking_uri=store)
    assert latest.sweep_id == "second" and latest.other_sweeps == ["first"]
    assert set(latest.table["trial_id"]) == {"t0", "t1"} and set(latest.table["intervention"]) == {"epochs"}
    first = load_records("made", tracking_uri=store, sweep="fir")
    assert first.table["trial_id"].nunique() == 7 and "baseline" in set(first.table["intervention"])
    assert not set(first.table["run_id"]) & set(latest.table["run_id"])
    with pytest.raises(RecordError, match="holds no sweep 'x'; there are: second, first"):
        load_records("made", tracking_uri=store, sweep="x")


def test_trials_without_an_end_are_left_out_and_counted(table, tmp_path):
    store = f"sqlite:///{tmp_path}/mlflow.db"
    client, parent = fill(tmp_path, table)
    runs = client.search_runs(["1"], "tags.specbias.trial_id != ''")
    client.set_tag(runs[0].info.run_id, "specbias.outcome", "failed")
    client.delete_run(runs[1].info.run_id)
    assert load_records("made", tracking_uri=store).left_out == {"failed": 1, "not started": 1}
    client.delete_run(parent)
    with pytest.raises(RecordError, match="experiment 'made' holds no sweep"):
        load_records("made", tracking_uri=store)


@pytest.fixture
def call(run_script):
    return partial(run_script, main)


def test_the_script_prints_saves_and_attaches(table, tmp_path, call):
    client, parent = fill(tmp_path, table)
    status, said, error = call("--experiment", "made", "--out", "here")
    assert status == 0, error
    assert "made1 of cifar: 7 trials at their last epoch" in said and "too few" in said
    names = {f"interventions.{kind}" for kind in ("png", "svg", "json")}
    assert {path.name for path in (tmp_path / "here").iterdir()} == names
    assert {file.path for file in client.list_artifacts(parent, "analysis")} == {f"analysis/{name}" for name in names}
    content = json.loads((tmp_path / "here" / "interventions.json").read_text())
    assert content["associations"][0]["n"] == 7 and len(content["trials"]) == 7
    picture = (tmp_path / "here" / "interventions.svg").read_text()
    for trial in content["trials"]:  # a point of the figure leads to its run
        assert f"/runs/{trial['run_id']}" in picture
    assert content["captions"]["interventions"].startswith("7 trials, data set ")


def test_an_undefined_correlation_is_said_and_is_null_in_json(table, tmp_path, call):
    table[WITHIN] = 0.5
    fill(tmp_path, table)
    status, said, error = call("--experiment", "made")
    assert status == 0 and "undefined (constant)" in said and "nan" not in said, error
    content = json.loads((tmp_path / "figures" / "made" / "interventions.json").read_text())
    found = content["associations"][0]["spearman"][WITHIN]
    assert found["statistic"] is None and found["interval"] == [None, None]


@pytest.mark.parametrize(
    ("arguments", "uri", "said"),
    [
        (["--experiment", "made"], None, "error: there is no MLflow store at "),
        (["--experiment", "made"], "http://127.0.0.1:9", "error: http://127.0.0.1:9: "),
        ([], None, "error: give --experiment NAME, or --records FILE: one of the two"),
        (["--records", "none.csv"], None, "error: none.csv: "),
    ],
)
def test_records_that_are_not_there_are_one_line_and_status_2(tmp_path, call, arguments, uri, said):
    status, _, error = call(*arguments, **({"uri": uri} if uri else {}))
    assert status == 2 and error.startswith(said) and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []

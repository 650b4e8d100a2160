"""The script of interventions on a store: its figure's numbers, what it saves, and its refusals."""

import json
from functools import partial

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from analysis.figures import interventions_figure, label, save
from analysis.interventions import main
from analysis.questions.by_intervention import ACCURACY, KINDS
from analysis.tables.records import RecordError, load_records

WITHIN, BETWEEN = KINDS


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


def test_sweeps_are_not_mixed(table, store_folder):
    store = f"sqlite:///{store_folder}/mlflow.db"
    fill(store_folder, table, "first")
    few = table[table["trial_id"].isin(["t0", "t1"])].replace({"intervention": {"baseline": "epochs"}})
    fill(store_folder, few, "second")  # its own runs of two of the trials, and its own names for them
    latest = load_records("made", tracking_uri=store)
    assert latest.sweep_id == "second" and latest.other_sweeps == ["first"]
    assert set(latest.table["trial_id"]) == {"t0", "t1"} and set(latest.table["intervention"]) == {"epochs"}
    first = load_records("made", tracking_uri=store, sweep="fir")
    assert first.table["trial_id"].nunique() == 7 and "baseline" in set(first.table["intervention"])
    assert not set(first.table["run_id"]) & set(latest.table["run_id"])
    with pytest.raises(RecordError, match="holds no sweep 'x'; there are: second, first"):
        load_records("made", tracking_uri=store, sweep="x")


def test_trials_without_an_end_are_left_out_and_counted(table, store_folder):
    store = f"sqlite:///{store_folder}/mlflow.db"
    client, parent = fill(store_folder, table)
    runs = client.search_runs(["1"], "tags.specbias.trial_id != ''")
    client.set_tag(runs[0].info.run_id, "specbias.outcome", "failed")
    client.delete_run(runs[1].info.run_id)
    assert load_records("made", tracking_uri=store).left_out == {"failed": 1, "not started": 1}
    client.delete_run(parent)
    with pytest.raises(RecordError, match="experiment 'made' holds no sweep"):
        load_records("made", tracking_uri=store)


@pytest.fixture
def call(run_script):
    return partial(run_script, main, "--full")


def test_the_script_prints_saves_and_attaches(table, store_folder, call):
    client, parent = fill(store_folder, table)
    status, said, error = call("--experiment", "made", "--out", "here")
    assert status == 0, error
    assert "made1 of cifar: 7 trials at their last epoch" in said and "too few" in said
    names = {f"interventions.{kind}" for kind in ("png", "svg", "json")}
    assert {path.name for path in (store_folder / "here").iterdir()} == names
    assert {file.path for file in client.list_artifacts(parent, "analysis")} == {f"analysis/{name}" for name in names}
    content = json.loads((store_folder / "here" / "interventions.json").read_text())
    assert content["associations"][0]["n"] == 7 and len(content["trials"]) == 7
    picture = (store_folder / "here" / "interventions.svg").read_text()
    for trial in content["trials"]:  # a point of the figure leads to its run
        assert f"/runs/{trial['run_id']}" in picture
    assert content["captions"]["interventions"].startswith("7 trials, data set ")


@pytest.mark.slow
def test_an_undefined_correlation_is_said_and_is_null_in_json(table, store_folder, call):
    table[WITHIN] = 0.5
    fill(store_folder, table)
    status, said, error = call("--experiment", "made")
    assert status == 0 and "undefined (constant)" in said and "nan" not in said, error
    content = json.loads((store_folder / "figures" / "made" / "interventions.json").read_text())
    found = content["associations"][0]["spearman"][WITHIN]
    assert found["statistic"] is None and found["interval"] == [None, None]


@pytest.mark.slow
def test_trials_that_are_the_same_in_every_measure_are_named(table, store_folder, call):
    fill(store_folder, pd.concat([table, pd.DataFrame(trial(7, "grey", 0.5))]))
    status, said, error = call("--experiment", "made")
    assert status == 0 and "what they differ in had no effect: baseline 0 and grey 7\n" in said, error


def test_few_settings_have_their_table_and_figure_and_no_correlation(table, store_folder, call):
    few = table[table["trial_id"].isin(["t0", "t1"])]
    fill(store_folder, few)
    status, said, error = call("--experiment", "made")
    assert status == 0, error
    assert (
        "no correlation and no claim: they take 5 settings with a finite accuracy and frequency, and there are 2"
        in said
    )
    assert "Spearman" not in said and (store_folder / "figures" / "made" / "interventions.svg").exists()


def test_a_sweep_without_a_finished_trial_names_those_that_have_some(table, store_folder, call):
    fill(store_folder, table, "2026-01-01T00:00")
    client, parent = fill(store_folder, table[table["trial_id"] == "t9"], "2026-02-02T00:00:00")
    status, _, error = call("--experiment", "made")
    said = "error: sweep 2026-02-02T00:00:00 of 'made' has no finished trial; for --sweep there are: 2026-01-01T00:00"
    assert (status, error) == (2, f"{said} (2026-01-01 00:00, 7 finished)\n")


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

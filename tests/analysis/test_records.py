"""Records: what MLflow holds comes back exactly, in few requests, and through a file; what is not there is said."""

import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from analysis.decompose import DecomposeOptions
from analysis.tables import records as module
from analysis.tables.options import Options
from analysis.tables.records import load_records, open_records
from analysis.tables.records_file import read_records, write_records
from analysis.tables.table import RecordError
from specbias.settings.config import TrialConfig

KEYS = ("generalization/test_accuracy", "frequency/within_class", "jacobian_norm")


def fill(folder, trials):
    """Write trials (settings, epoch -> metrics) into a store as the service would, and return its address."""
    uri = f"sqlite:///{folder}/mlflow.db"
    client = MlflowClient(uri)
    experiment = client.create_experiment("made", artifact_location=f"{folder}/mlruns")
    tags = {"specbias.sweep_id": "00e1", "specbias.search": "grid", "specbias.study": "cifar", "specbias.opened": "1"}
    parent = client.create_run(experiment, tags=tags).info.run_id
    listed = [{"trial_id": f"{i:04d}", "label": f"trial {i}", "intervention": "width"} for i in range(len(trials))]
    client.log_dict(parent, {"trials": listed}, "sweep.json")
    for i, (settings, epochs) in enumerate(trials):
        tags = {"mlflow.parentRunId": parent, "specbias.trial_id": f"{i:04d}", "specbias.outcome": "finished"}
        run = client.create_run(experiment, tags=tags).info.run_id
        client.log_batch(run, params=[Param(name, str(value)) for name, value in settings.items()])
        metrics = [Metric(k, v, 1 + t, e) for t, (e, values) in enumerate(epochs) for k, v in values.items()]
        client.log_batch(run, metrics=metrics)
    return uri


@pytest.fixture
def settings():
    return {"width": 8, "train_size": None, "model": "vit", "teacher_id": "12e4", "measurement_epochs": (0, 2)}


def test_values_come_back_exactly_by_epoch_the_one_logged_last_and_none_where_there_was_none(store_folder, settings):
    epochs = [(0, {KEYS[0]: 1 / 3}), (2, {KEYS[0]: 0.1}), (2, {KEYS[0]: 0.25, KEYS[1]: math.inf, KEYS[2]: math.nan})]
    records = load_records("made", tracking_uri=fill(store_folder, [(settings, epochs)]))
    assert records.table["epoch"].tolist() == [0, 2]
    assert records.table[KEYS[0]].tolist() == [1 / 3, 0.25]  # epoch 2 was logged twice, by a trial that was resumed
    assert records.last[[*KEYS[1:]]].isna().all(axis=None) and set(records.metrics) == set(KEYS)
    row = records.last.iloc[0]
    assert (row["width"], row["model"], row["measurement_epochs"]) == (8, "vit", (0, 2))
    assert (row["trial_id"], row["teacher_id"]) == ("0000", "12e4") and row["train_size"] is None
    with pytest.raises(RecordError, match="the trials of made have no frequency/within_class, other/metric$"):
        records.need(KEYS[0], KEYS[1], "other/metric")


def test_requests_grow_with_metrics_and_hundreds_of_trials_not_with_trials(store_folder, monkeypatch, settings):
    trials = [(settings, [(e, dict.fromkeys(KEYS, i + e / 10)) for e in range(3)]) for i in range(7)]
    uri = fill(store_folder, trials)
    monkeypatch.setattr(module, "TOGETHER", 3)
    asked = []
    whole = module._history
    monkeypatch.setattr(module, "_history", lambda *arguments: asked.append(1) or whole(*arguments))
    table = load_records("made", tracking_uri=uri).table
    assert len(asked) == len(KEYS) * math.ceil(7 / 3)
    assert table[KEYS[1]].tolist() == [i + e / 10 for i in range(7) for e in range(3)]


def test_an_answer_that_is_full_is_asked_for_in_halves(store_folder, monkeypatch, settings):
    trials = [(settings, [(e, {KEYS[0]: i + e / 10}) for e in range(4)]) for i in range(5)]
    uri = fill(store_folder, trials)
    monkeypatch.setattr(module, "POINTS", 7)  # of 20
    table = load_records("made", tracking_uri=uri).table
    assert table[KEYS[0]].tolist() == [i + e / 10 for i in range(5) for e in range(4)]


def test_reading_leaves_nothing_behind(store_folder, tmp_path, monkeypatch, settings):
    uri = fill(store_folder, [(settings, [(0, {KEYS[0]: 0.5})])])
    (empty := tmp_path / "empty").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(empty))
    load_records("made", tracking_uri=uri)
    assert [*empty.iterdir()] == []


def test_a_file_gives_back_the_table(store_folder, settings):
    other = settings | {"train_size": 100, "model": "1e3", "teacher_id": None}
    trials = [(each, [(0, {KEYS[0]: 1 / 3}), (1, {KEYS[0]: 0.1, KEYS[1]: 2e-300})]) for each in (settings, other)]
    records = load_records("made", tracking_uri=fill(store_folder, trials))
    write_records(records, store_folder / "records.csv")
    again = read_records(store_folder / "records.csv")
    pd.testing.assert_frame_equal(again.table, records.table)
    assert again.settings == records.settings and again.uri is None


def test_repeats_under_other_seeds_are_one_unit_and_the_seed_is_not_varied(store_folder, settings):
    trials = [
        (settings | {"width": w, "seed": s, "train_size": n, "teacher_id": f"t{s}"}, [(0, {KEYS[0]: 0.5})])
        for w, s, n in GRID
    ]
    records = load_records("made", tracking_uri=fill(store_folder, trials))
    assert records.varied == ["width", "train_size"]
    units = records.units.tolist()
    assert [units[i] == units[j] for i in range(4) for j in range(i)] == [True, False, False, False, False, True]


def test_runs_from_before_a_setting_existed_are_repeats_of_newer_ones(store_folder):
    newer = TrialConfig(seed=1).to_dict()
    older = {name: value for name, value in newer.items() if name != "measure_compile"} | {"seed": 0}
    trials = [(each, [(0, {KEYS[0]: 0.5})]) for each in (older, newer)]
    records = load_records("made", tracking_uri=fill(store_folder, trials))
    assert records.defaulted == ("measure_compile",) and records.units.nunique() == 1 and records.varied == []


GRID = ((8, 0, None), (8, 1, None), (16, 0, 100), (16, 1, 100))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trial_id,width\na,1\n", "no column epoch"),
        ("trial_id,epoch\n", "no rows"),
        ("trial_id,epoch\na,1\na,1\nb,1\n", "1 of 3 rows repeat a trial_id and epoch"),
        ("", "No columns to parse"),
        ("trial_id,epoch\na,1\na,\n", "every row needs a trial_id and a whole epoch"),
        ("trial_id,epoch\n,1\n", "every row needs a trial_id and a whole epoch"),
        ("trial_id,epoch,jacobian_norm\na,1,NA\n", "jacobian_norm is no number: 'NA'"),
    ],
)
def test_a_file_that_holds_no_records_is_said(tmp_path, text, said):
    file = tmp_path / "records.csv"
    file.write_text(text)
    with pytest.raises(RecordError, match=said):
        read_records(file)


def test_a_short_file_is_enough(tmp_path):
    file = tmp_path / "records.csv"
    file.write_text("trial_id,epoch,width,generalization/test_accuracy\n0012,1,8,0.5\n0013,1,16,nan\n")
    records = read_records(file)
    assert records.last["trial_id"].tolist() == ["0012", "0013"] == records.last["label"].tolist()
    assert records.varied == ["width"] and np.isnan(records.last[KEYS[0]].iloc[1])


def test_blanks_among_names_are_empty_and_a_label_is_the_trial(tmp_path):
    file = tmp_path / "records.csv"
    file.write_text("trial_id,epoch,label,study,intervention,search,sweep_id\na,1,,cifar,,grid,s\nb,1,B,,width,,\n")
    records = read_records(file)
    assert records.last["label"].tolist() == ["a", "B"] and records.last["intervention"].tolist() == ["", "width"]
    assert records.study == "cifar, " and records.sweep_id == "s, "
    records.refuse_selected()


def test_one_of_experiment_and_file_is_needed(tmp_path):
    for options in (Options(), Options(experiment="a", records=tmp_path / "b.csv")):
        with pytest.raises(RecordError, match="one of the two"):
            open_records(options)
    with pytest.raises(RecordError, match=r"b\.csv: .*No such file"):
        open_records(Options(records=tmp_path / "b.csv"))


def test_of_a_file_with_several_studies_one_is_taken(tmp_path):
    rows = "trial_id,epoch,study,width,part,left_out,a/x,b/y\n"
    rows += "1,2,cifar,8,training,1 failed,0.5,\n2,2,label_noise,None,,,,0.25\n"
    (tmp_path / "both.csv").write_text(rows)
    taken = open_records(Options(records=tmp_path / "both.csv", study="label_noise"))
    assert list(taken.last["trial_id"]) == ["2"] and taken.metrics == ["b/y"] and taken.settings == ["width"]
    assert taken.left_out == {} and Options(records=tmp_path / "both.csv", study="a").folder.name == "both-a"
    assert taken.last["width"].tolist() == [None]  # a value, where a part that cifar alone has is none
    for study, said in ((None, "cifar, label_noise: choose one by"), ("imagenet", "cifar, label_noise, none of")):
        with pytest.raises(RecordError, match=f"both.csv holds trials of {said}"):
            open_records(Options(records=tmp_path / "both.csv", study=study))
    with pytest.raises(RecordError, match="--study chooses in a file"):
        open_records(Options(experiment="there", study="cifar"))


def test_results_of_two_choices_never_share_a_folder():
    chosen = ({}, {"study": "a"}, {"sweep": "00e1"}, {"measure_version": 1}, {"measure_version": 2})
    folders = [Options(experiment="cifar", **each).folder.name for each in chosen]
    assert folders == ["cifar", "cifar-a", "cifar-00e1", "cifar-measure-1", "cifar-measure-2"]
    of_trial = DecomposeOptions(experiment="cifar", measure_version=2, trial="0a")
    assert of_trial.folder.name == "cifar-measure-2-trial-0a"
    assert str(DecomposeOptions(experiment="cifar", trial="0a", out=Path(".")).folder) == "."


def test_a_trial_that_failed_in_this_sweep_and_finished_in_another_is_finished(store_folder, settings):
    uri = fill(store_folder, [(settings, [(1, {KEYS[0]: 0.5})])])
    client = MlflowClient(uri)
    (run,) = client.search_runs(["1"], "tags.specbias.trial_id = '0000'")
    other = client.create_run("1", tags=run.data.tags | {"mlflow.parentRunId": "another"}).info.run_id
    client.log_metric(other, KEYS[0], 0.75, step=1)
    assert load_records("made", tracking_uri=uri).last[KEYS[0]].tolist() == [0.5]  # the sweep's own
    client.set_tag(run.info.run_id, "specbias.outcome", "failed")
    records = load_records("made", tracking_uri=uri)
    assert records.last["run_id"].tolist() == [other] and not records.left_out


def test_a_finished_trial_without_metrics_is_counted(store_folder, settings):
    uri = fill(store_folder, [(settings, [(1, {KEYS[0]: 0.5})]), (settings, [])])
    assert load_records("made", tracking_uri=uri).left_out == {"finished without metrics": 1}


def test_what_a_sweep_left_out_survives_its_file(store_folder, settings):
    records = load_records("made", tracking_uri=fill(store_folder, [(settings, [(1, {KEYS[0]: 0.5})])]))
    records.left_out.update({"stopped early": 20, "failed": 1})
    write_records(records, store_folder / "records.csv")
    again = read_records(store_folder / "records.csv")
    assert again.left_out == records.left_out and "left_out" not in again.table
    with pytest.raises(RecordError, match="20 of its trials were stopped early"):
        again.refuse_selected()


@pytest.mark.slow
def test_a_server_gives_the_same_table_as_its_data_base(store_folder, settings):
    trials = [(settings, [(e, {KEYS[0]: i + e / 10, KEYS[2]: 1 / 3}) for e in range(3)]) for i in range(4)]
    uri = fill(store_folder, trials)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    slim = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with open(store_folder / "log", "w") as log:
        server = subprocess.Popen(command, env=slim, stdout=log, stderr=log, start_new_session=True)
    try:
        end = time.monotonic() + 120
        while time.monotonic() < end and server.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).read()
                break
            except OSError:
                time.sleep(0.5)
        there = load_records("made", tracking_uri=f"http://127.0.0.1:{port}")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
    pd.testing.assert_frame_equal(there.table, load_records("made", tracking_uri=uri).table)
    assert there.url("r1").startswith(f"http://127.0.0.1:{port}/#/experiments/")

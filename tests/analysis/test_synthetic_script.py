"""The script on a store: what it prints, saves and attaches; arrays from records; refusals in one line."""

import json
from functools import partial

import numpy as np
import pytest
from mlflow import MlflowClient

from analysis.studies.trial import Trial
from analysis.synthetic import main
from analysis.tables.arrays import load_arrays
from analysis.tables.table import RecordError


def baseline():
    """A trial of two runs whose ten frequencies reach 1 one after the other."""
    steps, k = np.arange(0, 10_001, 1000), np.arange(5, 51, 5)
    amplitude = np.minimum(steps[None, :, None] / (200.0 * k), 1) * np.ones((2, 1, 1))
    curves = {name: amplitude.mean(axis=2) for name in ("loss", "spectral_bias")}
    looked = {"function": np.ones((2, 11, 8)), "spectral_norm": 1 + amplitude[:, :, :4]}
    grids = {"steps": steps, "measured_steps": steps, "frequencies": k, "inputs": np.linspace(0, 1, 8)[:, None]}
    arrays = {"amplitude": amplitude, "targets": np.zeros((2, 8)), **curves, **looked, **grids}
    return Trial("baseline", {"amplitudes": "equal", "width": 32}, arrays)


def fill(folder, trials, study="sinusoids"):
    """Write trials into a store as the service would."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment("made", artifact_location=f"{folder}/mlruns")
    tags = {"specbias.sweep_id": "made1", "specbias.search": "grid", "specbias.study": study, "specbias.opened": "1"}
    parent = client.create_run(experiment, tags=tags).info.run_id
    listed = [{"trial_id": t.label, "label": t.label, "intervention": "baseline"} for t in trials]
    client.log_dict(parent, {"trials": listed}, "sweep.json")
    ids = []
    for trial in trials:
        tags = {"mlflow.parentRunId": parent, "specbias.trial_id": trial.label, "specbias.outcome": "finished"}
        ids.append(client.create_run(experiment, tags=tags).info.run_id)
        for name, value in trial.settings.items():
            client.log_param(ids[-1], name, str(value))
        client.log_metric(ids[-1], "synthetic/loss", 1.0, step=100)
        for epoch in (100, 10_000):
            file = folder / f"epoch_{epoch:04d}.npz"
            np.savez(file, **trial.arrays | {"epoch": np.array(epoch)})
            client.log_artifact(ids[-1], str(file), "measurements")
    return client, parent, ids


@pytest.fixture
def call(run_script):
    return partial(run_script, main, "--full")


def test_the_script_prints_saves_and_attaches(store_folder, call):
    client, parent, (run_id,) = fill(store_folder, [baseline()])
    uri = f"sqlite:///{store_folder}/mlflow.db"
    assert load_arrays(run_id, tracking_uri=uri)["epoch"] == 10_000
    assert load_arrays(run_id, tracking_uri=uri, epoch=100)["epoch"] == 100
    with pytest.raises(RecordError, match="no arrays at epoch 7; there are: 100, 10000"):
        load_arrays(run_id, tracking_uri=uri, epoch=7)
    status, said, error = call("--experiment", "made", "--out", "here")
    assert status == 0, error
    assert "made1 of sinusoids: 1 trials" in said and "rho(k, T_0.5)" in said and ">= 0.94" in said
    figures = {f"{n}.{e}" for n in ("amplitudes", "curves", "functions", "spectral_norms") for e in ("png", "svg")}
    assert {path.name for path in (store_folder / "here").iterdir()} == figures | {"synthetic.json"}
    assert len(client.list_artifacts(parent, "analysis")) == len(figures) + 1
    content = json.loads((store_folder / "here" / "synthetic.json").read_text())
    assert content["study"] == "sinusoids" and content["claims"][0]["verdict"] == "met"


@pytest.mark.parametrize(
    ("study", "lost", "experiment", "said"),
    [
        ("sinusoids", None, "other", "error: there is no experiment 'other'"),
        ("cifar", None, "made", "error: 'made' is a sweep of 'cifar'; this analyses: sinusoids, "),
        ("sinusoids", "amplitude", "made", "error: trial 'baseline' has no array 'amplitude'"),
    ],
)
def test_what_cannot_be_analysed_is_one_line_and_status_2(store_folder, call, study, lost, experiment, said):
    trial = baseline()
    trial.arrays.pop(lost, None)
    fill(store_folder, [trial], study)
    status, _, error = call("--experiment", experiment)
    assert status == 2 and error.startswith(said) and error.count("\n") == 1, error
    assert not (store_folder / "figures").exists()

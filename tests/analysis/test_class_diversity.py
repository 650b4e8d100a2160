"""Class diversity on a store of planted networks: numbers, keys of the file, and what cannot be asked."""

import json
from functools import partial

import numpy as np
import pytest
from mlflow import MlflowClient

from analysis.class_diversity import main
from analysis.class_records import by_class
from specbias.config import TrialConfig
from specbias.data import load_data
from specbias.measure.diversity import MEASURES, PRIMARY, class_diversity

CLASSES, PATHS = 10, 4


def arrays_of(frequency, generator):
    """A measurement whose paths within class c have the mean frequency[c], about which they scatter."""
    label = np.repeat(np.arange(CLASSES), PATHS)
    noise = np.tile([-0.001, 0.001], CLASSES * PATHS // 2)
    return {
        "frequency/within_class/share": frequency[label] + noise,
        "frequency/within_class/distance": 10 + generator.random(len(label)),
        "frequency/within_class/first_class": label,
        "generalization/test_accuracy_per_class": generator.random(CLASSES),
    }


def fill(folder, planted, dataset="digits"):
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment("made", artifact_location=f"{folder}/mlruns")
    tags = {"specbias.sweep_id": "made1", "specbias.search": "grid", "specbias.study": "cifar", "specbias.opened": "1"}
    parent = client.create_run(experiment, tags=tags).info.run_id
    listed = [{"trial_id": f"t{i}", "label": f"net {i}", "intervention": "width"} for i in range(len(planted))]
    client.log_dict(parent, {"trials": listed}, "sweep.json")
    for i, arrays in enumerate(planted):
        tags = {"mlflow.parentRunId": parent, "specbias.trial_id": f"t{i}", "specbias.outcome": "finished"}
        run = client.create_run(experiment, tags=tags).info.run_id
        client.log_param(run, "dataset", dataset)
        client.log_metric(run, "frequency/within_class", arrays["frequency/within_class/share"].mean(), step=1)
        np.savez(folder / "epoch_0001.npz", **arrays)
        client.log_artifact(run, str(folder / "epoch_0001.npz"), "measurements")


@pytest.fixture
def call(run_script):
    return partial(run_script, main, "--experiment", "made", "--out", "here")


def test_a_planted_relation_is_found_and_the_file_holds_it(tmp_path, call):
    data = load_data(TrialConfig(dataset="digits"))
    diversity = class_diversity(data, data.train)[PRIMARY]
    generator = np.random.default_rng(0)
    orders = [diversity / 1e4, diversity**3 / 1e12, -diversity / 1e4 + 1]  # the third network the other way round
    fill(tmp_path, [arrays_of(order, generator) for order in orders])
    status, said, error = call()
    assert status == 0, error
    found = json.loads((tmp_path / "here" / "class_diversity.json").read_text())
    assert (found["n_classes"], found["primary"]) == (10, PRIMARY)
    assert [model["rho"] for model in found["models"]] == pytest.approx([1, 1, -1])
    assert found["pooled"]["rho"] == pytest.approx(1 / 3) and found["pooled"]["interval"] is None
    assert found["pooled"]["p_class_permutation"] < 0.01  # no other order of the classes is as far from 0 but few
    assert set(found["models"][0]) == {"label", "rho", "interval", "partial_rho"}
    assert set(found["classes"]) >= {"names", "frequency", "accuracy", *found["by_definition"]}
    claim = found["claims"][0]
    assert (claim["verdict"], claim["n"]) == ("held", 10) and "no mixed model: 10 classes" in said
    assert {path.name for path in (tmp_path / "here").glob("*.png")} == {"class_diversity.png"}  # of 1 and -1 no forest


def test_without_a_relation_ten_classes_decide_nothing(tmp_path, call):
    generator = np.random.default_rng(3)
    fill(tmp_path, [arrays_of(generator.random(CLASSES), generator) for _ in range(2)])
    status, said, error = call()
    assert status == 0, error
    found = json.loads((tmp_path / "here" / "class_diversity.json").read_text())
    assert found["claims"][0]["verdict"] == "undecided" and found["pooled"]["p_class_permutation"] > 0.05


def test_networks_that_do_not_vary_are_said_to_be_undefined(tmp_path, call):
    fill(tmp_path, [arrays_of(np.zeros(CLASSES), np.random.default_rng(4)) for _ in range(2)])
    status, said, error = call()
    assert status == 0 and said.count("undefined: every network") == len(MEASURES) and "nan [" not in said, error
    found = json.loads((tmp_path / "here" / "class_diversity.json").read_text())
    assert found["claims"][0]["verdict"] == "undefined" and found["pooled"]["rho"] is None


def test_a_class_is_the_mean_over_its_paths_and_missing_where_it_has_none():
    arrays = arrays_of(np.arange(CLASSES) / 100, np.random.default_rng(1))
    kept = arrays["frequency/within_class/first_class"] != 7
    arrays |= {name: array[kept] for name, array in arrays.items() if "within_class" in name}
    share, accuracy, length = by_class(arrays)
    assert np.delete(share, 7) == pytest.approx(np.delete(np.arange(CLASSES) / 100, 7), abs=1e-12)
    assert (
        np.isnan([share[7], length[7]]).all() and (accuracy == arrays["generalization/test_accuracy_per_class"]).all()
    )
    assert length[3] == pytest.approx(arrays["frequency/within_class/distance"][12:16].mean())


def test_another_data_set_is_said_in_one_line(tmp_path, call):
    fill(tmp_path, [arrays_of(np.arange(CLASSES) / 100, np.random.default_rng(2))], dataset="imagefolder:there")
    status, _, error = call()
    assert status == 2 and error.count("\n") == 1
    assert (
        "classes are compared within one data set of cifar10, cifar100, digits, leaves; here it is imagefolder:there"
        in error
    )

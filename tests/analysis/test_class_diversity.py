"""Class diversity on a store of planted networks: numbers, keys of the file, and what cannot be asked."""

import json
import re
import types
from functools import partial

import numpy as np
import pytest
import torch
from matplotlib.image import AxesImage
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from analysis.class_diversity import class_diversity as class_diversity_of
from analysis.class_diversity import main
from analysis.findings import plain
from analysis.tables.class_records import load_classes
from analysis.tables.options import Options
from analysis.tables.paths_by_class import by_class
from analysis.tables.records import open_records
from specbias.data import load_data
from specbias.measurement.diversity import MEASURES, PRIMARY, class_diversity
from specbias.settings.config import TrialConfig

CLASSES, PATHS = 10, 4


def arrays_of(frequency, generator):
    """A measurement whose paths within class c have the mean frequency[c], about which they scatter."""
    label = np.repeat(np.arange(CLASSES), PATHS)
    noise = np.tile([-0.001, 0.001], CLASSES * PATHS // 2)
    return {
        "frequency/within_class/share": 1 - frequency[label] - noise,  # that it steps may turn a relation round
        "frequency/within_class/fixed_band": frequency[label] + noise,
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
    return partial(run_script, main, "--experiment", "made", "--out", "here", "--full")


def test_a_planted_relation_is_found_and_the_file_holds_it(store_folder, call):
    data = load_data(TrialConfig(dataset="digits"))
    diversity = class_diversity(data, data.train)[PRIMARY]
    generator = np.random.default_rng(0)
    orders = [diversity / 1e4, diversity**3 / 1e12, -diversity / 1e4 + 1]  # the third network the other way round
    fill(store_folder, [arrays_of(order, generator) for order in orders])
    status, said, error = call()
    assert status == 0, error
    found = json.loads((store_folder / "here" / "class_diversity.json").read_text())
    assert (found["n_classes"], found["primary"]) == (10, PRIMARY)
    assert [model["rho"] for model in found["models"]] == pytest.approx([1, 1, -1])
    assert found["released"]["rho"] == pytest.approx(-found["pooled"]["rho"])  # beside it, and not the claim's
    assert found["pooled"]["rho"] == pytest.approx(1 / 3) and found["pooled"]["interval"] is None
    assert found["pooled"]["p_class_permutation"] < 0.01  # no other order of the classes is as far from 0 but few
    assert set(found["models"][0]) >= {"label", "rho", "interval", "p_class_permutation", "partial_rho"}
    assert set(found["classes"]) >= {"names", "frequency", "accuracy", "path_length", *found["by_definition"]}
    claim = found["claims"][0]
    assert (claim["verdict"], claim["n"]) == ("held", 10) and "no mixed model: 10 classes" in said
    assert {path.stem for path in (store_folder / "here").glob("*.png")} == {
        "class_diversity",
        "class_diversity_forest",
    }


@pytest.mark.slow
def test_without_a_relation_ten_classes_decide_nothing(store_folder, call):
    generator = np.random.default_rng(3)
    fill(store_folder, [arrays_of(generator.random(CLASSES), generator) for _ in range(2)])
    status, said, error = call()
    assert status == 0, error
    found = json.loads((store_folder / "here" / "class_diversity.json").read_text())
    assert found["claims"][0]["verdict"] == "undecided" and found["pooled"]["p_class_permutation"] > 0.05
    words = r"about \d+ more classes would decide it|too near 0 to be decided by more classes"
    assert re.search(words, found["claims"][0]["note"])


@pytest.mark.slow
def test_networks_that_do_not_vary_are_said_to_be_undefined(store_folder, call):
    fill(store_folder, [arrays_of(np.zeros(CLASSES), np.random.default_rng(4)) for _ in range(2)])
    status, said, error = call()
    assert status == 0 and said.count("undefined: every network") == len(MEASURES) + 1 and "nan [" not in said, error
    found = json.loads((store_folder / "here" / "class_diversity.json").read_text())
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


def test_paths_without_a_share_above_the_band_are_counted(store_folder):
    arrays = arrays_of(np.arange(CLASSES) / 100, np.random.default_rng(6)) | {"frequency/measure_version": np.array(2)}
    short = arrays | {"frequency/within_class/fixed_band": arrays["frequency/within_class/fixed_band"].copy()}
    short["frequency/within_class/fixed_band"][[4, 20, 21]] = np.nan
    fill(store_folder, [short, arrays])
    found = load_classes(
        open_records(Options(experiment="made", tracking_uri=f"sqlite:///{store_folder}/mlflow.db")), None
    )
    assert [note for note in found.notes if "band" in note] == [
        "net 0: paths too short for the band (or of samples too far apart), in the released share alone: "
        "1 (1 of 4), 5 (2 of 4)"
    ]


def test_a_network_whose_every_path_is_too_short_is_refused_with_the_lengths(store_folder, call):
    arrays = arrays_of(np.full(CLASSES, np.nan), np.random.default_rng(7)) | {"frequency/measure_version": np.array(2)}
    arrays["frequency/within_class/share"] = np.full(CLASSES * PATHS, 0.1)
    fill(store_folder, [arrays])
    status, _, error = call()
    assert status == 2 and error.count("\n") == 1
    assert re.search(r"no path within classes of net 0 tells what is above band=.* 10\.\d to 10\.\d units long", error)


def test_another_data_set_is_said_in_one_line(store_folder, call):
    fill(store_folder, [arrays_of(np.arange(CLASSES) / 100, np.random.default_rng(2))], dataset="imagefolder:there")
    status, _, error = call()
    assert status == 2 and error.count("\n") == 1
    assert (
        "classes are compared within one data set of cifar10, cifar100, digits" in error
        and "; here it is imagefolder:there" in error
    )


WITHIN = "frequency/within_class"


@pytest.fixture
def rows(class_table):
    """The records of two networks whose frequency is planted in 30 classes, and measured with an error."""
    generator = np.random.default_rng(5)
    known = generator.random(30)
    error = {f"{WITHIN}/standard_error": np.full(30, 0.1)}
    networks = [({"model": name}, error | {WITHIN: known + 0.1 * generator.random(30)}) for name in ("vit", "vgg")]
    return class_table(networks, {"total_variance": known, "vendi": known[::-1]})


def found_in(tmp_path):
    return json.loads((tmp_path / "here" / "class_diversity.json").read_text())


def test_rows_of_a_file_are_classes_and_what_is_missing_is_said(tmp_path, rows, run_script):
    lost = rows[(rows["epoch"] != 17) | (rows["model"] != "vgg")]
    lost.to_csv(tmp_path / "made.csv", index=False)
    status, said, error = run_script(main, "--records", "made.csv", "--out", "here", "--full")
    assert status == 0, error
    found = found_in(tmp_path)
    claim = found["claims"][0]
    assert (claim["verdict"], claim["n"], claim["trials"]) == ("held", 29, "2 networks, 29 classes")
    assert (
        "left out: 1 of 30 classes, a value of which is missing" in said
        and "vgg: 1 of 30 classes without frequency" in said
    )
    assert "6 trials of part=frequency (4), part=diversity (2)" in said and "mixed model, frequency per" in said
    by = lost.pivot(index="model", columns="epoch", values=WITHIN)
    share = np.median([0.1**2 / by.loc[name].var(ddof=0) for name in ("vit", "vgg")])
    assert f"error of measurement, over a class's pairs: {share:.0%} of the variance" in said
    assert {path.name for path in (tmp_path / "here").glob("*.svg")} == {
        "class_diversity.svg",
        "class_diversity_forest.svg",
    }


@pytest.mark.slow
def test_rows_of_a_store_are_read_like_those_of_a_file(store_folder, rows, call, as_records):
    client = MlflowClient(f"sqlite:///{store_folder}/mlflow.db")
    experiment = client.create_experiment("made", artifact_location=f"{store_folder}/mlruns")
    tags = {"specbias.sweep_id": "made1", "specbias.search": "grid", "specbias.study": "imagenet"}
    parent = client.create_run(experiment, tags=tags | {"specbias.opened": "1"}).info.run_id
    trials = dict(iter(rows.groupby("trial_id", sort=False)))
    listed = [{"trial_id": name, "label": name, "intervention": "model"} for name in trials]
    client.log_dict(parent, {"trials": listed}, "sweep.json")
    for name, own in trials.items():
        tags = {"mlflow.parentRunId": parent, "specbias.trial_id": name, "specbias.outcome": "finished"}
        run = client.create_run(experiment, tags=tags).info.run_id
        metrics = [column for column in own if "/" in column and own[column].notna().all()]
        points = [Metric(key, row[key], 1, row["epoch"]) for _, row in own.iterrows() for key in metrics]
        settings = ("part", "shard", "shards", "dataset", "model", "seed")
        client.log_batch(run, metrics=points, params=[Param(key, str(own[key].iloc[0])) for key in settings])
    status, said, error = call()
    assert status == 0 and "attached to the parent run" in said, error
    in_file = plain(class_diversity_of(as_records(rows)).numbers)
    found = found_in(store_folder)
    assert {key: found[key] for key in in_file} == in_file and len(found["models"]) == 2


@pytest.mark.slow
def test_pictures_of_the_extreme_classes_are_drawn_and_one_that_cannot_be_read_is_said(rows, as_records, monkeypatch):
    asked = []

    def images(split, label, most):
        asked.append((split, label))
        if label == missing:
            raise OSError("img_0.jpg: truncated")
        return torch.zeros(most, 3, 4, 4, dtype=torch.uint8)

    known = types.SimpleNamespace(
        ids=[], classes_id=None, names=[f"name {label}, alias" for label in range(30)], images=images
    )
    monkeypatch.setattr("specbias.data.open_classes", lambda *_: known)
    diversity = rows[rows["part"] == "diversity"].set_index("epoch")["diversity/total_variance"]
    order, missing = diversity.sort_values().index, None
    found = class_diversity_of(as_records(rows))
    assert asked == [("train", label) for label in [*order[:-4:-1], *order[:3]]]
    assert len(found.figures["class_diversity"].findobj(AxesImage)) == 6 and not found.notes[-1].startswith("no pict")
    missing = order[0]
    found = class_diversity_of(as_records(rows))
    assert found.notes[-1] == "no pictures of classes: img_0.jpg: truncated"
    assert not found.figures["class_diversity"].findobj(AxesImage)


def test_too_few_classes_are_said_in_one_line(tmp_path, rows, run_script):
    rows[rows["epoch"] < 3].to_csv(tmp_path / "some.csv", index=False)
    status, _, error = run_script(main, "--records", "some.csv", "--out", "here")
    assert status == 2 and error.count("\n") == 1
    assert "some.csv: 3 classes without a missing value; at least 5 needed; classes have their numbers" in error

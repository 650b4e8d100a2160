"""A small real sweep on the digits: settings less the baseline, a trial from epoch to epoch, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot as plt
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from analysis.decompose import decompose, main
from analysis.export import main as export
from analysis.tables.records import load_records
from analysis.tables.table import RecordError
from specbias.measurement.frequency import KINDS
from specbias.settings.config import TrialConfig
from specbias.training.check import complete_config
from specbias.trials.trial import run_trial

pytestmark = pytest.mark.slow  # seven trainings
SETTINGS = (
    {},
    {"seed": 1},
    {"cutout": 4},
    {"cutout": 4, "seed": 1},
    {"epochs": 1},
    {"mixup": 0.4, "seed": 7},
    {"probe_seed": 5},
)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory, empty_store):
    """The store of a sweep whose trials are real, and its folder; measured at epochs 0, 1 and 2."""
    folder = tmp_path_factory.mktemp("sweep")
    uri = empty_store(folder)
    client = MlflowClient(uri)
    experiment = client.create_experiment("made", artifact_location=f"{folder}/mlruns")
    tags = {"specbias.sweep_id": "00e1", "specbias.search": "grid", "specbias.study": "cifar", "specbias.opened": "1"}
    parent = client.create_run(experiment, tags=tags).info.run_id
    usual = {"dataset": "digits", "model": "small_cnn", "width": 4, "epochs": 2, "train_size": 300, "batch_size": 10}
    usual |= {"probe_pairs": 3, "spacing": 3.0, "threads": 1}
    listed = []
    for number, changed in enumerate(SETTINGS):
        config = complete_config(TrialConfig(**usual | changed))
        named = [name for name in changed if name != "seed"]
        trial = {"trial_id": f"{number:04d}", "label": f"trial {number}"}
        listed.append(trial | {"intervention": named[0] if named else "baseline"})
        own = {"mlflow.parentRunId": parent, "specbias.trial_id": f"{number:04d}", "specbias.outcome": "finished"}
        run = client.create_run(experiment, tags=own).info.run_id
        client.log_batch(run, params=[Param(name, str(value)) for name, value in config.to_dict().items()])
        for _, found in run_trial(config):
            client.log_batch(run, metrics=[Metric(k, v, 1, found.step) for k, v in found.metrics.items()])
            file = folder / f"epoch_{found.step:04d}.npz"
            np.savez(file, **found.arrays)
            client.log_artifact(run, str(file), "measurements")
    client.log_dict(parent, {"trials": listed}, "sweep.json")
    return uri, parent


def test_settings_are_compared_with_the_baseline_and_a_trial_with_itself_before(sweep):
    records = load_records("made", tracking_uri=sweep[0])
    found = decompose(records)
    rows = {each["name"]: each for each in found.numbers["comparisons"]}
    assert [*rows] == ["cutout=4", "epochs=1", "epoch 0 to 1", "epoch 1 to 2"]
    last = records.last.set_index("trial_id")
    for kind in KINDS:
        metric = f"frequency/{kind}"
        means = last.loc["0002":"0003", metric].mean() - last.loc["0000":"0001", metric].mean()
        cutout = rows["cutout=4"]["parts"][kind]["high_frequency_share"]
        assert abs(cutout.composition.statistic + cutout.rates.statistic - means) < 1e-12
        assert len(cutout.of_pairs) == 2 == rows["cutout=4"]["pairs"]
        for scalar in rows["cutout=4"]["parts"][kind]:
            for row in rows.values():
                whole, composition, rates = row["parts"][kind][scalar].both
                assert abs(composition.statistic + rates.statistic - whole.statistic) < 1e-12
        steps = [rows[name]["parts"][kind]["mirror"].whole.statistic for name in ("epoch 0 to 1", "epoch 1 to 2")]
        own = records.table[records.table["trial_id"] == "0000"].sort_values("epoch")[f"{metric}/mirror"]
        assert sum(steps) == pytest.approx(own.iloc[-1] - own.iloc[0], abs=1e-12)
    assert found.notes[-1].startswith("probe_seed=5: not compared")  # and no mean that could not be decomposed
    said = "\n".join(found.notes)
    assert "mixup=0.4: not compared: no trial of a seed of baseline" in said
    assert "probe_seed=5: not compared: baseline, seed 0 and probe_seed=5, seed 0 were measured on different" in said
    assert {claim.trials for claim in found.claims} == {"slopes over settings"} and len(found.claims) == 8
    assert {*found.figures} == {
        f"decompose_{each}" for each in ("high_frequency_share", "fixed_band", "mirror", "training")
    }
    plt.close("all")


def test_the_script_prints_saves_and_attaches_and_says_what_it_cannot_do(sweep, run_script, tmp_path):
    uri, parent = sweep
    status, said, _ = run_script(main, "--experiment", "made", "--trial", "0002", "--out", "here", "--full", uri=uri)
    assert status == 0 and "epochs of trial 2 less the one before" in said and "nan" not in said
    content = json.loads((tmp_path / "here" / "decompose.json").read_text())
    assert content["along"] == "trial 2" and len(content["comparisons"]) == 4
    attached = {file.path for file in MlflowClient(uri).list_artifacts(parent, "analysis")}
    assert {"analysis/decompose.json", "analysis/decompose_mirror.png"} <= attached
    status, _, said = run_script(main, "--experiment", "made", "--trial", "9", uri=uri)
    assert status == 2 and said.startswith("error: --trial '9' begins the id of 0 trials; there are: 0000 (trial 0), ")
    assert said.count("\n") == 1


def test_a_file_of_records_with_arrays_beside_it_is_decomposed_as_the_sweep_itself(sweep, run_script, tmp_path):
    uri, _ = sweep
    status, _, error = run_script(main, "--experiment", "made", "--out", "whole", uri=uri)
    assert status == 0, error
    assert run_script(export, "--experiment", "made", "--out", "records.csv", uri=uri)[0] == 0
    status, _, said = run_script(main, "--records", "records.csv", uri="")
    assert status == 2 and said.startswith("error: records.csv is a file of scalars, and this needs arrays: read it")
    status, said, error = run_script(export, "--experiment", "made", "--out", "records.csv", "--arrays", uri=uri)
    assert status == 0 and "records.npz: the arrays of " in said, error
    status, _, error = run_script(main, "--records", "records.csv", "--out", "again", uri="")
    assert status == 0, error
    whole, again = (json.loads((tmp_path / name / "decompose.json").read_text()) for name in ("whole", "again"))
    assert [each["name"] for each in whole["comparisons"]] == [each["name"] for each in again["comparisons"]]
    for first, other in zip(whole["comparisons"], again["comparisons"], strict=True):
        for kind, parts in other["parts"].items():
            assert "mirror" in parts and "mean_frequency" not in parts
            for scalar, part in parts.items():
                expected = first["parts"][kind][scalar]
                for which in ("whole", "composition", "rates"):  # each path's value is rounded to half precision
                    assert part[which]["statistic"] == pytest.approx(expected[which]["statistic"], rel=1e-3, abs=5e-5)


def test_a_sweep_in_which_nothing_can_be_compared_is_refused(sweep):
    records = load_records("made", tracking_uri=sweep[0])
    alone = records.table[(records.table["trial_id"] == "0000") & (records.table["epoch"] == 2)]
    with pytest.raises(RecordError, match="made: nothing to compare"):
        decompose(replace(records, table=alone))

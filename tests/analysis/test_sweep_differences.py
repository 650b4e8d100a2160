"""A sweep some of whose arrays are gone: what is compared, with what, on which seeds, and what is left out is noted."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from analysis.decompose import decompose
from analysis.tables.records import load_records
from analysis.tables.table import RecordError
from specbias.measurement.frequency import KINDS
from tests.analysis.test_decompose import RATES, measured, without_band

BASE = ({"seed": 0}, {"seed": 1})
CUTOUT = ({"seed": 0, "cutout": 4}, {"seed": 1, "cutout": 4})


@pytest.fixture
def sweep(tmp_path, empty_store):
    """Make the records of a sweep of (settings, arrays); None: they are gone."""

    def make(*trials):
        uri = empty_store(tmp_path)
        client = MlflowClient(uri)
        experiment = client.create_experiment("made", artifact_location=f"{tmp_path}/mlruns")
        tags = {"specbias.sweep_id": "00e1", "specbias.search": "grid", "specbias.study": "cifar"}
        parent = client.create_run(experiment, tags=tags | {"specbias.opened": "1"}).info.run_id
        listed = []
        for number, (changed, arrays) in enumerate(trials):
            name = "baseline" if "cutout" not in changed else "cutout"
            listed.append({"trial_id": f"t{number}", "label": f"trial {number}", "intervention": name})
            own = {"mlflow.parentRunId": parent, "specbias.trial_id": f"t{number}", "specbias.outcome": "finished"}
            run = client.create_run(experiment, tags=own).info.run_id
            settings = {"dataset": "digits", "model": "small_cnn", "cutout": 0} | changed
            metrics = [*(f"frequency/{kind}" for kind in KINDS), "generalization/test_accuracy"]
            client.log_batch(
                run,
                params=[Param(key, str(value)) for key, value in settings.items()],
                metrics=[Metric(key, 0.5, 1, 2) for key in metrics],
            )
            if arrays is not None:
                np.savez(tmp_path / "epoch_0002.npz", **arrays)
                client.log_artifact(run, str(tmp_path / "epoch_0002.npz"), "measurements")
        client.log_dict(parent, {"trials": listed}, "sweep.json")
        return load_records("made", tracking_uri=uri)

    yield make
    plt.close("all")


def test_without_the_baselines_arrays_nothing_else_becomes_the_reference(sweep):
    records = sweep(*((each, None) for each in BASE), *((each, measured()) for each in CUTOUT))
    with pytest.raises(RecordError, match="made: the arrays of baseline are gone, from which the others are to differ"):
        decompose(records)


def test_what_is_gone_is_counted_and_a_setting_says_on_which_seeds_it_is_compared(sweep):
    cutout = measured(1.3 * RATES, seed=2)
    trials = [*zip(BASE, (measured(), measured(seed=1)), strict=True), (CUTOUT[0], cutout), (CUTOUT[1], None)]
    found = decompose(sweep(*trials, ({"seed": 0, "cutout": 8}, None)))
    (row,) = found.numbers["comparisons"]
    assert (row["name"], row["reference"], row["pairs"]) == ("cutout=4", "baseline", 1)
    assert "left out: 2 trials whose arrays are gone" in found.notes
    assert "cutout=8: not compared: its arrays are gone" in found.notes
    assert "cutout=4: seeds 0 of 0, 1" in found.notes


def test_where_all_is_there_nothing_is_noted_and_a_missing_mean_costs_its_figure_alone(sweep):
    trials = [*zip(BASE, (measured(), measured(seed=1)), strict=True)]
    trials += [(each, without_band(measured(seed=2), *KINDS)) for each in CUTOUT]
    found = decompose(sweep(*trials))
    assert not any("gone" in note or ": seeds" in note for note in found.notes)
    assert {*found.figures} == {*found.captions} == {"decompose_high_frequency_share", "decompose_mirror"}
    assert found.numbers["comparisons"][0]["pairs"] == 2 and found.tables

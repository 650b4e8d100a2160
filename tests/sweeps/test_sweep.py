"""Real sweeps: Ray Tune trials that land in MLflow, twice the same; reuse, failure, and the GPUs that trials get."""

import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from analysis.tables.records import RecordError, load_records
from specbias.settings import SettingError
from specbias.trials.trial import run_trial
from sweeps.cifar import STUDY
from sweeps.service.ask.options import Options
from sweeps.service.run.tuner import run_sweep

pytestmark = [pytest.mark.usefixtures("ray_with_two_gpus"), pytest.mark.slow]
TINY = ("epochs=2", "train_size=100", "width=4", "probe_pairs=1", "spacing=3.0", "device=cpu", "measurement_epochs=0,1")


def sweep(folder, *settings, study=STUDY, **options):
    """Run a sweep of seconds into its own store; two trials (a baseline and mixup) unless options say otherwise."""
    defaults = {"interventions": "mixup"} if "grid" not in options else {}
    defaults |= {"quick": True, "experiment": "tiny", "storage_path": str(folder / "ray")}
    defaults |= {"tracking_uri": f"sqlite:///{folder}/mlflow.db", "set": (*TINY, *settings)}
    return run_sweep(study, Options(**defaults | options))


def runs(folder):
    """All runs of the experiment: (parents, children)."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    found = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    parents = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    return client, parents, [run for run in found if run not in parents]


@pytest.fixture(scope="module")
def swept(tmp_path_factory, ray_with_two_gpus):
    """One sweep of two trials, for the tests that only look at it."""
    folder = tmp_path_factory.mktemp("swept")
    assert sweep(folder, gpus_per_trial="1") == 0
    return folder


def test_a_sweep_is_one_finished_parent_with_one_finished_child_per_trial(swept):
    _, (parent,), children = runs(swept)
    assert parent.info.status == "FINISHED"
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {parent.info.run_id}
    assert sorted(child.info.run_name for child in children) == ["baseline", "mixup=0.4"]
    assert {child.info.status for child in children} == {"FINISHED"}
    assert len({child.data.tags["specbias.trial_id"] for child in children}) == 2


def settings_of(run):
    """The trial's settings, from the params of its run, which also say by which version of the measure it was."""
    texts = {name: text.strip("[]").replace(" ", "") for name, text in run.data.params.items()}
    return {k: STUDY.kind.config_class.parse(k, text) for k, text in texts.items() if k != "measure_version"}


def test_a_child_holds_every_setting_every_measurement_and_its_arrays(swept, tmp_path):
    client, _, children = runs(swept)
    for child in children:
        config = STUDY.kind.config_class.from_dict(settings_of(child))
        assert child.data.params["measure_version"] == str(config.measure_version)
        assert config.trial_id == child.data.tags["specbias.trial_id"]
        expected: dict[str, dict[int, float]] = {}  # a network may have no path whose ends it predicts correctly
        for _, measurement in run_trial(config):  # the same trial without the service
            for key, value in measurement.metrics.items():
                expected.setdefault(key, {})[measurement.step] = value
            name = f"measurements/epoch_{measurement.step:04d}.npz"
            with np.load(client.download_artifacts(child.info.run_id, name, str(tmp_path))) as arrays:
                assert len(arrays) == len(measurement.arrays)
                for key, value in measurement.arrays.items():
                    np.testing.assert_array_equal(arrays[key], value, strict=True)
        assert expected == {
            key: {m.step: m.value for m in client.get_metric_history(child.info.run_id, key)} for key in expected
        }
        assert child.data.metrics.keys() == expected.keys()
        assert [*expected["generalization/test_accuracy"]] == [0, 1, 2]


def test_parent_and_children_say_with_what_code_versions_hardware_and_command(swept):
    client, (parent,), children = runs(swept)
    for run in (parent, *children):
        tags = run.data.tags
        for key in ("version.torch", "version.ray", "version.mlflow", "hardware.processor", "specbias.command_line"):
            assert tags[key]
        if (Path(__file__).parents[2] / ".git").exists():
            assert len(tags["mlflow.source.git.commit"]) == 40 and tags["specbias.git_dirty"] in ("True", "False")
    assert parent.data.params["epochs"] == "2"
    assert "sweep.json" in {file.path for file in client.list_artifacts(parent.info.run_id)}


def test_two_trials_at_once_get_two_gpus(swept):
    _, _, children = runs(swept)
    assert sorted(child.data.tags["hardware.gpu_ids"] for child in children) == ["0", "1"]


def test_the_same_sweep_into_another_store_gives_the_same_table(swept, tmp_path):
    assert sweep(tmp_path) == 0
    tables = [
        load_records("tiny", tracking_uri=f"sqlite:///{folder}/mlflow.db").table.drop(columns="run_id")
        for folder in (swept, tmp_path)
    ]
    first, second = (table.sort_values(["trial_id", "epoch"], ignore_index=True) for table in tables)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert len(first) == 6


def test_records_are_a_row_per_trial_and_epoch_with_typed_settings(swept):
    records = load_records("tiny", tracking_uri=f"sqlite:///{swept}/mlflow.db")
    table = records.table
    assert list(table.groupby("trial_id")["epoch"].apply(list)) == [[0, 1, 2]] * 2
    assert set(table["mixup"]) == {0.0, 0.4} and set(table["intervention"]) == {"baseline", "mixup"}
    assert table["width"].tolist() == [4] * 6 and set(table["search"]) == {"grid"}
    always = [name for name in records.metrics if not name.endswith("/ends_correct")]
    assert len(always) > 10 and not table[always].isna().any().any()
    with pytest.raises(RecordError, match="no experiment 'other' in .*; there are: .*'tiny'"):
        load_records("other", tracking_uri=f"sqlite:///{swept}/mlflow.db")
    with pytest.raises(RecordError, match="there is no MLflow store at"):
        load_records("tiny", tracking_uri=f"sqlite:///{swept}/none.db")


def test_a_rerun_reuses_what_is_finished_adds_what_is_missing_and_fresh_starts_anew(tmp_path, capsys):
    one = {"gpus_per_trial": "0"}
    store = f"sqlite:///{tmp_path}/mlflow.db"
    assert sweep(tmp_path, grid=("cutout=0",), **one) == 0
    capsys.readouterr()
    assert sweep(tmp_path, grid=("cutout=0",), **one) == 0
    assert "1 of them are finished already and reused" in capsys.readouterr().out
    assert [len(found) for found in runs(tmp_path)[1:]] == [1, 1]
    assert sweep(tmp_path, grid=("cutout=0,4",), **one) == 0
    assert "1 to run" in capsys.readouterr().out
    assert [len(found) for found in runs(tmp_path)[1:]] == [2, 2]
    assert sweep(tmp_path, grid=("cutout=0",), fresh=True, **one) == 0
    assert [len(found) for found in runs(tmp_path)[1:]] == [3, 3]
    client, parents, _ = runs(tmp_path)
    client.set_tag(parents[0].info.run_id, "specbias.outcome", "interrupted")
    assert sweep(tmp_path, grid=("cutout=0",), **one) == 0  # goes on with the fresh one, and with its trials alone
    assert [len(found) for found in runs(tmp_path)[1:]] == [3, 3]
    fresh = load_records("tiny", tracking_uri=store)
    assert fresh.table["trial_id"].nunique() == 1
    both = load_records("tiny", tracking_uri=store, sweep=fresh.other_sweeps[0])
    assert set(both.table["cutout"]) == {0, 4}  # the reused trial is read where it was run


def test_whatever_breaks_a_sweep_leaves_no_run_running(tmp_path, monkeypatch):
    def broken(self, *arguments, **info):
        raise RuntimeError("the driver's own mistake")

    monkeypatch.setattr("sweeps.service.run.progress.Progress.on_trial_result", broken)
    with pytest.raises(Exception, match="the driver's own mistake"):
        sweep(tmp_path, grid=("cutout=0",), gpus_per_trial="0")
    _, (parent,), (child,) = runs(tmp_path)
    assert parent.info.status == child.info.status == "FAILED"


def test_a_diverging_trial_is_failed_with_its_first_bad_step_and_the_sweep_goes_on(tmp_path, capsys):
    assert sweep(tmp_path, grid=("learning_rate=0.1,1e30",), gpus_per_trial="0") == 1
    out = capsys.readouterr().out
    assert "1 failed" in out and "Diverged: the loss is not finite from step" in out
    _, (parent,), children = runs(tmp_path)
    status = {child.data.params["learning_rate"]: child.info.status for child in children}
    assert status == {"0.1": "FINISHED", "1e+30": "FAILED"} and parent.info.status == "FAILED"
    failure = next(c.data.tags["specbias.failure"] for c in children if c.info.status == "FAILED")
    assert failure.startswith("Diverged: the loss is not finite from step")
    assert load_records("tiny", tracking_uri=f"sqlite:///{tmp_path}/mlflow.db").left_out == {"failed": 1}
    (traceback,) = (tmp_path / "mlruns").glob("*/*/artifacts/failure.txt")  # beside the data base
    assert "Traceback" in traceback.read_text()


def test_two_generations_run_in_waves_under_one_parent_each_taught_by_the_network_before(tmp_path):
    assert sweep(tmp_path, grid=("generation=2",), gpus_per_trial="0") == 0
    client, (parent,), children = runs(tmp_path)
    children.sort(key=lambda run: run.info.start_time)
    assert [run.data.params["generation"] for run in children] == ["0", "1", "2"]
    for teacher, student in itertools.pairwise(children):
        assert teacher.info.end_time <= student.info.start_time
        assert student.data.params["teacher_id"] == teacher.data.tags["specbias.trial_id"]
        settings = settings_of(student)
        folder = client.download_artifacts(teacher.info.run_id, "state", str(tmp_path))
        config = replace(
            STUDY.kind.config_class.from_dict(settings), teacher=folder
        )  # the same student without the service
        *_, (_, last) = run_trial(config)
        assert student.data.metrics == last.metrics


def test_a_finished_teacher_is_reused_or_trained_again_where_its_network_is_gone(tmp_path):
    assert sweep(tmp_path, grid=("cutout=0",), gpus_per_trial="0") == 0
    _, _, (teacher,) = runs(tmp_path)
    for share, kept in ((1, 2), (0.5, 4)):
        if share == 0.5:
            shutil.rmtree(tmp_path / "mlruns" / "tiny" / teacher.info.run_id / "artifacts" / "state")
        assert sweep(tmp_path, grid=("generation=1", f"distillation={share}"), gpus_per_trial="0") == 0
        assert len(runs(tmp_path)[2]) == kept


def test_a_student_whose_teacher_fails_is_not_started(tmp_path, capsys):
    assert sweep(tmp_path, grid=("learning_rate=1e30", "generation=1"), gpus_per_trial="0") == 1
    out = capsys.readouterr().out
    assert "1 failed, 1 not started" in out
    assert "not started: learning_rate=1e+30 generation=1: its teacher (learning_rate=1e+30) did not" in out
    assert [run.info.status for run in runs(tmp_path)[2]] == ["FAILED"]


def test_a_reserved_gpu_that_torch_cannot_use_is_refused_before_a_trial(tmp_path):
    with pytest.raises(SettingError, match="Ray reserves a GPU but torch .* cannot use it"):
        sweep(tmp_path, "device=cuda")
    assert list(tmp_path.iterdir()) == []


def test_what_set_says_wins_over_calibration_and_then_nothing_is_said_to_be_saved(tmp_path, capsys):
    kind = replace(STUDY.kind, calibrate=lambda config: ({"memory_format": "contiguous_format"}, 75.0))
    more = {"study": replace(STUDY, kind=kind), "calibrate": True, "gpus_per_trial": "0"}
    assert sweep(tmp_path, "memory_format=channels_last", **more) == 0
    _, _, children = runs(tmp_path)
    assert {child.data.params["memory_format"] for child in children} == {"channels_last"}
    assert "saved" not in capsys.readouterr().out


def test_calibration_is_done_once_and_the_same_for_all_trials(tmp_path, capsys):
    def calibrate(config):  # at once; what a real one times has tests of its own
        with (tmp_path / "asked").open("a") as file:
            file.write(f"{config.trial_id}\n")
        return {"precision": "float32", "memory_format": "contiguous_format"}, 75.0

    study = replace(STUDY, kind=replace(STUDY.kind, calibrate=calibrate))
    assert sweep(tmp_path, study=study, calibrate=True, gpus_per_trial="0") == 0
    said = capsys.readouterr().out
    assert "calibrated: precision=float32 memory_format=contiguous_format\n" in said
    assert "\nHow it measured saved about 2 min of computing, by what --calibrate timed for" in said  # 75 s, twice
    assert len((tmp_path / "asked").read_text().splitlines()) == 1
    _, _, children = runs(tmp_path)
    assert [child.data.params["memory_format"] for child in children] == ["contiguous_format"] * 2

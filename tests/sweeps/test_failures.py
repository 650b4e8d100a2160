"""Trials that die, hang, fill the disk or come back: each goes on from its journal, and is told as what it was."""

import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
import torch
from mlflow import MlflowClient

from analysis.table import read_records
from specbias.settings import SettingError, Settings
from sweeps.service.command_line import Options
from sweeps.service.study import Preset, Study
from sweeps.service.tuner import run_sweep

pytestmark = [pytest.mark.usefixtures("ray_with_two_gpus"), pytest.mark.slow]
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import a test


@dataclass(frozen=True)
class ToyConfig(Settings):
    """Adds up its epochs; once, in the one that is said, it meets with a trouble."""

    epochs: int = 4
    trouble: str = "none"
    at: int = 2
    folder: str = ""  # where it notes what it did
    seed: int = 0
    device: str = "cpu"


class ToyState:
    def __init__(self, epoch=0, total=0):
        self.epoch, self.total = epoch, total

    def save(self, folder):
        (Path(folder) / "state.json").write_text(json.dumps([self.epoch, self.total]))


def run(config, checkpoint):
    state = ToyState(*json.loads((Path(checkpoint) / "state.json").read_text())) if checkpoint else ToyState()
    noted = Path(config.folder) / config.trial_id
    for epoch in range(state.epoch + 1, config.epochs + 1):
        with noted.open("a") as file:
            file.write(f"{epoch}\n")
        if epoch == config.at and noted.read_text().split().count(str(epoch)) == 1:
            TROUBLES[config.trouble](config)
        state = ToyState(epoch, state.total + epoch)
        yield state, SimpleNamespace(epoch=epoch, metrics={"total": float(state.total)}, arrays={})


def fill_the_disk(config):
    raise OSError(28, "No space left on device")


def need_more_memory(config):
    raise torch.OutOfMemoryError("CUDA out of memory")


TROUBLES = {
    "none": lambda config: None,
    "die": lambda config: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda config: time.sleep(3600),
    "disk": fill_the_disk,
    "memory": need_more_memory,
}
STUDY = Study(
    name="toy",
    question="None.",
    config_class=ToyConfig,
    run=run,
    complete=lambda config: config,
    check=lambda config: None,
    prepare=lambda config: None,
    presets={"quick": Preset({}, lambda base: {})},
    choose_preset=lambda gpus: "quick",
    analysis=None,
    columns={"total": "total"},
    seconds=lambda config: 1.0,
    objective={"total": "max"},
    searchable=("total",),
    calibrate=lambda config: {},
    execution=lambda device, threads: {"device": "cpu"},
)


def sweep(folder, store, *grid, **options):
    """Run a sweep of the toy on CPUs; return its status, and by trouble what MLflow holds: status, totals, failure."""
    options = {"gpus_per_trial": "0"} | options | {"grid": grid, "set": (f"folder={folder}",)}
    status = run_sweep(STUDY, Options(tracking_uri=store, storage_path=str(folder / "ray"), **options))
    held = {}
    for run in runs(store):
        if "mlflow.parentRunId" in run.data.tags:
            totals = [m.value for m in MlflowClient(store).get_metric_history(run.info.run_id, "total")]
            trouble, at = run.data.params["trouble"], int(run.data.params["at"])
            assert (trouble, at) not in held  # one run per trial
            held[trouble, at] = (run.info.status, totals, run.data.tags.get("specbias.failure", ""))
    return status, held


def runs(store):
    client = MlflowClient(store)
    return client.search_runs([client.get_experiment_by_name("toy-quick").experiment_id])


def sweep_status(store):
    return [run.info.status for run in runs(store) if "mlflow.parentRunId" not in run.data.tags]


def epochs_run(folder):
    return sorted(Path(file).read_text().split() for file in folder.iterdir() if len(file.name) == 12)


WHOLE = ("FINISHED", [1.0, 3.0, 6.0, 10.0], "")


def test_a_trial_whose_process_dies_or_hangs_is_taken_up_where_it_was(tmp_path, empty_store):
    status, held = sweep(tmp_path, empty_store(tmp_path), "trouble=none,die,hang", trial_timeout=5 / 3600)
    assert status == 0 and held == {(trouble, 2): WHOLE for trouble in ("none", "die", "hang")}
    assert epochs_run(tmp_path) == [["1", "2", "2", "3", "4"], ["1", "2", "2", "3", "4"], ["1", "2", "3", "4"]]


def test_a_trial_that_dies_each_time_is_failed_and_the_others_go_on(tmp_path, empty_store, capsys):
    status, held = sweep(tmp_path, empty_store(tmp_path), "trouble=none,die", max_failures=0)
    assert status == 1 and held["none", 2] == WHOLE
    assert held["die", 2][:2] == ("FAILED", [1.0]) and "its process died, 1 times" in held["die", 2][2]
    assert "trouble=die: failed: it could not be run, or its process died" in capsys.readouterr().out


def test_a_full_disk_fails_the_trial_and_the_next_call_goes_on_where_it_was(tmp_path, empty_store, capsys):
    store = empty_store(tmp_path)
    status, held = sweep(tmp_path, store, "trouble=disk")
    assert status == 1 and held["disk", 2][:2] == ("FAILED", [1.0]) and "No space left on device" in held["disk", 2][2]
    status, held = sweep(tmp_path, store, "trouble=disk")
    assert status == 0 and held["disk", 2] == WHOLE
    assert epochs_run(tmp_path) == [["1", "2", "2", "3", "4"]]
    assert not list((tmp_path / "ray").iterdir())


def test_so_many_trials_are_begun_as_asked_and_resume_begins_the_others(tmp_path, empty_store, capsys):
    store, grid = empty_store(tmp_path), ("trouble=none", "at=1,2,3")
    status, held = sweep(tmp_path, store, *grid, max_trials=1)
    assert status == 3 and held == {("none", 1): WHOLE}
    said = capsys.readouterr().out
    assert "1 finished, 2 not begun" in said and sweep_status(store) == ["KILLED"]
    sweep_id = said.split("--resume ")[1].split()[0]
    with pytest.raises(SettingError, match=f"--resume {sweep_id}: these settings make another sweep, .*that one was"):
        sweep(tmp_path, store, "trouble=none", resume=sweep_id)
    with pytest.raises(SettingError, match=f"--resume x: no such sweep in experiment toy-quick; there are: {sweep_id}"):
        sweep(tmp_path, store, *grid, resume="x")
    status, held = sweep(tmp_path, store, *grid, resume=sweep_id)
    assert status == 0 and list(held.values()) == [WHOLE] * 3 and sweep_status(store) == ["FINISHED"]


def test_a_budget_of_time_stops_trials_where_they_are(tmp_path, empty_store):
    store = empty_store(tmp_path)
    status, held = sweep(tmp_path, store, "trouble=none,hang", time_budget=25 / 3600)
    assert status == 3 and held == {("none", 2): WHOLE, ("hang", 2): ("KILLED", [1.0], "")}
    status, held = sweep(tmp_path, store, "trouble=none,hang")
    assert status == 0 and held["hang", 2] == WHOLE and sweep_status(store) == ["FINISHED"]
    assert epochs_run(tmp_path) == [["1", "2", "2", "3", "4"], ["1", "2", "3", "4"]]


def test_a_trial_that_a_share_of_a_gpu_is_too_small_for_runs_again_with_fewer_neighbours(tmp_path, empty_store, capsys):
    status, held = sweep(tmp_path, empty_store(tmp_path), "trouble=memory", gpus_per_trial="0.25")
    assert status == 0 and held == {("memory", 2): WHOLE}
    assert "trouble=memory: out of memory; it runs again with 0.5 of a GPU" in capsys.readouterr().out
    (tmp_path / "whole").mkdir()
    status, held = sweep(tmp_path / "whole", empty_store(tmp_path / "whole"), "trouble=memory", gpus_per_trial="1")
    assert status == 1 and held["memory", 2][2] == "OutOfMemoryError: CUDA out of memory"


def test_a_study_is_run_in_blocks_on_machines_that_share_only_a_file_of_records(tmp_path, empty_store, capsys):
    grid, file = ("trouble=none", "at=1,2,3"), str(tmp_path / "records.csv")
    for number, (most, status) in enumerate([(1, 3), (1, 3), (None, 0)]):
        (tmp_path / str(number)).mkdir()
        store = empty_store(tmp_path / str(number))
        assert sweep(tmp_path, store, *grid, records=file, max_trials=most)[0] == status
    table = read_records(Path(file)).table
    assert sorted(zip(table["at"], table["epoch"], table["total"], strict=True)) == [
        (at, epoch, total) for at in (1, 2, 3) for epoch, total in enumerate((1, 3, 6, 10), start=1)
    ]
    assert "2 of them are in the file of records and not run" in capsys.readouterr().out
    assert epochs_run(tmp_path) == [["1", "2", "3", "4"]] * 3


def test_a_search_that_was_ended_goes_on_as_if_it_had_not_been(tmp_path, empty_store):
    chosen = []
    for name, limits in (("whole", [None]), ("parts", [3, 2, None])):
        (tmp_path / name).mkdir()
        store = empty_store(tmp_path / name)
        for most in limits:
            options = {"search": "optuna", "num_samples": 9, "range": ("at=1:1000",), "max_trials": most}
            status, _ = sweep(tmp_path / name, store, max_concurrent=1, **options)
            assert status == (0 if most is None else 3)
        found = [run for run in runs(store) if "mlflow.parentRunId" in run.data.tags]
        chosen.append([run.data.params["at"] for run in sorted(found, key=lambda run: run.info.start_time)])
        assert sweep_status(store) == ["FINISHED"]
    assert chosen[0] == chosen[1] and len(set(chosen[0])) == 9

"""Trials that die, hang, fill the disk or come back: each goes on from its journal, and is told as what it was."""

import json
import os
import pickle
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
from mlflow import MlflowClient
from ray.tune.experiment import Trial

from analysis.tables.records_file import read_records
from specbias.settings import SettingError, Settings
from sweeps.service.ask.options import Options
from sweeps.service.machines.provenance import code_identity, study_sources
from sweeps.service.run.tuner import run_sweep
from sweeps.service.study import Kind, Preset, Study

pytestmark = [pytest.mark.usefixtures("ray_with_two_gpus"), pytest.mark.slow]
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import a test


@dataclass(frozen=True)
class ToyConfig(Settings):
    """Adds up its epochs; once, in the one that is said, it meets with a trouble."""

    epochs: int = 4
    trouble: str = "none"
    at: int = 2  # beyond the last: when all is measured
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
        yield state, SimpleNamespace(step=epoch, metrics={"total": float(state.total)}, arrays={})
    if config.at > config.epochs and noted.read_text().split().count(str(config.epochs)) == 1:
        TROUBLES[config.trouble](config)


def fill_the_disk(config):
    raise OSError(28, "No space left on device")


def need_more_memory(config):
    import torch  # seconds: for this trouble alone

    raise torch.OutOfMemoryError("CUDA out of memory")


def damage_the_last_state(config):
    (file,) = Path(config.folder).glob(f"ray/*/trials/{config.trial_id}/epoch_{config.epochs:04d}/state/state.json")
    file.write_text("[4, 11]")


TROUBLES = {
    "none": lambda config: None,
    "die": lambda config: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda config: time.sleep(3600),
    "disk": fill_the_disk,
    "memory": need_more_memory,
    "damage": damage_the_last_state,
}
KIND = Kind(
    config_class=ToyConfig,
    run=run,
    analyses=lambda configs: [],
    seconds=lambda config: 1.0,
    calibrate=lambda config: {},
    execution=lambda device, threads: {"device": "cpu"},
)
STUDY = Study(
    name="toy",
    question="None.",
    kind=KIND,
    presets={"quick": Preset({})},
    choose_preset=lambda gpus: "quick",
    columns={"total": "total"},
    objective={"total": "max"},
    searchable=("total",),
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


def nightly(value):
    return pytest.param(value, marks=pytest.mark.nightly)


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


class Marker:
    """Whoever loads its pickle makes a file."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_what_ray_pickles_of_a_failure_is_never_loaded_nor_on_the_storage(tmp_path, empty_store, monkeypatch):
    contents, handle = [b"", pickle.dumps(Marker(tmp_path / "loaded"))], Trial.handle_error

    def overwrite(trial, error=None):
        handle(trial, error)
        Path(trial.pickled_error_file).write_bytes(contents.pop())

    monkeypatch.setattr(Trial, "handle_error", overwrite)
    status, held = sweep(tmp_path, empty_store(tmp_path), "trouble=die", "at=1,2", max_failures=0)
    assert status == 1 and {found[0] for found in held.values()} == {"FAILED"} and contents == []
    assert all("its process died" in found[2] and "no reason" not in found[2] for found in held.values())
    assert not (tmp_path / "loaded").exists()
    assert {file.name for file in (tmp_path / "ray").glob("*/*")} == {"trials"}


def test_a_full_disk_fails_the_trial_and_the_next_call_goes_on_where_it_was(tmp_path, empty_store, capsys):
    store = empty_store(tmp_path)
    status, held = sweep(tmp_path, store, "trouble=disk")
    assert status == 1 and held["disk", 2][:2] == ("FAILED", [1.0]) and "No space left on device" in held["disk", 2][2]
    status, held = sweep(tmp_path, store, "trouble=disk")
    assert status == 0 and held["disk", 2] == WHOLE
    assert epochs_run(tmp_path) == [["1", "2", "2", "3", "4"]]
    assert not list((tmp_path / "ray").iterdir())


def test_a_trial_whose_journal_is_damaged_before_it_is_copied_goes_on_in_the_same_call(tmp_path, empty_store, capsys):
    status, held = sweep(tmp_path, empty_store(tmp_path), "trouble=damage", "at=5")
    assert status == 0 and held == {("damage", 5): WHOLE} and epochs_run(tmp_path) == [["1", "2", "3", "4", "4"]]
    said = capsys.readouterr().out
    assert "its journal is damaged (epoch_0004/state/state.json is not what was written); it goes on" in said
    (state,) = (tmp_path / "mlruns").glob("**/state/state.json")
    assert state.read_text() == "[4, 10]"


def test_what_other_code_began_goes_on_only_where_that_is_accepted_and_what_it_finished_is_reused(
    tmp_path, empty_store, monkeypatch, capsys
):
    store, grid = empty_store(tmp_path), ("trouble=none,disk",)
    assert sweep(tmp_path, store, *grid)[0] == 1
    before = code_identity(study_sources(STUDY))
    for patched in ("sweeps.service.run.feed", "sweeps.service.run.reuse"):
        monkeypatch.setattr(f"{patched}.study_sources", lambda study: "edited")
    now = code_identity("edited")
    said = (
        rf"1 of the trials were begun by other code \(trouble=disk: {before}, this is {now}\): .*--accept-changed-code"
    )
    with pytest.raises(SettingError, match=said):
        sweep(tmp_path, store, *grid)
    assert "1 of the finished trials were made by other code than this" in capsys.readouterr().out
    monkeypatch.setattr(
        "sweeps.service.run.reuse.code_identity", lambda study_code: before
    )  # as if it changed under way
    status, held = sweep(tmp_path, store, *grid)
    assert status == 1 and held["disk", 2][2].startswith(f"SettingError: other code began it ({before}, this is {now})")
    monkeypatch.undo()
    for patched in ("sweeps.service.run.feed", "sweeps.service.run.reuse"):
        monkeypatch.setattr(f"{patched}.study_sources", lambda study: "edited")
    status, held = sweep(tmp_path, store, *grid, accept_changed_code=True)
    assert status == 0 and held == {("none", 2): WHOLE, ("disk", 2): WHOLE}
    assert "and go on with this one" in capsys.readouterr().out


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


@pytest.mark.parametrize("deleted", ["experiment", nightly("parent"), nightly("parent and runs")])
def test_a_sweep_whose_runs_were_deleted_after_it_ended_goes_on_from_its_journals(
    tmp_path, empty_store, capsys, deleted
):
    store, grid = empty_store(tmp_path), ("trouble=none", "at=1,2,3")
    assert sweep(tmp_path, store, *grid, max_trials=2)[0] == 3
    sweep_id = capsys.readouterr().out.split("--resume ")[1].split()[0]
    client, found = MlflowClient(store), runs(store)
    if deleted == "experiment":  # and all that is in it, as where the data base is emptied
        client.delete_experiment(found[0].info.experiment_id)
        client._tracking_client.store._hard_delete_experiment(found[0].info.experiment_id)
    else:
        for run in found:
            if deleted == "parent and runs" or "mlflow.parentRunId" not in run.data.tags:
                client.delete_run(run.info.run_id)
    status, held = sweep(tmp_path, store, *grid, resume=sweep_id)
    assert status == 0 and list(held.values()) == [WHOLE] * 3 and sweep_status(store) == ["FINISHED"]
    assert epochs_run(tmp_path) == [["1", "2", "3", "4"]] * 3
    assert not list((tmp_path / "ray").iterdir())


def test_a_search_that_was_ended_goes_on_as_if_it_had_not_been(tmp_path, empty_store):
    chosen = []
    for name, limits in (("whole", [None]), ("parts", [2, 1, None])):
        (tmp_path / name).mkdir()
        store = empty_store(tmp_path / name)
        for most in limits:
            options = {"search": "optuna", "num_samples": 5, "range": ("at=1:1000",), "max_trials": most}
            status, _ = sweep(tmp_path / name, store, max_concurrent=1, **options)
            assert status == (0 if most is None else 3)
        found = [run for run in runs(store) if "mlflow.parentRunId" in run.data.tags]
        chosen.append([run.data.params["at"] for run in sorted(found, key=lambda run: run.info.start_time)])
        assert sweep_status(store) == ["FINISHED"]
    assert chosen[0] == chosen[1] and len(set(chosen[0])) == 5

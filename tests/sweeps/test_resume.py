"""Sweeps that run in parts: what is begun, stopped, deleted or searched goes on as if it had been one call."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from analysis.tables.records_file import read_records
from specbias.settings import SettingError
from sweeps.service.machines.provenance import code_identity, study_sources
from tests.sweeps.troubled_sweep import STUDY, WHOLE, epochs_run, runs, sweep, sweep_status

pytestmark = [pytest.mark.usefixtures("ray_with_two_gpus"), pytest.mark.slow]


def nightly(value):
    return pytest.param(value, marks=pytest.mark.nightly)


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

"""Trials that die, hang, fill the disk or come back: each goes on from its journal, and is told as what it was."""

import pickle
from pathlib import Path

import pytest
from ray.tune.experiment import Trial

from tests.sweeps.troubled_sweep import WHOLE, epochs_run, sweep

pytestmark = [pytest.mark.usefixtures("ray_with_two_gpus"), pytest.mark.slow]


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


def test_a_trial_that_a_share_of_a_gpu_is_too_small_for_runs_again_with_fewer_neighbours(tmp_path, empty_store, capsys):
    status, held = sweep(tmp_path, empty_store(tmp_path), "trouble=memory", gpus_per_trial="0.25")
    assert status == 0 and held == {("memory", 2): WHOLE}
    assert "trouble=memory: out of memory; it runs again with 0.5 of a GPU" in capsys.readouterr().out
    (tmp_path / "whole").mkdir()
    status, held = sweep(tmp_path / "whole", empty_store(tmp_path / "whole"), "trouble=memory", gpus_per_trial="1")
    assert status == 1 and held["memory", 2][2] == "OutOfMemoryError: CUDA out of memory"

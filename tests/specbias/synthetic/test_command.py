"""python -m specbias synthetic, as a user meets it: curves in a file, a line for what cannot be, stop and resume."""

import sys

import numpy as np
import pytest

from specbias.__main__ import main
from specbias.synthetic import training
from specbias.synthetic.config import CONFIGS
from specbias.synthetic.run import run_experiment

SETTINGS = {"runs": 2, "steps": 300, "record_every": 50, "width": 8, "depth": 3, "threads": 1}
SMALL = [part for name, value in SETTINGS.items() for part in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture
def call(monkeypatch, tmp_path):
    """Return a function that calls the command in an empty folder and returns its exit status."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["specbias", "synthetic", *arguments])
        try:
            main()
        except SystemExit as end:
            return end.code or 0
        return 0

    return run


def test_curves_of_all_runs_are_in_the_file(call, tmp_path, capsys):
    assert call("sinusoids", *SMALL, "--amplitudes", "increasing", "--seed", "3", "--output", "out.npz") == 0
    with np.load(tmp_path / "out.npz") as found:
        assert found["steps"].tolist() == [*range(0, 301, 50)]
        assert found["amplitude"].shape == (2, 7, 10) and found["loss"].shape == (2, 7)
        assert found["frequencies"].tolist() == [*range(5, 51, 5)]
    assert "saved: out.npz" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["sinusoids", "--samples", "100"], "Nyquist"),
        (["sinusoids", "--steps", "0"], "steps=0: must be at least 1"),
        (["sinusoidal"], "unknown experiment 'sinusoidal': did you mean sinusoids? known: sinusoids, "),
        (["manifold", "--petals", "-1"], "petals=-1"),
        (["sinusoids", "--output", "out.txt"], "ends in .npz"),
        (["sinusoids", "--output", "nowhere/out.npz"], "no folder nowhere"),
    ],
)
def test_what_cannot_be_is_a_line_and_status_2(call, arguments, said, capsys, tmp_path):
    assert call(*arguments) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_setting_of_every_experiment_is_explained(call, kind, capsys):
    assert call(kind, "--help") == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "--state DIR Folder that keeps the runs" in said
    assert "seed INT" in said and "(default: 0)" in said
    assert said.count("INT (default") == 0


def test_a_run_that_was_stopped_goes_on_from_its_state(call, tmp_path, monkeypatch, capsys):
    assert call("sinusoids", *SMALL, "--output", "whole.npz") == 0
    made, advance = [], training.advance

    def interrupted(state, task, updates):
        made.append(updates)
        if state.step == 200:
            raise KeyboardInterrupt
        advance(state, task, updates)

    monkeypatch.setattr("specbias.synthetic.run.advance", interrupted)
    assert call("sinusoids", *SMALL, "--output", "resumed.npz", "--state", "runs") == 130
    assert "the runs are kept up to update 200 in runs: the same command goes on there" in capsys.readouterr().err
    monkeypatch.setattr("specbias.synthetic.run.advance", lambda *a: made.append(a[2]) or advance(*a))
    made.clear()
    assert call("sinusoids", *SMALL, "--output", "resumed.npz", "--state", "runs") == 0
    assert sum(made) == 100
    with np.load(tmp_path / "whole.npz") as whole, np.load(tmp_path / "resumed.npz") as resumed:
        assert whole.files == resumed.files
        assert all(np.array_equal(whole[name], resumed[name]) for name in whole.files)
    assert not (tmp_path / "runs").exists()


def test_a_run_that_is_killed_while_it_saves_goes_on_and_touches_nothing_of_others(call, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mine.txt").write_text("keep")
    save = training.RunsState.save

    def killed(state, folder):
        save(state, folder)
        if state.step == 200:
            (folder / "state.json").unlink()
            raise KeyboardInterrupt

    monkeypatch.setattr(training.RunsState, "save", killed)
    assert call("sinusoids", *SMALL, "--state", "runs") == 130
    kept = []
    monkeypatch.setattr(training.RunsState, "save", lambda *a: save(*a) or kept.append(a[0].step))
    monkeypatch.setattr("specbias.synthetic.command._forget", lambda folder: None)
    assert call("sinusoids", *SMALL, "--state", "runs") == 0
    assert kept == [200, 250]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["mine.txt", "step_250"]
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["specbias", "synthetic", "sinusoids", *SMALL, "--state", "runs"])
    main()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("file", ["state.json", "weights.pt", "curves.npz"])
def test_a_damaged_state_is_a_line(call, tmp_path, capsys, file):
    for state, _ in run_experiment(CONFIGS["sinusoids"](**SETTINGS)):
        if state.step == 50:
            state.save(tmp_path / "runs" / "step_50")
    (tmp_path / "runs" / "step_50" / file).write_bytes(b"")
    assert call("sinusoids", *SMALL, "--state", "runs") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: runs/step_50: what was saved there is damaged")


def test_a_folder_that_can_keep_nothing_is_refused_before_anything_runs(call, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert call("sinusoids", *SMALL, "--state", "file") == 2
    assert call("class_paths", "--checkpoint", "file", "--state", "runs") == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("error: --state file: no folder that can be written")
    assert said[1].startswith("error: --state runs: class_paths is one measurement")


def test_a_state_of_other_settings_is_refused(call, capsys, tmp_path):
    for state, _ in run_experiment(CONFIGS["sinusoids"](**SETTINGS)):
        if state.step == 50:
            state.save(tmp_path / "runs" / "step_50")
    assert call("sinusoids", *SMALL, "--seed", "4", "--state", "runs") == 2
    assert "runs/step_50: runs with other settings (seed=0, not 4)" in capsys.readouterr().err

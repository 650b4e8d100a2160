"""The sweep script as a user meets it: exit statuses, one-line errors, and nothing written when it refuses."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "sweeps" / "cifar.py"


def call(folder, *arguments):
    environment = {k: v for k, v in os.environ.items() if k != "SPECBIAS_DATA_DIR"}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "vgg"], "error: unknown model 'vgg': did you mean vgg16? known: small_cnn, resnet18, resnet20, "),
        (["--preset", "x"], "error: unknown preset 'x'; known: paper, gpu, study, laptop, quick\n"),
        (["--quick", "--tracking-uri", "http://127.0.0.1:9"], "error: --tracking-uri http://127.0.0.1:9: no server"),
        (["--quick", "--tracking-uri", "mlruns"], "error: --tracking-uri mlruns: expected sqlite:///FILE"),
        (["--quick", "--gpus-per-trial", "99", "--dry-run"], "error: --gpus-per-trial 99: there are"),
        (["--quick", "--storage-path", "/proc/none"], "error: --storage-path /proc/none: "),
        (
            ["--quick", "--tracking-uri", "sqlite:////proc/none/x.db"],
            "error: --tracking-uri sqlite:////proc/none/x.db: ",
        ),
        (["--quick", "--epochs", "many"], ""),
    ],
)
def test_bad_input_is_one_line_with_status_2_and_nothing_is_written(tmp_path, monkeypatch, capsys, arguments, said):
    """In this process: one of its own takes seconds to import what a sweep needs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    printed = capsys.readouterr()
    assert end.value.code == 2
    if said:
        assert printed.err.startswith(said) and printed.err.count("\n") == 1
        assert printed.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_says_what_it_does_not_know_and_refuses_what_a_run_would(tmp_path):
    command = [sys.executable, str(SCRIPT), "--quick", "--dry-run"]
    listed = call(tmp_path, *command[2:], "--interventions", "mixup").stdout.splitlines()
    assert listed[-1] == "not looked up: those that are finished in the experiment already, which would be reused"
    trial_id = listed[-2].split()[0]
    (tmp_path / "r.csv").write_text(f"trial_id,epoch\n{trial_id},1\n{trial_id},2\nother,1\n")
    said = call(tmp_path, *command[2:], "--records", "r.csv", "--fresh").stdout.splitlines()
    assert said[-1] == "1 of them are in r.csv and would not be run"
    for flags in (["--records", "no/r.csv"], ["--tracking-uri", "x.db"], ["--storage-path", "/proc/none"]):
        done = call(tmp_path, *command[2:], *flags)
        assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith(f"error: {flags[0]} {flags[1]}: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "15 trials, about .*label_smoothing=0.1"),
        (
            ["--search", "optuna", "--scheduler", "asha", "--price", "1.5"],
            "12 trials, about .* USD .*asha by .* epoch 2",
        ),
    ],
)
def test_a_dry_run_says_trials_and_time_and_imports_nothing_slow(tmp_path, arguments, said):
    code = (
        "import runpy, sys\n"
        f"sys.argv = {[str(SCRIPT), '--quick', '--dry-run', *arguments]!r}\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'ray', 'mlflow', 'optuna'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(said, done.stdout, re.DOTALL)
    assert list(tmp_path.iterdir()) == []

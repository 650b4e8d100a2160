"""Sweeps that are run at a terminal: it closes, or someone leans on Ctrl-C."""

import os
import pty
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

SCRIPT = Path(__file__).with_name("toy_sweep.py")
ROOT = Path(__file__).parents[2]
ALONE = {**os.environ, "RAY_ADDRESS": "local", "PYTHONPATH": str(ROOT)}

pytestmark = pytest.mark.slow


class Terminal:
    """A terminal of so many columns at which the toy sweep runs, as the leader of its session."""

    def __init__(self, folder, *words, columns=80, before=""):
        self.folder, self.text = folder, ""
        script = f"stty cols {columns}; {before} exec {sys.executable} {SCRIPT} {' '.join(words)}"
        self.pid, self.end = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            for number in (signal.SIGINT, signal.SIGHUP):  # whatever runs the tests
                signal.signal(number, signal.SIG_DFL)
            os.execve("/bin/sh", ["sh", "-c", script], ALONE)

    def read_until(self, pattern):
        """Read until a pattern is there, or the sweep has ended."""
        while not re.search(pattern, self.text):
            try:
                self.text += os.read(self.end, 1000).decode()
            except OSError:  # the other end is closed
                break
        return self.text

    def wait(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def statuses(folder):
    """The states that MLflow holds: of the sweep, and of its trials."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("toy-quick").experiment_id])
    trials = {run.info.status for run in runs if "mlflow.parentRunId" in run.data.tags}
    return [run.info.status for run in runs if "mlflow.parentRunId" not in run.data.tags], trials


ENDLESS = ["--set", "epochs=10000", "--max-concurrent", "1", "--on-finish", "'echo $SPECBIAS_STATUS > ended'"]


def test_a_terminal_that_closes_ends_the_sweep_as_ctrl_c_does(tmp_path, empty_store):
    empty_store(tmp_path)
    terminal = Terminal(tmp_path, *ENDLESS)
    terminal.read_until(" 5/10000")
    os.close(terminal.end)
    assert terminal.wait() == 130
    assert (tmp_path / "ended").read_text() == "130\n"
    assert statuses(tmp_path) == (["KILLED"], {"KILLED"})
    assert [*(tmp_path / "ray_results").rglob("record.json")]  # the trial goes on from there


def test_slurm_ends_a_job_by_a_signal_to_all_its_processes_and_ray_outlives_it_until_the_sweep_has_ended(
    tmp_path, empty_store
):
    empty_store(tmp_path)
    terminal = Terminal(tmp_path, *ENDLESS, before="export SLURM_JOB_ID=7;")
    terminal.read_until(" 5/10000")
    processes = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    for process in [process for process in processes if session(process) == terminal.pid]:
        os.kill(process, signal.SIGTERM)
    text = terminal.read_until("never")
    assert terminal.wait() == 130, text
    assert (tmp_path / "ended").read_text() == "130\n"
    assert statuses(tmp_path) == (["KILLED"], {"KILLED"})


def session(process):
    """The session of a process; of one that is gone, none."""
    try:
        return os.getsid(process)
    except ProcessLookupError:
        return None


@pytest.mark.nightly
def test_under_nohup_a_sweep_outlives_its_terminal(tmp_path, empty_store):
    empty_store(tmp_path)
    terminal = Terminal(tmp_path, "--set", "epochs=40", before="trap '' HUP;")
    terminal.read_until(" 5/40")
    os.close(terminal.end)
    assert terminal.wait() == 0
    assert statuses(tmp_path) == (["FINISHED"], {"FINISHED"})


def test_someone_who_leans_on_ctrl_c_gets_one_clean_end(tmp_path, empty_store):
    empty_store(tmp_path)
    terminal = Terminal(tmp_path, *ENDLESS)
    terminal.read_until(" 5/10000")
    for _ in range(10):
        os.write(terminal.end, b"\x03")
        time.sleep(0.1)
    text = terminal.read_until("never")
    assert terminal.wait() == 130
    assert "Traceback" not in text and text.count("--resume") == 1
    assert (tmp_path / "ended").read_text() == "130\n"
    assert statuses(tmp_path) == (["KILLED"], {"KILLED"})

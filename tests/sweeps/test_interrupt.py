"""A polite kill in the middle of a sweep ends it like Ctrl-C (which chaos has): its status, final states, a rerun."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from mlflow import MlflowClient

SCRIPT = Path(__file__).with_name("toy_sweep.py")
ALONE = {**os.environ, "RAY_ADDRESS": "local", "PYTHONPATH": str(SCRIPT.parents[2])}  # whatever other Ray runs here
COMMAND = [
    sys.executable,
    "-u",
    str(SCRIPT),
    "--grid",
    "number=0,1,2,3",
    "--set",
    "epochs=20",
    "--cpus-per-trial",
    str(os.cpu_count()),  # one at a time, while Tune takes the others
]


def states(folder):
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("toy-quick").experiment_id])
    return Counter((run.info.status, "mlflow.parentRunId" in run.data.tags) for run in runs)


@pytest.mark.slow
def test_an_interrupted_sweep_says_so_and_the_same_command_completes_it(tmp_path):
    # a group of its own, as a terminal gives: workers must not mistake the signal for theirs; and a process that was
    # itself started in the background ignores SIGINT, which its children would inherit
    own = {"env": ALONE, "start_new_session": True, "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    sweep = subprocess.Popen(COMMAND, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **own)
    said = []
    for line in sweep.stdout:
        said.append(line)
        if "finished (1 of 4" in line:
            sweep.send_signal(signal.SIGTERM)
    assert sweep.wait(60) == 130, "".join(said)
    assert "To go on where this ended" in "".join(said)
    assert "not begun" in "".join(said)  # those that only Tune had taken
    found = states(tmp_path)
    assert not [status for status, _ in found if status == "RUNNING"]
    assert found["FINISHED", True] >= 1 and found["KILLED", False] == 1

    done = subprocess.run(COMMAND, env=ALONE, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "are finished already and reused" in done.stdout
    assert states(tmp_path) == {("FINISHED", True): 4, ("FINISHED", False): 1}

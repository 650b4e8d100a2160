"""Commands given at the same moment where nothing is yet: each sweep has one driver, and all have one store."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import ray
from mlflow import MlflowClient

SCRIPT = Path(__file__).with_name("toy_sweep.py")
COMMAND = [sys.executable, SCRIPT, "--experiment", "tiny", "--gpus-per-trial", "0", "--set", "epochs=60"]


def start(folder, *more):
    """Start a sweep that begins as soon as it reads a line, as all do then at the same moment."""
    wait = ["sh", "-c", 'read line; exec "$@"', "sh"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    joined = {"RAY_ADDRESS": ray.get_runtime_context().gcs_address, "PYTHONPATH": str(SCRIPT.parents[2])}
    return subprocess.Popen([*wait, *COMMAND, *more], cwd=folder, env={**os.environ, **joined}, text=True, **pipes)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("ray_with_two_gpus")
def test_of_the_same_sweep_begun_twice_at_once_one_runs_and_another_beside_it_too(tmp_path):
    same, other = ["--grid", "number=0,1"], ["--grid", "number=2"]
    sweeps = [start(tmp_path, *same), start(tmp_path, *same), start(tmp_path, *other)]
    for sweep in sweeps:
        sweep.stdin.write("\n")
        sweep.stdin.flush()
    said = [sweep.communicate(timeout=500) for sweep in sweeps]
    assert sorted(sweep.returncode for sweep in sweeps[:2]) == [0, 2] and sweeps[2].returncode == 0, said
    refused = next(errors for sweep, (_, errors) in zip(sweeps, said, strict=True) if sweep.returncode == 2)
    assert len(refused.splitlines()) == 1 and "this very sweep is running, in process" in refused
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert {run.info.status for run in runs} == {"FINISHED"} and len(parents) == 2
    trials = Counter(run.data.tags["specbias.trial_id"] for run in runs if run not in parents)
    assert len(trials) == 3 and set(trials.values()) == {1}
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db", "mlruns", "ray_results"}
    assert not list((tmp_path / "ray_results").iterdir())
    assert not [tag for tag in client.get_experiment_by_name("tiny").tags if tag.startswith("specbias.driver")]

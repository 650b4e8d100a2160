"""Drivers that are the first to come to a PostgreSQL, all at the same moment: its tables are made once, for all."""

import subprocess
import sys

import pytest
from mlflow import MlflowClient

FIRST = """
import sys
from types import SimpleNamespace
from sweeps.service.keep.experiment import Experiment
print("ready", flush=True)
sys.stdin.readline()
print(Experiment(SimpleNamespace(experiment="first", sweep_id="1"), sys.argv[1]).open())
"""


@pytest.mark.parametrize(
    "number", [pytest.param(0, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.nightly)]
)
def test_the_first_drivers_of_an_empty_data_base_make_one_store(postgresql, number):
    postgresql.ask(f"CREATE DATABASE first{number}", base="postgres")
    uri = postgresql.uri.replace("/mlflow", f"/first{number}")
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    drivers = [subprocess.Popen([sys.executable, "-c", FIRST, uri], text=True, **pipes) for _ in range(3)]
    assert [driver.stdout.readline() for driver in drivers] == ["ready\n"] * 3
    for driver in drivers:
        driver.stdin.write("\n")
        driver.stdin.flush()
    said = [driver.communicate(timeout=250) for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0] * 3, said
    found = MlflowClient(uri).get_experiment_by_name("first")
    assert {output for output, _ in said} == {f"{found.experiment_id}\n"}

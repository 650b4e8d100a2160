"""The script for Slurm, on a real one of three machines: nodes that differ, time limits, a drained node, scancel."""

import re
import shutil
import sys
import time

import pytest
from mlflow import MlflowClient

from tests.cluster.slurm import Slurm

pytestmark = pytest.mark.slow
SWEEP = ["sweeps/cifar.py", "--quick"]
TOY = ["tests/sweeps/toy_sweep.py", "--quick"]
EPOCHS = 120
THREE = [*TOY, "--grid", "number=0,1,2", "--epochs", str(EPOCHS)]


@pytest.fixture(scope="module")
def slurm(site):
    if missing := [tool for tool in ("slurmctld", "slurmd", "munged") if not shutil.which(tool, path="/usr/sbin")]:
        pytest.skip(f"a real Slurm needs {', '.join(missing)}: apt-get install slurm-wlm munge")
    return Slurm(site)


@pytest.mark.parametrize(
    ("name", "options", "on_it", "said"),
    [
        (
            "folder",
            "--chdir=/run/project",
            "rm -r /run/project",
            "does not see /run/project/sweeps/cifar.py; call sbatch in a folder that all nodes share",
        ),
        (
            "python",
            "",
            "install -D /dev/stdin /run/bin/python <<< $'#!/bin/sh\\necho Python 3.9 Ray 2.9.0'",
            r"Python 3.9 Ray 2.9.0, and the first node has Python 3.\d+ Ray 2.\S+; install the same on every node",
        ),
    ],
    ids=["folder", "python"],
)
def test_a_node_that_differs_is_named_in_a_line_and_the_job_has_failed(slurm, name, options, on_it, said):
    for node in ("machine-10", "machine-11"):
        slurm.on(node, "mkdir -p /run/project; ln -sfn $PWD/sweeps /run/project")
    slurm.on("machine-11", on_it)
    path = f"/run/bin:{slurm.environment['PATH']}"
    job = slurm.submit(name, f"--nodes=2 --nodelist=machine-[10-11] {options}", *SWEEP, PATH=path)
    assert slurm.wait_until(job, "FAILED")["ExitCode"] == "2:0"
    slurm.on("machine-11", "rm -rf /run/bin /run/project")
    assert re.fullmatch(rf"error: node machine-11:? {said}\n", slurm.said(name))
    assert not slurm.left()


@pytest.mark.timeout(1800)
def test_a_sweep_goes_on_until_it_is_over_and_others_beside_it_do_not_matter(slurm):
    """Its time is over twice, a node of it is drained, and one beside it on the same nodes is cancelled."""
    began = time.monotonic()

    def lap(what):
        print(f"{time.monotonic() - began:6.1f} s  {what}", file=sys.__stderr__)

    quiet = slurm.submit("quiet", "--nodelist=machine-12", *THREE, TOY_SECONDS="0.01")
    limited = slurm.submit("limited", "--nodes=2 --time=30 --signal=B:USR1@120", *THREE, TOY_SECONDS="1")
    beside = "--nodes=2 --nodelist=machine-[10-11]"
    cancelled = slurm.submit("cancelled", beside, *TOY, "--epochs", "9999")

    slurm.wait_for(lambda: slurm.epoch("cancelled"))
    assert slurm.job(limited)["NodeList"] == slurm.job(cancelled)["NodeList"] == "machine-[10-11]"
    slurm("scancel", cancelled)
    assert slurm.wait_until(cancelled, "CANCELLED")["ExitCode"] == "130:0"
    lap("cancelled")
    assert "\n1 interrupted\nTo go on where this ended:\n" in slurm.said("cancelled")

    for restarts in ("1", "2"):
        before = slurm.epoch("limited")
        slurm.wait_for(lambda before=before: slurm.epoch("limited") > before)
        lap(f"epoch {slurm.epoch('limited')}")
        if restarts == "2":
            slurm("scontrol", "update", "NodeName=machine-11", "State=DRAIN", "Reason=test")
        slurm.have_it_warned(limited)
        slurm.wait_for(lambda restarts=restarts: slurm.job(limited)["Restarts"] == restarts)
        slurm("scontrol", "update", f"JobId={limited}", "TimeLimit=30")
        lap(f"time over, restarts: {restarts}")
    found = slurm.wait_until(limited, "COMPLETED")
    lap("over")
    assert (found["ExitCode"], found["Restarts"], found["NodeList"]) == ("0:0", "2", "machine-[10,12]")
    assert slurm.wait_until(quiet, "COMPLETED")["ExitCode"] == "0:0"
    assert hosts(slurm, "quiet") == {"machine-12"}
    assert len(hosts(slurm, "limited")) > 1
    whole = [(epoch, epoch / 10) for epoch in range(1, EPOCHS + 1)]
    expected = {f"{number}": [(epoch, number + value) for epoch, value in whole] for number in range(3)}
    assert curves(slurm, "limited") == curves(slurm, "quiet") == expected
    assert not slurm.left()


def trials(slurm, name):
    """The runs of a sweep's three trials, all of them and the sweep's own finished; and their client."""
    client = MlflowClient(f"sqlite:///{slurm.site.shared}/{name}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("toy-quick").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * 4
    return [run for run in runs if "mlflow.parentRunId" in run.data.tags], client


def hosts(slurm, name):
    return {run.data.tags["hardware.host"] for run in trials(slurm, name)[0]}


def curves(slurm, name):
    runs, client = trials(slurm, name)
    points = {run.data.params["number"]: client.get_metric_history(run.info.run_id, "value") for run in runs}
    return {number: sorted((point.step, point.value) for point in curve) for number, curve in points.items()}

"""Several drivers write to one MLflow server on a PostgreSQL, which is killed meanwhile: nothing lost or doubled."""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

WRITER = Path(__file__).parent / "writer.py"
METRICS = 20
SIZES = {"CI": (3, 6, 20), "full": (4, 20, 50)}  # drivers, trials, and reports of each: 120 and 1,000 in all
AWAY = 4.0  # seconds

REPORTS = "SELECT run_uuid, step, count(*), count(DISTINCT key) FROM metrics WHERE key LIKE 'made/%' GROUP BY 1, 2"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_report_is_lost_or_doubled_when_the_server_is_killed_and_comes_back(postgresql, mlflow_server, tmp_path):
    drivers, trials, epochs = SIZES[os.environ.get("SPECBIAS_TEST_SIZE", "CI")]
    client = MlflowClient(mlflow_server.uri)
    experiment = client.create_experiment("writers")
    parent = client.create_run(experiment).info.run_id
    started = time.monotonic()
    command = [sys.executable, WRITER, mlflow_server.uri, experiment, parent, tmp_path / "trials"]
    with (tmp_path / "log").open("w") as log:
        numbers = ((which, drivers, trials, epochs) for which in range(drivers))
        writers = [subprocess.Popen([*command, *map(str, each)], stdout=log, stderr=log) for each in numbers]
    while len(postgresql.ask(REPORTS)) < trials * epochs // 3:
        assert all(writer.poll() is None for writer in writers), (tmp_path / "log").read_text()
        time.sleep(0.2)
    mlflow_server.kill()
    there = len(postgresql.ask(REPORTS))
    assert 0 < there < trials * epochs
    time.sleep(AWAY)
    mlflow_server.start()
    back = time.monotonic()
    assert [writer.wait(300) for writer in writers] == [0] * drivers, (tmp_path / "log").read_text()
    total, rate = time.monotonic() - started, (trials * epochs - there) / (time.monotonic() - back)

    rows = postgresql.ask(REPORTS)
    runs = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'", max_results=1000)
    assert len(runs) == len({run.data.tags["specbias.trial_id"] for run in runs}) == trials
    assert {(run.info.status, run.data.tags["specbias.outcome"]) for run in runs} == {("FINISHED", "finished")}
    each_once = {(run.info.run_id, epoch, METRICS, METRICS) for run in runs for epoch in range(epochs)}
    assert len(rows) == trials * epochs and set(rows) == each_once
    for run in runs:
        seed = int(run.data.params["seed"])
        history = client.get_metric_history(run.info.run_id, "made/metric_07")
        found = {metric.step: metric.value for metric in history}
        assert len(history) == epochs and found == {e: (seed + 1) / (e + 1) / 10 for e in range(epochs)}
        files = Counter(Path(f.path).name for f in client.list_artifacts(run.info.run_id, "measurements"))
        assert files == Counter(f"epoch_{epoch:04d}.npz" for epoch in range(epochs))
    with np.load(client.download_artifacts(runs[0].info.run_id, f"measurements/epoch_{epochs - 1:04d}.npz")) as arrays:
        assert arrays["epoch"] == epochs - 1
    assert len([*(tmp_path / "trials").glob("*")]) == trials, "journals are kept until their sweep is over"
    print(
        f"\n{trials * epochs} reports of {METRICS} metrics by {drivers} writers in {total:.0f} s, the server away for"
        f" {AWAY:.0f} s and its start; {rate:.0f} reports/s after it was back"
    )

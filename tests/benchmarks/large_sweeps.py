"""How large may a sweep be for its analysis? Seconds, memory and requests; ratios to the plain way, from one run.

  python tests/benchmarks/large_sweeps.py            10,000 trials of 30 measures, 1,000 read from MLflow: some minutes
  python tests/benchmarks/large_sweeps.py --smoke

`script` is analysis/interventions.py on a file of records, as a user calls it: imports, reading and figures included.
`read` is load_records on a SQLite store; `one by one` asks MLflow for the curve of each trial and metric, of some
trials, as MlflowClient can, and is scaled to all.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from analysis.inference import conditional_mutual_information
from analysis.tables import records as records_module
from analysis.tables.records import load_records

ROOT = Path(__file__).parents[2]
ACCURACY, LOSS = "generalization/test_accuracy", "generalization/train_loss"
LEVELS = {"width": 5, "depth": 4, "train_size": 5, "mixup": 5, "cutout": 2}


def sweep(trials: int, measures: int, epochs: int = 1) -> pd.DataFrame:
    """Return records of a random sweep over five settings, in which the within-class frequency falls with accuracy."""
    generator = np.random.default_rng(0)
    settings = {name: generator.integers(levels, size=trials) for name, levels in LEVELS.items()}
    accuracy = 0.5 + sum(settings.values()) / 50 + generator.normal(0, 0.02, trials)
    table = pd.DataFrame({"trial_id": [f"t{i:05d}" for i in range(trials)], **settings})
    table["seed"], table["dataset"], table["search"] = generator.integers(2, size=trials), "cifar10", "random"
    table["intervention"] = [f"kind {i}" for i in table["width"] + table["mixup"]]  # repeats have their setting's
    names = ["frequency/within_class", "frequency/between_class"]
    names += [f"frequency/other_{i}" for i in range(measures - 2)]
    metrics = {name: accuracy * (-1) ** i + generator.normal(0, 0.05 * (i + 1), trials) for i, name in enumerate(names)}
    table = pd.concat([table, pd.DataFrame({ACCURACY: accuracy, LOSS: 1 - accuracy, **metrics})], axis=1)
    return pd.concat([table.assign(epoch=epoch) for epoch in range(1, epochs + 1)])


def time_script(trials: int, measures: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "records.csv"
        sweep(trials, measures).to_csv(file, index=False)
        command = [sys.executable, str(ROOT / "analysis/interventions.py"), "--records", str(file), "--out", folder]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return f"script, {trials} trials x {measures} measures: {taken:.1f} s, at most {peak:.0f} MB"


def time_information(trials: int, permutations: int) -> str:
    table = sweep(trials, 2)
    started = time.perf_counter()
    names = {"measure": "frequency/within_class", "target": ACCURACY, "axes": [*LEVELS]}
    conditional_mutual_information(table, **names, permutations=permutations)
    taken = time.perf_counter() - started
    return f"conditional information, {trials} trials x {len(LEVELS)} axes, {permutations} permutations: {taken:.1f} s"


def fill(folder: str, table: pd.DataFrame) -> str:
    """Write records into a store as the service would; return its address."""
    uri = f"sqlite:///{folder}/mlflow.db"
    client = MlflowClient(uri)
    experiment = client.create_experiment("large", artifact_location=f"{folder}/mlruns")
    tags = {"specbias.sweep_id": "1", "specbias.search": "random", "specbias.study": "cifar", "specbias.opened": "1"}
    parent = client.create_run(experiment, tags=tags).info.run_id
    trials = [{"trial_id": i, "label": i, "intervention": "width"} for i in table["trial_id"].unique()]
    client.log_dict(parent, {"trials": trials}, "sweep.json")
    metrics = [name for name in table if "/" in name]
    for trial_id, rows in table.groupby("trial_id"):
        tags = {"mlflow.parentRunId": parent, "specbias.trial_id": trial_id, "specbias.outcome": "finished"}
        run = client.create_run(experiment, tags=tags).info.run_id
        params = [Param(name, str(rows[name].iloc[0])) for name in LEVELS]
        points = [Metric(name, row[name], 1, row["epoch"]) for row in rows.to_dict("records") for name in metrics]
        client.log_batch(run, params=params, metrics=points)
    return uri


def time_reading(trials: int, measures: int, epochs: int) -> str:
    table = sweep(trials, measures, epochs)
    with tempfile.TemporaryDirectory() as folder:
        uri = fill(folder, table)
        asked, whole = [], records_module._history
        records_module._history = lambda *arguments: asked.append(1) or whole(*arguments)
        started = time.perf_counter()
        found = load_records("large", tracking_uri=uri)
        taken = time.perf_counter() - started
        records_module._history = whole
        client, few = MlflowClient(uri), found.last["run_id"].head(10)
        started = time.perf_counter()
        for run_id in few:
            for name in found.metrics:
                client.get_metric_history(run_id, name)
        alone = (time.perf_counter() - started) * trials / len(few)
    assert len(found.table) == len(table)
    return (
        f"read, {trials} trials x {len(found.metrics)} metrics x {epochs} epochs: {taken:.1f} s, {len(asked)} requests"
        f" for curves; one by one {alone:.0f} s in {trials * len(found.metrics)}: {alone / taken:.0f} times as long"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true")
    smoke = parser.parse_args().smoke
    print(time_script(*(200, 5) if smoke else (10_000, 30)), flush=True)
    print(time_information(*(100, 10) if smoke else (1_000, 200)), flush=True)
    print(time_reading(*(20, 3, 3) if smoke else (1_000, 20, 12)), flush=True)


if __name__ == "__main__":
    main()

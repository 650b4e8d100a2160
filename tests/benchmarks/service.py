"""What does the service itself cost? Trials that do nothing, trials that only wait, and very many reports.

  python tests/benchmarks/service.py            some 10 minutes on 2 cores
  python tests/benchmarks/service.py --smoke

`empty`: seconds for trials of one report each, after Ray has started. `slots`: 16 trials of 20 s, two at a time: the
ideal wall time over the real one. `tracked`: a sweep of 1,000 trials of 20 reports, and how far the driver's memory
grows.
"""

import argparse
import logging
import resource
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import ray
from mlflow import MlflowClient

from specbias.settings import Settings
from sweeps.service.ask.options import Options
from sweeps.service.run.tuner import run_sweep
from sweeps.service.study import Kind, Preset, Study


@dataclass(frozen=True)
class WaitingConfig(Settings):
    """A trial that reports `epochs` times, after waiting."""

    epochs: int = 1
    wait: float = 0.0  # seconds before each report
    number: int = 0
    seed: int = 0
    device: str = "cpu"


class Nothing:
    def save(self, folder):
        (Path(folder) / "state.json").write_text("{}")


def run(config, checkpoint):
    for epoch in range(1, config.epochs + 1):
        time.sleep(config.wait)
        metrics = {f"metric_{i}": epoch / (i + 1) for i in range(20)}
        yield Nothing(), SimpleNamespace(step=epoch, metrics=metrics, arrays={})


KIND = Kind(
    config_class=WaitingConfig,
    run=run,
    analyses=lambda configs: [],
    seconds=lambda config: config.epochs * config.wait,
    calibrate=lambda config: ({}, 0.0),
    execution=lambda device, threads: {"device": device},
)
STUDY = Study(
    name="waiting",
    question="None.",
    kind=KIND,
    presets={"quick": Preset({})},
    choose_preset=lambda gpus: "quick",
    columns={},
)


def sweep(trials, *settings):
    """Run a sweep of so many trials into a store of its own; return its seconds, and the reports that MLflow holds."""
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/mlflow.db"
        options = Options(
            grid=("number=" + ",".join(map(str, range(trials))),),
            set=settings,
            gpus_per_trial="0",
            tracking_uri=store,
            storage_path=f"{folder}/ray",
        )
        started = time.perf_counter()
        status = run_sweep(STUDY, options)
        seconds = time.perf_counter() - started
        assert status == 0, status
        client = MlflowClient(store)
        experiment = client.get_experiment_by_name("waiting-quick").experiment_id
        page = client.search_runs([experiment], "params.number != ''")
        runs = list(page)
        while page.token:
            page = client.search_runs([experiment], "params.number != ''", page_token=page.token)
            runs += page
        runs = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
        assert Counter(run.info.status for run in runs) == {"FINISHED": trials}
        return seconds, sum(len(client.get_metric_history(run.info.run_id, "metric_3")) for run in runs)


def resident():
    """The memory of this process now, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true")
    smoke = parser.parse_args().smoke
    empty, (waiting, wait), (many, reports) = (2, (2, 1), (2, 5)) if smoke else (100, (16, 20), (1000, 20))
    ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    seconds, held = sweep(empty)
    lines = [f"empty: {empty} trials in {seconds:.1f} s, {held} reports"]
    seconds, held = sweep(waiting, f"wait={wait}")
    lines.append(
        f"slots: {waiting} trials of {wait} s on 2: {seconds:.1f} s, {waiting * wait / 2 / seconds:.3f} of ideal"
    )
    before, peak, done = resident(), [0.0], threading.Event()

    def watch():
        while not done.wait(0.5):
            peak[0] = max(peak[0], resident())

    threading.Thread(target=watch, daemon=True).start()
    seconds, held = sweep(many, f"epochs={reports}")
    done.set()
    assert held == many * reports, held
    lines.append(
        f"tracked: {held} reports of {many} trials in {seconds:.0f} s ({held / seconds:.0f} a second), "
        f"driver {before:.0f} MB before, {peak[0]:.0f} MB at most"
    )
    print("\n".join(lines))


if __name__ == "__main__":
    main()

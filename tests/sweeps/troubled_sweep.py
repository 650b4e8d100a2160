"""A sweep of trials that count, of which one may meet with a trouble once: for tests that run it in this process."""

import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import ray
from mlflow import MlflowClient

from specbias.settings import Settings
from sweeps.service.ask.options import Options
from sweeps.service.run.tuner import run_sweep
from sweeps.service.study import Kind, Preset, Study

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import a test
WHOLE = ("FINISHED", [1.0, 3.0, 6.0, 10.0], "")  # what MLflow holds of a trial that has finished


@dataclass(frozen=True)
class ToyConfig(Settings):
    """Adds up its epochs; once, in the one that is said, it meets with a trouble."""

    epochs: int = 4
    trouble: str = "none"
    at: int = 2  # beyond the last: when all is measured
    folder: str = ""  # where it notes what it did
    seed: int = 0
    device: str = "cpu"


class ToyState:
    def __init__(self, epoch=0, total=0):
        self.epoch, self.total = epoch, total

    def save(self, folder):
        (Path(folder) / "state.json").write_text(json.dumps([self.epoch, self.total]))


def run(config, checkpoint):
    state = ToyState(*json.loads((Path(checkpoint) / "state.json").read_text())) if checkpoint else ToyState()
    noted = Path(config.folder) / config.trial_id
    for epoch in range(state.epoch + 1, config.epochs + 1):
        with noted.open("a") as file:
            file.write(f"{epoch}\n")
        if epoch == config.at and noted.read_text().split().count(str(epoch)) == 1:
            TROUBLES[config.trouble](config)
        state = ToyState(epoch, state.total + epoch)
        yield state, SimpleNamespace(step=epoch, metrics={"total": float(state.total)}, arrays={})
    if config.at > config.epochs and noted.read_text().split().count(str(config.epochs)) == 1:
        TROUBLES[config.trouble](config)


def fill_the_disk(config):
    raise OSError(28, "No space left on device")


def need_more_memory(config):
    import torch  # seconds: for this trouble alone

    raise torch.OutOfMemoryError("CUDA out of memory")


def damage_the_last_state(config):
    (file,) = Path(config.folder).glob(f"ray/*/trials/{config.trial_id}/epoch_{config.epochs:04d}/state/state.json")
    file.write_text("[4, 11]")


TROUBLES = {
    "none": lambda config: None,
    "die": lambda config: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda config: time.sleep(3600),
    "disk": fill_the_disk,
    "memory": need_more_memory,
    "damage": damage_the_last_state,
}
KIND = Kind(
    config_class=ToyConfig,
    run=run,
    analyses=lambda configs: [],
    seconds=lambda config: 1.0,
    calibrate=lambda config: ({}, 0.0),
    execution=lambda device, threads: {"device": "cpu"},
)
STUDY = Study(
    name="toy",
    question="None.",
    kind=KIND,
    presets={"quick": Preset({})},
    choose_preset=lambda gpus: "quick",
    columns={"total": "total"},
    objective={"total": "max"},
    searchable=("total",),
)


def sweep(folder, store, *grid, **options):
    """Run a sweep of the toy on CPUs; return its status, and by trouble what MLflow holds: status, totals, failure."""
    options = {"gpus_per_trial": "0"} | options | {"grid": grid, "set": (f"folder={folder}",)}
    status = run_sweep(STUDY, Options(tracking_uri=store, storage_path=str(folder / "ray"), **options))
    held = {}
    for run in runs(store):
        if "mlflow.parentRunId" in run.data.tags:
            totals = [m.value for m in MlflowClient(store).get_metric_history(run.info.run_id, "total")]
            trouble, at = run.data.params["trouble"], int(run.data.params["at"])
            assert (trouble, at) not in held  # one run per trial
            held[trouble, at] = (run.info.status, totals, run.data.tags.get("specbias.failure", ""))
    return status, held


def runs(store):
    client = MlflowClient(store)
    return client.search_runs([client.get_experiment_by_name("toy-quick").experiment_id])


def sweep_status(store):
    return [run.info.status for run in runs(store) if "mlflow.parentRunId" not in run.data.tags]


def epochs_run(folder):
    return sorted(Path(file).read_text().split() for file in folder.iterdir() if len(file.name) == 12)

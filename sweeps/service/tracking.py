"""Where do the results go? One parent run per sweep and one child run per trial in MLflow; the only code writing there.

The driver opens the store, the experiment and the parent before any trial, and gives every child its final state; a
trial finds or makes its own child and writes to it. Tags that carry meaning here begin with `specbias.`.
"""

from __future__ import annotations

import logging
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
import numpy as np  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric, Param, Run, RunTag  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

from specbias.config import SettingError  # noqa: E402

logging.getLogger("alembic").setLevel(logging.WARNING)

OUTCOMES = {"finished": "FINISHED", "stopped early": "KILLED", "failed": "FAILED", "interrupted": "KILLED"}


@dataclass(frozen=True)
class Tracking:
    """One sweep's place in MLflow; small and picklable, it travels to the trials."""

    uri: str  # absolute
    experiment_id: str
    parent_id: str

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.uri)

    def find_trial(self, trial_id: str) -> str | None:
        """Return the run id of a trial of this sweep, or None."""
        query = f"tags.mlflow.parentRunId = '{self.parent_id}' and tags.specbias.trial_id = '{trial_id}'"
        found = self.client.search_runs([self.experiment_id], query, max_results=1)
        return found[0].info.run_id if found else None

    def start_trial(self, config: Any, *, label: str, tags: dict[str, str]) -> str:
        """Return the run id of the trial's child run: the one there is, else a new one with params and tags."""
        run_id = self.find_trial(config.trial_id)
        if run_id is None:
            run_tags = {"mlflow.parentRunId": self.parent_id, "specbias.trial_id": config.trial_id, **tags}
            run_id = self.client.create_run(self.experiment_id, tags=run_tags, run_name=label).info.run_id
            self.client.log_batch(run_id, params=_params(config.to_dict()))
        return run_id

    def log(self, run_id: str, measurement: Any) -> None:
        """Write the arrays as measurements/epoch_NNNN.npz, then the metrics in one batch with step = epoch."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"epoch_{measurement.epoch:04d}.npz"
            np.savez_compressed(file, **measurement.arrays)
            self.client.log_artifact(run_id, str(file), "measurements")
        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, measurement.epoch) for key, value in measurement.metrics.items()]
        self.client.log_batch(run_id, metrics=metrics)

    def log_failure(self, run_id: str, error: Exception) -> None:
        """Write what ended a trial: its first line as the tag `specbias.failure`, its traceback as failure.txt."""
        self.client.set_tag(run_id, "specbias.failure", f"{type(error).__name__}: {error}".splitlines()[0][:5000])
        self.client.log_text(run_id, "".join(traceback.format_exception(error)), "failure.txt")

    def end(self, run_id: str, outcome: str) -> None:
        """Give a run its final state: finished, stopped early, failed or interrupted."""
        self.client.set_tag(run_id, "specbias.outcome", outcome)
        self.client.set_terminated(run_id, OUTCOMES[outcome])

    def failure(self, run_id: str) -> str:
        """Return what the trial said when it failed; a trial whose process died could say nothing."""
        return self.client.get_run(run_id).data.tags.get("specbias.failure", "its process died")

    def log_json(self, name: str, content: Any) -> None:
        """Write `content` onto the parent run as the artifact `name`."""
        self.client.log_dict(self.parent_id, content, name)


def open_sweep(plan: Any, *, uri: str, search: str, fresh: bool) -> tuple[Tracking, dict[str, str]]:
    """Open the store (made if absent), the experiment and the parent run; return also the trials to reuse.

    Those are trial_id -> run id of the plan's trials that are finished anywhere in the experiment; none if `fresh`.
    The parent is the one an earlier call made for the same trials, or a new one. What an earlier call left unfinished
    of this sweep is set aside (MLflow's trash: it can be restored), so that a trial has one run.
    """
    client = MlflowClient(tracking_uri=uri)
    try:
        experiment = client.get_experiment_by_name(plan.experiment)
        experiment_id = experiment.experiment_id if experiment else client.create_experiment(plan.experiment)
    except MlflowException as error:
        raise SettingError(f"--tracking-uri {uri}: {str(error).splitlines()[0]}") from None
    if experiment and experiment.lifecycle_stage == "deleted":
        raise SettingError(f"--experiment {plan.experiment} is in MLflow's trash: restore it, or name another")

    reused = {} if fresh else _finished(client, experiment_id, {config.trial_id for config in plan.trials})
    query = f"tags.specbias.sweep_id = '{plan.sweep_id}'"
    parents = [] if fresh else client.search_runs([experiment_id], query, max_results=1)
    if parents:
        tracking = Tracking(uri, experiment_id, parents[0].info.run_id)
        for run in _search(client, experiment_id, f"tags.mlflow.parentRunId = '{tracking.parent_id}'"):
            if run.data.tags.get("specbias.outcome") != "finished":
                client.delete_run(run.info.run_id)
    else:
        tags = {"specbias.sweep_id": plan.sweep_id, "specbias.study": plan.study.name, "specbias.search": search}
        run_name = f"{plan.study.name} {plan.preset} {plan.sweep_id}"
        parent = client.create_run(experiment_id, tags=tags, run_name=run_name)
        tracking = Tracking(uri, experiment_id, parent.info.run_id)
        client.log_batch(tracking.parent_id, params=_params(plan.base.to_dict()))
    client.update_run(tracking.parent_id, status="RUNNING")
    client.log_batch(tracking.parent_id, tags=[RunTag(k, v[:5000]) for k, v in provenance().items()])
    return tracking, reused


def _finished(client: MlflowClient, experiment_id: str, trial_ids: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for run in _search(client, experiment_id, "tags.specbias.outcome = 'finished'"):
        if (trial_id := run.data.tags.get("specbias.trial_id")) in trial_ids:
            found.setdefault(trial_id, run.info.run_id)
    return found


def _search(client: MlflowClient, experiment_id: str, query: str) -> list[Run]:
    """Return every run that fits, newest first, however many pages they fill."""
    page = client.search_runs([experiment_id], query)
    runs = list(page)
    while page.token:
        page = client.search_runs([experiment_id], query, page_token=page.token)
        runs += page
    return runs


def provenance() -> dict[str, str]:
    """Return tags that say with what code, versions, hardware and command this process runs."""
    tags = {f"version.{name}": version(name) for name in ("specbias", "torch", "numpy", "ray", "mlflow")}
    tags |= {
        "version.python": platform.python_version(),
        "hardware.host": platform.node(),
        "hardware.cpus": str(os.cpu_count()),
        "hardware.processor": _processor(),
        "mlflow.source.name": sys.argv[0],
        "mlflow.source.type": "LOCAL",
        "specbias.command_line": shlex.join(["python", *sys.argv]),
    }
    commit = _git("rev-parse", "HEAD")
    if commit:
        tags |= {"mlflow.source.git.commit": commit, "specbias.git_dirty": str(bool(_git("status", "--porcelain")))}
    return tags


def _git(*arguments: str) -> str:
    here = Path(__file__).parent
    try:
        return subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, timeout=20, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""  # installed without its repository, or no git


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _params(settings: dict[str, Any]) -> list[Param]:
    return [Param(name, str(value)) for name, value in settings.items()]

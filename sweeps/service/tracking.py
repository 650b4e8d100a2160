"""Where do the results go? One parent run per sweep and one child run per trial in MLflow.

The driver opens the store, the experiment and the parent before any trial, and gives every child its final state; a
trial finds or makes its own child and writes to it. Tags that carry meaning here begin with `specbias.`.
"""

from __future__ import annotations

import logging
import os
import platform
import tempfile
import time
import traceback
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # progress is a table
import numpy as np  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric, Param, Run, RunTag  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from sqlalchemy.exc import SQLAlchemyError  # noqa: E402

from specbias.settings import SettingError  # noqa: E402
from sweeps.service.plan import Plan  # noqa: E402
from sweeps.service.provenance import code, hardware  # noqa: E402

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

    def log_state(self, run_id: str, folder: str) -> None:
        """Keep the files of a trial's last state, if it has any, under state/."""
        if os.listdir(folder):
            self.client.log_artifacts(run_id, folder, "state")

    def fetch_state(self, run_id: str, folder: str) -> str:
        """Copy what `log_state` kept into a new folder inside `folder`, and return that."""
        return self.client.download_artifacts(run_id, "state", folder)

    def log_failure(self, run_id: str, error: Exception) -> None:
        """Write what ended a trial: its first line as the tag `specbias.failure`, its traceback as failure.txt."""
        self.client.set_tag(run_id, "specbias.failure", f"{type(error).__name__}: {error}".splitlines()[0][:5000])
        self.client.log_text(run_id, "".join(traceback.format_exception(error)), "failure.txt")

    def mark_complete(self, run_id: str) -> None:
        """Note that the trial came to its own end: whatever ends it earlier leaves no such note."""
        self.client.set_tag(run_id, "specbias.complete", "true")

    def is_complete(self, run_id: str) -> bool:
        return "specbias.complete" in self.client.get_run(run_id).data.tags

    def end(self, run_id: str, outcome: str) -> None:
        """Give a run its final state: finished, stopped early, failed or interrupted."""
        self.client.set_tag(run_id, "specbias.outcome", outcome)
        self.client.set_terminated(run_id, OUTCOMES[outcome])

    def failure(self, run_id: str) -> str:
        """Return what the trial said when it failed; a trial whose process died could say nothing."""
        return self.client.get_run(run_id).data.tags.get("specbias.failure", "its process died")

    def log_sweep(self, plan: Plan, ends: dict[str, dict[str, Any]]) -> None:
        """Write sweep.json onto the parent run: the sweep's trials, and of each what is known of its end."""
        trials = [
            {"trial_id": config.trial_id, "label": plan.label(config), "intervention": plan.intervention(config)}
            | ends.get(config.trial_id, {})
            for config in plan.trials
        ]
        self.client.log_dict(self.parent_id, {"sweep_id": plan.sweep_id, "trials": trials}, "sweep.json")


def open_sweep(plan: Plan, *, uri: str, search: str, fresh: bool) -> tuple[Tracking, dict[str, str]]:
    """Open the store (made if absent), the experiment and the parent run; return also the trials to reuse.

    Those are trial_id -> run id of the plan's trials that are finished anywhere in the experiment; none if `fresh`,
    and only its own where the sweep was begun so. The parent is the one an earlier call made for the same trials, or a
    new one. What an earlier call left unfinished of this sweep is set aside (MLflow's trash: it can be restored), so
    that a trial has one run. Raises SettingError if the store cannot be opened, or another process on this machine is
    running this very sweep.
    """
    try:
        client = MlflowClient(tracking_uri=uri)
        experiment_id = _experiment(client, plan.experiment, uri)
    except (MlflowException, SQLAlchemyError, ImportError) as error:
        raise SettingError(f"--tracking-uri {uri}: {str(error).splitlines()[0]}") from None
    parents = [] if fresh else _search(client, experiment_id, f"tags.specbias.sweep_id = '{plan.sweep_id}'")
    within = parents[0].info.run_id if parents and "specbias.fresh" in parents[0].data.tags else None
    reused = {} if fresh else _finished(client, experiment_id, {config.trial_id for config in plan.trials}, within)
    unfit = _drop_stateless_teachers(client, plan, reused)
    if parents:
        parent_id = parents[0].info.run_id
        _refuse_if_running(parents[0])
        for run in _search(client, experiment_id, f"tags.mlflow.parentRunId = '{parent_id}'"):
            if run.data.tags.get("specbias.outcome") != "finished" or run.info.run_id in unfit:
                client.delete_run(run.info.run_id)
    else:
        tags = {"specbias.sweep_id": plan.sweep_id, "specbias.study": plan.study.name, "specbias.search": search}
        tags |= {"specbias.fresh": "true"} if fresh else {}
        tags["mlflow.note.content"] = plan.study.question  # MLflow shows it as the run's description
        name = f"{plan.study.name} {plan.preset} {plan.sweep_id}"
        parent_id = client.create_run(experiment_id, tags=tags | code() | hardware(), run_name=name).info.run_id
        client.log_batch(parent_id, params=_params(plan.base.to_dict()))
    client.update_run(parent_id, status="RUNNING")
    opened = {"specbias.opened": datetime.now(timezone.utc).isoformat(), "specbias.driver": _driver()}
    client.log_batch(parent_id, tags=[RunTag(key, value) for key, value in opened.items()])
    return Tracking(uri, experiment_id, parent_id), reused


def _experiment(client: MlflowClient, name: str, uri: str) -> str:
    found = client.get_experiment_by_name(name)
    if found and found.lifecycle_stage == "deleted":
        raise SettingError(f"--experiment {name} is in MLflow's trash: restore it, or name another")
    if found:
        return found.experiment_id
    # MLflow would put artifacts into the working directory: beside the data base they stay with it
    location = None
    if uri.startswith("sqlite:///"):
        location = str(Path(uri.removeprefix("sqlite:///")).parent / "mlruns" / name)
    return client.create_experiment(name, artifact_location=location)


def _driver() -> str:
    return f"{platform.node()}:{os.getpid()}:{_started(os.getpid())}"


def _started(pid: int) -> str:
    """Return when a process started, in the kernel's ticks: with it, a number used again is not taken for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""  # it is gone, or this is no Linux


def _refuse_if_running(parent: Run) -> None:
    host, pid, started = (parent.data.tags.get("specbias.driver", "") + "::").split(":")[:3]
    if parent.info.status != "RUNNING" or host != platform.node() or pid == str(os.getpid()):
        return
    if started and _started(int(pid)) == started:
        raise SettingError(f"this very sweep is running, in process {pid}: wait for it, or choose another --experiment")


def _finished(client: MlflowClient, experiment_id: str, trial_ids: set[str], within: str | None) -> dict[str, str]:
    query = "tags.specbias.outcome = 'finished'" + (f" and tags.mlflow.parentRunId = '{within}'" if within else "")
    found: dict[str, str] = {}
    for run in _search(client, experiment_id, query):
        if (trial_id := run.data.tags.get("specbias.trial_id")) in trial_ids:
            found.setdefault(trial_id, run.info.run_id)
    return found


def _drop_stateless_teachers(client: MlflowClient, plan: Plan, reused: dict[str, str]) -> set[str]:
    """Take from the trials to reuse those that must teach a missing one and have no state; return their runs."""
    dropped = set()
    for config in reversed(plan.trials):  # a student before its teacher
        teacher_id = plan.teacher_ids.get(config.trial_id, "")
        needed = teacher_id in reused and config.trial_id not in reused
        if needed and not client.list_artifacts(reused[teacher_id], "state"):
            dropped.add(reused.pop(teacher_id))
    return dropped


def _search(client: MlflowClient, experiment_id: str, query: str) -> list[Run]:
    """Return every run that fits, newest first, however many pages they fill."""
    page = client.search_runs([experiment_id], query)
    runs = list(page)
    while page.token:
        page = client.search_runs([experiment_id], query, page_token=page.token)
        runs += page
    return runs


def _params(settings: dict[str, Any]) -> list[Param]:
    return [Param(name, str(value)) for name, value in settings.items()]

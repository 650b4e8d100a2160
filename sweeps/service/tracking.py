"""Where do the results go? One parent run per sweep and one child run per trial in MLflow.

Only the driver writes: it opens the store, the experiment and the parent before any trial, and its mirror copies the
trials' journals. Whatever is written twice is there once. Tags that carry meaning here begin with `specbias.`.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # progress is a table
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # the mirror itself tries again, and for longer
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")  # seconds
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric, Param, Run, RunTag  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from sqlalchemy.exc import SQLAlchemyError  # noqa: E402

from specbias.masking import masked  # noqa: E402
from specbias.settings import SettingError  # noqa: E402
from sweeps.service.driver import refuse_if_running, this_driver  # noqa: E402
from sweeps.service.journal import Journal, Record  # noqa: E402
from sweeps.service.plan import Plan  # noqa: E402
from sweeps.service.provenance import code, hardware  # noqa: E402

logging.getLogger("alembic").setLevel(logging.WARNING)

ENTRIES = 1000  # that MLflow takes at once
OUTCOMES = {"finished": "FINISHED", "stopped early": "KILLED", "failed": "FAILED", "interrupted": "KILLED"}


@dataclass
class Tracking:
    """One sweep's place in MLflow."""

    client: MlflowClient
    uri: str  # absolute
    experiment_id: str
    parent_id: str
    afresh: bool  # what other sweeps of the experiment have finished is not reused
    run_ids: dict[str, str] = field(default_factory=dict)  # trial_id -> its run under the parent
    left: dict[str, dict[str, str]] = field(default_factory=dict)  # trial_id -> tags of that run, left by earlier calls

    def open_trial(self, config: Any, label: str) -> str:
        """Return the run id of the trial's child run: the one there is, else a new one with its settings."""
        if config.trial_id not in self.run_ids:
            query = f"tags.mlflow.parentRunId = '{self.parent_id}' and tags.specbias.trial_id = '{config.trial_id}'"
            found = self.client.search_runs([self.experiment_id], query)  # it may be there, and the answer was lost
            tags = {"mlflow.parentRunId": self.parent_id, "specbias.trial_id": config.trial_id}
            run = found[0] if found else self.client.create_run(self.experiment_id, tags=tags, run_name=label)
            self.client.log_batch(run.info.run_id, params=_params(config.to_dict()))
            self.run_ids[config.trial_id] = run.info.run_id
        return self.run_ids[config.trial_id]

    def reopen(self, run_id: str) -> set[int]:
        """Let a run that an earlier call left go on, and return the epochs that it holds."""
        tags = self.client.get_run(run_id).data.tags
        for key in {"specbias.outcome", "specbias.failure"} & set(tags):
            self.client.delete_tag(run_id, key)
        self.client.update_run(run_id, status="RUNNING")
        return set(self.curve(run_id))

    def curve(self, run_id: str, keys: Iterable[str] | None = None) -> dict[int, dict[str, float]]:
        """Return the metrics that a run holds, or those of these keys, by epoch."""
        found: dict[int, dict[str, float]] = {}
        for key in sorted(self.client.get_run(run_id).data.metrics) if keys is None else keys:
            for metric in self.client.get_metric_history(run_id, key):
                found.setdefault(metric.step, {})[key] = metric.value
        return dict(sorted(found.items()))

    def log(self, run_id: str, records: list[Record], journal: Journal, tags: Mapping[str, str]) -> None:
        """Write the arrays of these records as measurements/epoch_NNNN.npz, then all metrics with step = epoch.

        An epoch's metrics are written at once: it is there whole or not at all.
        """
        with tempfile.TemporaryDirectory() as folder:
            for record in records:
                file = journal.fetch(record, "arrays.npz", folder)
                named = Path(file).rename(Path(folder) / f"epoch_{record.epoch:04d}.npz")
                self.client.log_artifact(run_id, str(named), "measurements")
        self.client.log_batch(run_id, tags=_tags(tags))
        together = ENTRIES // max([len(record.metrics) for record in records], default=1)
        for start in range(0, len(records), max(together, 1)):
            part = records[start : start + max(together, 1)]
            metrics = [Metric(key, value, r.time, r.epoch) for r in part for key, value in r.metrics.items()]
            self.client.log_batch(run_id, metrics=metrics)

    def log_state(self, run_id: str, journal: Journal) -> None:
        """Keep the files of a trial's last state, if it has any, under state/."""
        with tempfile.TemporaryDirectory() as folder:
            if state := journal.fetch_state(folder):
                self.client.log_artifacts(run_id, state, "state")

    def fetch_state(self, run_id: str, folder: str) -> str:
        """Copy what `log_state` kept into a new folder inside `folder`, and return that."""
        return self.client.download_artifacts(run_id, "state", folder)

    def end(self, run_id: str, outcome: str, *, failure: str = "", traceback: str = "") -> None:
        """Give a run its final state: finished, stopped early, failed (with why) or interrupted."""
        if traceback:
            self.client.log_text(run_id, masked(traceback), "failure.txt")
        tags = {"specbias.outcome": outcome} | ({"specbias.failure": masked(failure)} if failure else {})
        self.client.set_terminated(run_id, OUTCOMES[outcome])
        self.client.log_batch(run_id, tags=_tags(tags))  # last: by its outcome another call takes the run for done

    def beat(self) -> None:
        """Say on the parent that this driver lives."""
        self.client.set_tag(self.parent_id, "specbias.alive", datetime.now(timezone.utc).isoformat())

    def log_sweep(self, plan: Plan, ends: Mapping[str, Mapping[str, Any]]) -> None:
        """Write sweep.json onto the parent run: the sweep's trials, and of each what is known of its end."""
        trials = [
            {"trial_id": config.trial_id, "label": plan.label(config), "intervention": plan.intervention(config)}
            | dict(ends.get(config.trial_id, {}))
            for config in plan.trials
        ]
        self.client.log_dict(self.parent_id, {"sweep_id": plan.sweep_id, "trials": trials}, "sweep.json")

    def end_sweep(self, plan: Plan, ends: Mapping[str, Mapping[str, Any]], outcome: str) -> None:
        """Write the sweep's list and its final state onto the parent run."""
        self.log_sweep(plan, ends)
        self.end(self.parent_id, outcome)

    def finished(self, plan: Plan) -> dict[str, str]:
        """Return trial_id -> run id of the plan's trials that are finished, anywhere in the experiment unless `afresh`.

        A trial that must teach one that is not, and has no state any more, counts for not finished.
        """
        query = "tags.specbias.outcome = 'finished'"
        query += f" and tags.mlflow.parentRunId = '{self.parent_id}'" if self.afresh else ""
        found: dict[str, str] = {}
        for run in _search(self.client, self.experiment_id, query):
            if (trial_id := run.data.tags.get("specbias.trial_id")) in plan.by_id:
                found.setdefault(trial_id, run.info.run_id)
        for config in reversed(plan.trials):  # a student before its teacher
            teacher_id = plan.teacher_ids.get(config.trial_id, "")
            needed = teacher_id in found and config.trial_id not in found
            if needed and not self.client.list_artifacts(found[teacher_id], "state"):
                del found[teacher_id]
        return found


def open_sweep(plan: Plan, *, uri: str, fresh: bool = False, resume: str | None = None) -> Tracking:
    """Open the store (made if absent), the experiment and the parent run.

    The parent is the one an earlier call made for the same sweep, or a new one; its unfinished runs go on. Raises
    SettingError if the store cannot be opened, `resume` is given and not this sweep, or another process is running it.
    """
    try:
        client = open_store(uri)
        experiment_id = _experiment(client, plan.experiment, uri, make=resume is None)
    except (MlflowException, SQLAlchemyError, ImportError) as error:
        raise SettingError(f"--tracking-uri {uri}: {str(error).splitlines()[0]}") from None
    if resume is not None:
        _refuse_other(client, experiment_id, plan, resume)
    parents = [] if fresh else _search(client, experiment_id, f"tags.specbias.sweep_id = '{plan.sweep_id}'")
    if parents:
        refuse_if_running(parents[0].data.tags, parents[0].info.status)
    afresh = fresh or bool(parents and "specbias.fresh" in parents[0].data.tags)
    parent_id = parents[0].info.run_id if parents else _new_parent(client, experiment_id, plan, fresh)
    client.update_run(parent_id, status="RUNNING")
    opened = {"specbias.opened": datetime.now(timezone.utc).isoformat(), "specbias.driver": this_driver()}
    client.log_batch(parent_id, tags=_tags(opened))
    children = _search(client, experiment_id, f"tags.mlflow.parentRunId = '{parent_id}'")
    for run in children:
        if run.info.status == "RUNNING":  # its driver was killed; if it goes on, it is opened again
            client.set_terminated(run.info.run_id, "KILLED")
    run_ids = {run.data.tags["specbias.trial_id"]: run.info.run_id for run in children}
    left = {run.data.tags["specbias.trial_id"]: run.data.tags for run in children}
    return Tracking(client, uri, experiment_id, parent_id, afresh, run_ids, left)


def open_store(uri: str) -> MlflowClient:
    """Return a client; a new data base in a file is made beside its place, so that it is whole or not there."""
    file = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:///") and not file.exists():
        unfinished = file.with_name(f".{file.name}.{os.getpid()}")
        MlflowClient(tracking_uri=f"sqlite:///{unfinished}").search_experiments(max_results=1)
        os.replace(unfinished, file)
    return MlflowClient(tracking_uri=uri)


def _new_parent(client: MlflowClient, experiment_id: str, plan: Plan, fresh: bool) -> str:
    tags = {"specbias.sweep_id": plan.sweep_id, "specbias.study": plan.study.name, "specbias.search": plan.chosen_by}
    tags |= {"specbias.fresh": "true"} if fresh else {}
    tags["mlflow.note.content"] = plan.study.question  # MLflow shows it as the run's description
    name = f"{plan.study.name} {plan.preset} {plan.sweep_id}"
    parent_id = client.create_run(experiment_id, tags=tags | code() | hardware(), run_name=name).info.run_id
    client.log_batch(parent_id, params=_params(plan.base.to_dict()))
    return parent_id


def _refuse_other(client: MlflowClient, experiment_id: str, plan: Plan, resume: str) -> None:
    """Refuse to resume a sweep that is not in the experiment, or that these settings are not those of."""
    tags = [run.data.tags for run in _search(client, experiment_id, "tags.specbias.sweep_id LIKE '%'")]
    known = {tag["specbias.sweep_id"]: tag.get("specbias.command_line", "") for tag in tags}
    if resume not in known:
        there = ", ".join(known) or "none"
        raise SettingError(f"--resume {resume}: no such sweep in experiment {plan.experiment}; there are: {there}")
    if resume != plan.sweep_id:
        raise SettingError(
            f"--resume {resume}: these settings make another sweep, {plan.sweep_id}; that one was {known[resume]}"
        )


def _experiment(client: MlflowClient, name: str, uri: str, *, make: bool) -> str:
    found = client.get_experiment_by_name(name)
    if found and found.lifecycle_stage == "deleted":
        raise SettingError(f"--experiment {name} is in MLflow's trash: restore it, or name another")
    if found:
        return found.experiment_id
    if not make:
        raise SettingError(f"--resume: there is no experiment {name} to resume a sweep of")
    # MLflow would put artifacts into the working directory: beside the data base they stay with it
    location = None
    if uri.startswith("sqlite:///"):
        location = str(Path(uri.removeprefix("sqlite:///")).parent / "mlruns" / name)
    return client.create_experiment(name, artifact_location=location)


def _search(client: MlflowClient, experiment_id: str, query: str) -> list[Run]:
    """Return every run that fits, newest first, however many pages they fill."""
    page = client.search_runs([experiment_id], query)
    runs = list(page)
    while page.token:
        page = client.search_runs([experiment_id], query, page_token=page.token)
        runs += page
    return runs


def _tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(key, value) for key, value in tags.items()]


def _params(settings: dict[str, Any]) -> list[Param]:
    return [Param(name, str(value)) for name, value in settings.items()]

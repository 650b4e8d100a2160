"""Where do the results go? One parent run per sweep and one child run per trial in MLflow.

Only the driver writes: opening.py finds or makes the parent before any trial, and the mirror copies the trials'
journals. Writing something twice leaves it there once. The tags of this project begin with `specbias.`.
"""

from __future__ import annotations

import math
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from PIL import Image

from specbias.settings import own_code
from specbias.settings.masking import masked
from specbias.trials.record import Tag
from sweeps.service.ask.plan import Plan
from sweeps.service.keep.journal import Journal, Record
from sweeps.service.keep.lock import Lock
from sweeps.service.keep.store import Metric, MlflowClient, Param, Run, RunTag, get_artifact_repository, search_runs

PICTURE = "spectrum"  # the key of a trial's picture
ENTRIES = 1000  # that MLflow takes at once
OUTCOMES = {"finished": "FINISHED", "stopped early": "KILLED", "failed": "FAILED", "interrupted": "KILLED"}


@dataclass
class Tracking:
    """One sweep's place in MLflow."""

    client: MlflowClient
    uri: str  # absolute
    experiment_id: str
    parent_id: str  # empty until `begin` has made it
    afresh: bool  # what other sweeps of the experiment have finished is not reused
    place: str = ""  # the folder on the storage that has the sweep's journals
    lock: Lock | None = None
    begun: bool = False
    former: str | None = None  # the parent, or "", in whose place one is being made
    restoring: bool = False  # what was deleted is being made anew
    run_ids: dict[str, str] = field(default_factory=dict)  # trial_id -> its run under the parent
    places: dict[str, str] = field(default_factory=dict)  # run id -> where its artifacts go, of those made here
    left: dict[str, dict[str, str]] = field(default_factory=dict)  # trial_id -> tags of that run, left by earlier calls
    asked: set[str] = field(default_factory=set)  # trial_ids for which this driver has asked for a run
    codes: dict[str, str] = field(default_factory=dict)  # trial_id -> the code that made it, of those that are finished

    def open_trial(self, config: Any, label: str, more_tags: Mapping[str, str]) -> str:
        """Return the run id of the trial's child run: the one there is, else a new one with `more_tags` too.

        `log` gives it its settings.
        """
        trial_id = config.trial_id
        if trial_id not in self.run_ids:
            query = f"tags.mlflow.parentRunId = '{self.parent_id}' and tags.{Tag.TRIAL_ID} = '{trial_id}'"
            doubtful = trial_id in self.asked  # it was made before, and the answer was lost
            found = self.client.search_runs([self.experiment_id], query) if doubtful else []
            self.asked.add(trial_id)
            tags = {**more_tags, "mlflow.parentRunId": self.parent_id, Tag.TRIAL_ID: trial_id}
            run = found[0] if found else self.client.create_run(self.experiment_id, tags=tags, run_name=label)
            self.run_ids[trial_id] = run.info.run_id
            self.places[run.info.run_id] = run.info.artifact_uri
        return self.run_ids[trial_id]

    def log_settings(self, run_id: str, config: Any) -> None:
        """Write a config's settings as a run's params."""
        self.client.log_batch(run_id, params=_params(config.as_record()))

    def reopen(self, run_id: str) -> set[int]:
        """Let a run that an earlier call left go on, and return the epochs that it holds."""
        tags = self.client.get_run(run_id).data.tags
        for key in {Tag.OUTCOME, Tag.FAILURE} & set(tags):
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

    def log(
        self, run_id: str, records: list[Record], journal: Journal, *, tags: Mapping[str, str], settings: dict[str, Any]
    ) -> None:
        """Write the arrays of these records as measurements/epoch_NNNN.npz; then settings, tags, and metrics by epoch.

        An epoch's metrics are written at once: it is there whole or not at all.
        """
        with tempfile.TemporaryDirectory() as folder:
            for record in records:
                file = journal.fetch(record, "arrays.npz", folder)
                os.replace(file, Path(folder) / f"epoch_{record.epoch:04d}.npz")
            if records:
                self._log_artifacts(run_id, folder, "measurements")
        room = ENTRIES - len(settings) - len(tags)
        together = max(1, room // max([len(record.metrics) for record in records], default=1))
        first: dict[str, Any] = {"params": _params(settings), "tags": _tags(tags)}
        for start in range(0, max(len(records), 1), together):
            part = records[start : start + together]
            metrics = [Metric(key, value, r.time, r.epoch) for r in part for key, value in r.metrics.items()]
            self.client.log_batch(run_id, metrics=metrics, **first)
            first = {}

    def log_state(self, run_id: str, journal: Journal, last: Record) -> None:
        """Keep the files of a trial's last state, if it has any, under state/."""
        with tempfile.TemporaryDirectory() as folder:
            if last.names("state"):
                self._log_artifacts(run_id, journal.fetch(last, "state", folder), "state")

    def log_picture(self, run_id: str, picture: bytes, *, step: int) -> None:
        """Keep a PNG of what a trial measured, once, so that MLflow's page of the run shows it beside the metrics."""
        if not self.client.list_artifacts(run_id, "images"):
            with BytesIO(picture) as file, Image.open(file) as image:
                self.client.log_image(run_id, image, key=PICTURE, step=step)

    def _log_artifacts(self, run_id: str, folder: str, name: str) -> None:
        """Copy a folder's files to a run. MLflow's client would first ask where to, which takes a fifth of the time."""
        if run_id not in self.places:
            self.client.log_artifacts(run_id, folder, name)
            return
        if self.lock is not None:
            self.lock.confirm()
        get_artifact_repository(self.places[run_id], tracking_uri=self.uri).log_artifacts(folder, name)

    def fetch_state(self, run_id: str, folder: str) -> str:
        """Copy what `log_state` kept into a new folder inside `folder`, and return that."""
        return self.client.download_artifacts(run_id, "state", folder)

    def end(self, run_id: str, outcome: str, *, failure: str = "", traceback: str = "") -> None:
        """Give a run its final state: finished, stopped early, failed (with why) or interrupted."""
        if traceback:
            self.client.log_text(run_id, masked(traceback), "failure.txt")
        self.client.set_terminated(run_id, OUTCOMES[outcome])
        if failure:
            self.client.set_tag(run_id, Tag.FAILURE, masked(failure))
        self.client.set_tag(run_id, Tag.OUTCOME, outcome)  # last: by it another call takes the run for done

    def log_sweep(self, plan: Plan, ends: Mapping[str, Mapping[str, Any]]) -> None:
        """Write sweep.json onto the parent run: the sweep's trials, and of each what is known of its end.

        Beside it the files of the user's own that trials are made with, own_code/HASH.py.
        """
        trials = [
            {"trial_id": config.trial_id, "label": plan.label(config), "intervention": plan.intervention(config)}
            | dict(ends.get(config.trial_id, {}))
            for config in plan.trials
        ]
        self.client.log_dict(self.parent_id, {"sweep_id": plan.sweep_id, "trials": trials}, "sweep.json")
        for identity, content in own_code.files().items():
            self.client.log_text(self.parent_id, content.decode(errors="replace"), f"own_code/{identity}.py")

    def end_sweep(self, plan: Plan, ends: Mapping[str, Mapping[str, Any]], outcome: str) -> None:
        """Write the sweep's list, what its trials came to and its final state onto the parent run."""
        self.log_sweep(plan, ends)
        now = int(1000 * time.time())
        metrics = [Metric(key, value, now, 0) for key, value in self._came_to(plan, ends).items()]
        self.client.log_batch(self.parent_id, metrics=metrics)
        self.end(self.parent_id, outcome)

    def _came_to(self, plan: Plan, ends: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
        """Return how many trials ended how, and the lowest and highest value of what the study shows of each."""
        counts = Counter(str(told["outcome"]).replace(" ", "_") for told in ends.values())
        found = {f"trials/{outcome}": float(count) for outcome, count in counts.items()}
        runs = [run for run in self.search(f"tags.{Tag.OUTCOME} = 'finished'") if _is_of(run, plan)]
        for key in plan.study.columns:
            values = [value for run in runs if math.isfinite(value := run.data.metrics.get(key, math.nan))]
            found |= {f"lowest/{key}": min(values), f"highest/{key}": max(values)} if values else {}
        return found

    def finished(self, plan: Plan) -> dict[str, str]:
        """Return trial_id -> run id of the plan's trials that are finished, anywhere in the experiment unless `afresh`.

        A trial that must teach one that is not, and has no state any more, counts for not finished.
        """
        query = f"tags.{Tag.OUTCOME} = 'finished'"
        query += f" and tags.mlflow.parentRunId = '{self.parent_id}'" if self.afresh else ""
        found: dict[str, str] = {}
        for run in self.search(query):
            if (trial_id := run.data.tags.get(Tag.TRIAL_ID)) in plan.by_id and trial_id not in found:
                found[trial_id], self.codes[trial_id] = run.info.run_id, run.data.tags.get(Tag.CODE, "unknown")
        for config in reversed(plan.trials):  # a student before its teacher
            teacher_id = plan.teacher_ids.get(config.trial_id, "")
            needed = teacher_id in found and config.trial_id not in found
            if needed and not self.client.list_artifacts(found[teacher_id], "state"):
                del found[teacher_id]
        return found

    def outcomes(self) -> set[tuple[str, str]]:
        """Return how trials ended, (trial_id, outcome) of each run of the experiment; of this sweep's if `afresh`."""
        query = f"tags.{Tag.OUTCOME} LIKE '%'"
        query += f" and tags.mlflow.parentRunId = '{self.parent_id}'" if self.afresh else ""
        tags = [run.data.tags for run in self.search(query)]
        return {(tag.get(Tag.TRIAL_ID, ""), tag[Tag.OUTCOME]) for tag in tags}

    def check(self) -> None:
        """Raise Lost if another driver has taken the sweep over."""
        if self.lock is not None:
            self.lock.check()

    def release(self) -> None:
        """Let another driver have the sweep: this one writes no more."""
        if self.lock is not None:
            self.lock.release()

    def search(self, query: str, *, deleted: bool = False) -> list[Run]:
        """Return every run of the experiment that fits, newest first; those that were deleted too if asked."""
        return search_runs(self.client, self.experiment_id, query, deleted=deleted)


def trials_url(uri: str, experiment_id: str, parent_id: str, key: str) -> str:
    """Return where MLflow's pages show a sweep's trials as a flat list, by one of their metrics.

    On the server of the store, or where `mlflow ui` serves a data base by default. The kind of view is said: without
    it MLflow 3 may open the one for language models, which has nothing of a sweep.
    """
    server = re.sub("//.*@", "//", uri) if uri.startswith("http") else "http://127.0.0.1:5000"  # no password
    asked = {"workflowType": "machine_learning", "searchFilter": f"tags.mlflow.parentRunId = '{parent_id}'"}
    asked |= {"orderByKey": f"metrics.`{key}`", "orderByAsc": "false"}
    return f"{server.rstrip('/')}/#/experiments/{experiment_id}/runs?{urlencode(asked, quote_via=quote, safe='')}"


def _is_of(run: Run, plan: Plan) -> bool:
    return run.data.tags.get(Tag.TRIAL_ID) in plan.by_id


def _tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(key, value) for key, value in tags.items()]


def _params(settings: Mapping[str, Any]) -> list[Param]:
    return [Param(name, str(value)) for name, value in settings.items()]

"""Where do the numbers come from? MLflow -> one table, a row per trial and epoch, and arrays; attach() writes back."""

from __future__ import annotations

import ast
import json
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # a server that is not there is said at once
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Run  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from sqlalchemy.exc import SQLAlchemyError  # noqa: E402


class RecordError(ValueError):
    """The records asked for are not there: one line that says what was looked for and what there is."""


class Records(NamedTuple):
    """The finished trials of one sweep: a row per (trial, epoch), and what was left out.

    Columns of `table`: trial_id, run_id, label, study, intervention (the one setting that differs from the
    sweep's baseline, "several settings", or "baseline"), search, epoch, every setting under its own name, every metric.
    """

    table: pd.DataFrame
    metrics: list[str]  # the columns that are metrics
    left_out: dict[str, int]  # why not -> number of the sweep's trials without a place in the table
    sweep_id: str
    parent_run_id: str  # to attach results to
    other_sweeps: list[str]  # in the same experiment


def load_records(experiment: str, *, tracking_uri: str, sweep: str | None = None) -> Records:
    """Read one sweep of an MLflow experiment: the one whose id begins with `sweep`, by default the latest.

    Sweeps are not mixed: they may differ in data, baseline and search. A trial that the sweep reused is read where it
    was run; one that was run twice counts once, the sweep's own run or else the newest. Raises RecordError, in one
    line that says what there is, if the store, the experiment, the sweep or a finished trial is not there.
    """
    try:
        client = _client(tracking_uri)
        runs = _runs(client, experiment, tracking_uri)
        parent, others = _choose(runs, experiment, sweep)
        parent_id = parent.info.run_id
        trials = json.loads(Path(client.download_artifacts(parent_id, "sweep.json")).read_text())["trials"]
    except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        raise RecordError(f"{tracking_uri}: {str(error).splitlines()[0]}") from None

    rows, left_out = [], Counter[str]()
    for trial in trials:
        own = [run for run in runs if run.data.tags.get("specbias.trial_id") == trial["trial_id"]]
        own.sort(key=lambda run: run.data.tags["mlflow.parentRunId"] != parent_id)  # the sweep's first, else newest
        finished = [run for run in own if run.data.tags.get("specbias.outcome") == "finished"]
        if finished:
            rows += _rows(client, finished[0], trial, parent)
        else:
            left_out[own[0].data.tags.get("specbias.outcome", "running") if own else "not started"] += 1
    if not rows:
        raise RecordError(f"sweep {parent.data.tags['specbias.sweep_id']} of {experiment!r} has no finished trial")
    table = pd.DataFrame(rows)
    metrics = [column for column in table.columns if "/" in column]
    return Records(table, metrics, dict(left_out), parent.data.tags["specbias.sweep_id"], parent_id, others)


def load_arrays(run_id: str, *, tracking_uri: str, epoch: int | None = None) -> dict[str, np.ndarray]:
    """Return the arrays of a trial's measurement at `epoch`, by default its last; RecordError if there is none."""
    client = _client(tracking_uri)
    try:
        paths = {int(Path(f.path).stem.split("_")[1]): f.path for f in client.list_artifacts(run_id, "measurements")}
        if not paths or epoch not in (None, *paths):
            there = ", ".join(map(str, sorted(paths))) or "none"
            asked = "" if epoch is None else f" at epoch {epoch}"
            raise RecordError(f"run {run_id} has no arrays{asked}; there are: {there}")
        with tempfile.TemporaryDirectory() as folder:
            file = client.download_artifacts(run_id, paths[max(paths) if epoch is None else epoch], folder)
            with np.load(file) as arrays:
                return dict(arrays)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise RecordError(f"{tracking_uri}: {str(error).splitlines()[0]}") from None


def attach(run_id: str, files: list[Path], *, tracking_uri: str) -> None:
    """Put files onto a run as artifacts under `analysis/`; the one thing this package writes."""
    for file in files:
        MlflowClient(tracking_uri=tracking_uri).log_artifact(run_id, str(file), "analysis")


def _client(tracking_uri: str) -> MlflowClient:
    path = Path(tracking_uri.removeprefix("sqlite:///"))
    if tracking_uri.startswith("sqlite:///") and not path.exists():  # MLflow would make an empty one
        raise RecordError(f"there is no MLflow store at {path.resolve()}: run a sweep, or give --tracking-uri")
    return MlflowClient(tracking_uri=tracking_uri)


def _runs(client: MlflowClient, experiment: str, tracking_uri: str) -> list[Run]:
    """Return all runs of the experiment, newest first."""
    found = client.get_experiment_by_name(experiment)
    if found is None:
        names = ", ".join(repr(e.name) for e in client.search_experiments()) or "none"
        raise RecordError(f"there is no experiment {experiment!r} in {tracking_uri}; there are: {names}")
    page = client.search_runs([found.experiment_id])
    runs = list(page)
    while page.token:
        page = client.search_runs([found.experiment_id], page_token=page.token)
        runs += page
    return runs


def _choose(runs: list[Run], experiment: str, sweep: str | None) -> tuple[Run, list[str]]:
    """Return the parent run of the sweep asked for, or of the latest, and the ids of the other sweeps."""
    parents = [run for run in runs if "specbias.sweep_id" in run.data.tags]
    parents.sort(key=lambda run: run.data.tags.get("specbias.opened", ""), reverse=True)
    ids = list(dict.fromkeys(run.data.tags["specbias.sweep_id"] for run in parents))
    chosen = [run for run in parents if run.data.tags["specbias.sweep_id"].startswith(sweep or "")]
    if not chosen:
        said = f"no sweep {sweep!r}; there are: {', '.join(ids)}" if ids else "no sweep"
        raise RecordError(f"experiment {experiment!r} holds {said}")
    return chosen[0], [i for i in ids if i != chosen[0].data.tags["specbias.sweep_id"]]


def _rows(client: MlflowClient, run: Run, trial: dict, parent: Run) -> list[dict]:
    fixed = {
        "trial_id": trial["trial_id"],
        "run_id": run.info.run_id,
        "label": trial["label"],
        "study": parent.data.tags["specbias.study"],
        "intervention": trial["intervention"],
        "search": parent.data.tags["specbias.search"],
        **{name: text if name.endswith("_id") else _value(text) for name, text in run.data.params.items()},
    }
    by_epoch: dict[int, dict] = {}
    for key in run.data.metrics:
        for metric in client.get_metric_history(run.info.run_id, key):
            by_epoch.setdefault(metric.step, {})[key] = metric.value
    return [{**fixed, "epoch": epoch, **by_epoch[epoch]} for epoch in sorted(by_epoch)]


def _value(text: str) -> object:
    """Return what a setting's text says: a number, bool, None or list, else the text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text

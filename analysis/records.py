"""Where do an analysis' numbers come from? MLflow -> one table, a row per trial and epoch; attach() writes back."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # a server that is not there is said at once
import pandas as pd  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Run  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402


class RecordError(ValueError):
    """The records asked for are not there: one line that says what was looked for and what there is."""


class Records(NamedTuple):
    """A row per (trial, epoch), and what was left out of it.

    Columns of `table`: trial_id, run_id, label, study, intervention (the settings that differ from the sweep's
    baseline, joined by commas, or "baseline"), search, epoch, every setting under its own name, every metric.
    """

    table: pd.DataFrame
    settings: list[str]  # the columns that are settings
    metrics: list[str]  # the columns that are metrics
    left_out: dict[str, int]  # outcome -> number of trials without a place in the table
    parent_run_id: str  # of the newest sweep, to attach results to


def load_records(experiment: str, *, tracking_uri: str) -> Records:
    """Read the finished trials of an MLflow experiment; a trial that was run twice counts once, the newer run.

    Trials that failed, were stopped or still run are left out and counted. Raises RecordError, naming the experiments
    there are, if this one is not there or holds no finished trial.
    """
    path = Path(tracking_uri.removeprefix("sqlite:///"))
    if tracking_uri.startswith("sqlite:///") and not path.exists():  # MLflow would make an empty one
        raise RecordError(f"there is no MLflow store at {path.resolve()}: run a sweep, or give --tracking-uri")
    client = MlflowClient(tracking_uri=tracking_uri)
    runs = _runs(client, experiment, tracking_uri)
    parents = {run.info.run_id: run for run in runs if "specbias.sweep_id" in run.data.tags}
    chosen: dict[str, Run] = {}
    left_out: dict[str, int] = {}
    for run in runs:  # newest first
        trial_id, outcome = (run.data.tags.get(f"specbias.{key}") for key in ("trial_id", "outcome"))
        if trial_id is None:
            continue
        if outcome != "finished":
            outcome = outcome or "still running"
            left_out[outcome] = left_out.get(outcome, 0) + 1
        elif trial_id in chosen:
            left_out["run again later"] = left_out.get("run again later", 0) + 1
        else:
            chosen[trial_id] = run
    if not chosen:
        raise RecordError(f"experiment {experiment!r} in {tracking_uri} holds no finished trial")

    rows = [row for run in reversed(chosen.values()) for row in _rows(client, run, parents)]
    first = next(iter(chosen.values()))
    return Records(
        pd.DataFrame(rows),
        settings=list(first.data.params),
        metrics=sorted({key for run in chosen.values() for key in run.data.metrics}),
        left_out=left_out,
        parent_run_id=next(iter(parents)),
    )


def attach(run_id: str, files: list[Path], *, tracking_uri: str) -> None:
    """Put files onto a run as artifacts under `analysis/`; the one thing this package writes."""
    for file in files:
        MlflowClient(tracking_uri=tracking_uri).log_artifact(run_id, str(file), "analysis")


def _runs(client: MlflowClient, experiment: str, tracking_uri: str) -> list[Run]:
    """Return all runs of the experiment, newest first."""
    try:
        found = client.get_experiment_by_name(experiment)
        if found is None:
            names = ", ".join(repr(e.name) for e in client.search_experiments()) or "none"
            raise RecordError(f"there is no experiment {experiment!r} in {tracking_uri}; there are: {names}")
        runs: list[Run] = []
        token = None
        while True:
            page = client.search_runs([found.experiment_id], page_token=token)
            runs += page
            if not (token := page.token):
                return runs
    except MlflowException as error:
        raise RecordError(f"{tracking_uri}: {str(error).splitlines()[0]}") from None


def _rows(client: MlflowClient, run: Run, parents: dict[str, Run]) -> list[dict]:
    tags = run.data.tags
    parent = parents.get(tags["mlflow.parentRunId"])
    fixed = {
        "trial_id": tags["specbias.trial_id"],
        "run_id": run.info.run_id,
        "label": run.info.run_name,
        "study": tags.get("specbias.study", ""),
        "intervention": tags.get("specbias.intervention", ""),
        "search": parent.data.tags.get("specbias.search", "") if parent else "",
        **{name: _value(text) for name, text in run.data.params.items()},
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

"""Where do the numbers come from? MLflow -> one table, a row per trial and epoch; attach() writes back."""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # fail at once if there is no server
import pandas as pd  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Run  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from mlflow.utils.rest_utils import http_request, verify_rest_response  # noqa: E402
from sqlalchemy.exc import SQLAlchemyError  # noqa: E402

from analysis.tables.older_trials import with_new_settings  # noqa: E402
from analysis.tables.options import Options  # noqa: E402
from analysis.tables.records_file import read_records, value_of  # noqa: E402
from analysis.tables.table import RecordError, Records, normal  # noqa: E402
from specbias.settings.masking import masked  # noqa: E402
from specbias.trials.record import Origin, Tag, is_text, make_row

TOGETHER = 100  # runs whose curves one request brings, the most that MLflow's server gives
POINTS = 25_000  # and the most points


def open_records(options: Options) -> Records:
    """Return the records that the command line asks for; RecordError if they are not there."""
    if (options.experiment is None) == (options.records is None):
        raise RecordError("give --experiment NAME, or --records FILE: one of the two")
    if options.records is None and options.study is not None:
        raise RecordError("--study chooses in a file of --records: the sweep of an experiment is of one study")
    if options.records is not None and options.sweep is not None:
        raise RecordError("--sweep chooses in an experiment: a file of --records is taken whole")
    if options.records is not None:
        found = read_records(options.records, options.study)
    else:
        assert options.experiment is not None
        found = load_records(options.experiment, tracking_uri=options.uri, sweep=options.sweep)
    return replace(found.of_one_measure(options.measure_version), take_selected=options.selected)


def load_records(experiment: str, *, tracking_uri: str, sweep: str | None = None) -> Records:
    """Read one sweep of an MLflow experiment: the one whose id begins with `sweep`, by default the latest.

    Sweeps are not mixed: they may differ in data, baseline and search. A trial that the sweep reused is read from the
    sweep that ran it. Of a trial that ran twice the sweep's own run counts, or else the newest.

    There is one request per 1,000 runs, one for the sweep's list, and one per metric and 100 trials. RecordError, whose
    message lists what there is, if there is no such store, experiment, sweep or finished trial.
    """
    try:
        client = client_of(tracking_uri)
        runs = _runs(client, experiment, tracking_uri)
        parent, others = _choose(runs, experiment, sweep)
        parent_id, tags = parent.info.run_id, parent.data.tags
        listed = _listed(client, parent)
        found = {trial["trial_id"]: run for trial, run in _pick(listed, runs, parent_id)}
        finished = [run for run in found.values() if _outcome(run) == "finished"]
        curves = _curves(client, finished)
        elsewhere = [] if finished else _others_finished(client, runs, tags[Tag.SWEEP_ID])
    except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        raise RecordError(f"{tracking_uri}: {str(error).splitlines()[0]}") from None

    rows, trials = [], []
    for trial in listed:
        run = found.get(trial["trial_id"])
        outcome = _outcome(run) if run else "not started"
        failure = run.data.tags.get(Tag.FAILURE, "") if run else ""
        trials.append(trial | {"outcome": outcome, "failure": failure, "run_id": run.info.run_id if run else ""})
        if run and outcome == "finished":
            by_epoch = curves[run.info.run_id]
            origin, settings = _origin(trial, run, tags), _settings(run)
            rows += [make_row(origin, epoch, settings, by_epoch[epoch]) for epoch in sorted(by_epoch)]
            trials[-1]["outcome"] = outcome if by_epoch else "finished without metrics"
    if not rows:
        cure = f"for --sweep there are: {', '.join(elsewhere)}" if elsewhere else "no other sweep has one"
        raise RecordError(f"sweep {tags[Tag.SWEEP_ID]} of {experiment!r} has no finished trial; {cure}")
    left_out = Counter(trial["outcome"] for trial in trials if trial["outcome"] != "finished")
    about = {**tags, **parent.data.params, "experiment_id": parent.info.experiment_id}
    return with_new_settings(
        Records(normal(pd.DataFrame(rows)), dict(left_out), experiment, tracking_uri, parent_id, others, trials, about)
    )


def attach(records: Records, files: list[Path]) -> bool:
    """Put files onto the sweep's parent run as artifacts under `analysis/`, the one thing this package writes.

    False if there is no such run, or if it cannot be written to; the reason is then printed.
    """
    if records.uri is None or records.parent_run_id is None:
        return False
    client = MlflowClient(tracking_uri=records.uri)
    try:
        for file in files:
            client.log_artifact(records.parent_run_id, str(file), "analysis")
    except (MlflowException, SQLAlchemyError, OSError) as error:
        print(f"not attached to the parent run: {masked(str(error)).splitlines()[0]}", file=sys.stderr)
        return False
    return True


def client_of(tracking_uri: str) -> MlflowClient:
    """Return a client of a store that is there; RecordError where it is not."""
    path = Path(tracking_uri.removeprefix("sqlite:///"))
    if "://" not in tracking_uri and path.is_file():
        raise RecordError(f"--tracking-uri {tracking_uri} is a file: its address is sqlite:///{path.resolve()}")
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
    parents = _parents(runs)
    ids = list(dict.fromkeys(run.data.tags[Tag.SWEEP_ID] for run in parents))
    chosen = [run for run in parents if run.data.tags[Tag.SWEEP_ID].startswith(sweep or "")]
    if not chosen:
        there = f"no sweep {sweep!r}; there are: {', '.join(ids)}" if ids else "no sweep"
        raise RecordError(f"experiment {experiment!r} holds {there}")
    return chosen[0], [i for i in ids if i != chosen[0].data.tags[Tag.SWEEP_ID]]


def _parents(runs: list[Run]) -> list[Run]:
    """Return the parent runs, the one opened last first."""
    parents = [run for run in runs if Tag.SWEEP_ID in run.data.tags]
    return sorted(parents, key=lambda run: run.data.tags.get(Tag.OPENED, ""), reverse=True)


def _listed(client: MlflowClient, parent: Run) -> list[dict]:
    """Return the trials of a sweep, by its list."""
    with tempfile.TemporaryDirectory() as folder:  # MLflow would leave one of its own
        return json.loads(Path(client.download_artifacts(parent.info.run_id, "sweep.json", folder)).read_text())[
            "trials"
        ]


def _others_finished(client: MlflowClient, runs: list[Run], without: str) -> list[str]:
    """Return the other sweeps that have finished trials, the latest first: id, when it was opened, and how many."""
    latest: dict[str, Run] = {}
    for parent in _parents(runs):
        latest.setdefault(parent.data.tags[Tag.SWEEP_ID], parent)
    found = []
    for sweep_id, parent in latest.items():
        picked = () if sweep_id == without else _pick(_listed(client, parent), runs, parent.info.run_id)
        if finished := sum(_outcome(run) == "finished" for _, run in picked):
            opened = parent.data.tags.get(Tag.OPENED, "")[:16].replace("T", " ")
            found.append(f"{sweep_id} ({opened}, {finished} finished)")
    return found


def _pick(listed: list[dict], runs: list[Run], parent_id: str) -> Iterator[tuple[dict, Run]]:
    """Yield each trial of the list with its run: a finished one before others, the sweep's own before the newest."""
    by_trial: dict[str, list[Run]] = {}
    for run in runs:
        by_trial.setdefault(run.data.tags.get(Tag.TRIAL_ID, ""), []).append(run)
    for trial in listed:
        own = by_trial.get(trial["trial_id"], [])
        own.sort(key=lambda run: (_outcome(run) != "finished", run.data.tags["mlflow.parentRunId"] != parent_id))
        if own:
            yield trial, own[0]


def _outcome(run: Run) -> str:
    return run.data.tags.get(Tag.OUTCOME, "running")


def _curves(client: MlflowClient, runs: list[Run]) -> dict[str, dict[int, dict[str, float]]]:
    """Return run id -> epoch -> metric -> its value, the one logged last."""
    found: dict[str, dict[int, dict[str, float]]] = {run.info.run_id: {} for run in runs}
    for key in sorted({key for run in runs for key in run.data.metrics}):
        with_it = [run.info.run_id for run in runs if key in run.data.metrics]
        for start in range(0, len(with_it), TOGETHER):
            for run_id, epoch, value in _history(client, with_it[start : start + TOGETHER], key):
                finite = value if abs(value) < sys.float_info.max else math.nan  # MLflow stores infinity as that
                found[run_id].setdefault(epoch, {})[key] = finite
    return found


def _history(client: MlflowClient, run_ids: list[str], key: str) -> list[tuple[str, int, float]]:
    """Return (run id, step, value) of one metric of many runs, oldest first: what MLflow's own charts are drawn from.

    MLflow's public API has only a request per run and metric, `MlflowClient.get_metric_history`: of 300 trials with 22
    metrics at 12 epochs in SQLite it takes 24 s of processor time, in eight threads 22 s, where all reading takes 4 s.
    """
    store = client._tracking_client.store
    if hasattr(store, "get_metric_history_bulk"):  # a data base
        points = store.get_metric_history_bulk(run_ids, key, POINTS)
        found = [(each.run_id, each.step, each.value) for each in points]
    else:  # a server
        path = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
        asked = {"run_id": run_ids, "metric_key": key, "max_results": POINTS}
        answer = verify_rest_response(http_request(store.get_host_creds(), path, "GET", params=asked), path).json()
        found = [(each["run_id"], int(each["step"]), float(each["value"])) for each in answer["metrics"]]
    if len(found) < POINTS or len(run_ids) == 1:
        return found
    half = len(run_ids) // 2
    return _history(client, run_ids[:half], key) + _history(client, run_ids[half:], key)


def _origin(trial: dict, run: Run, tags: dict[str, str]) -> Origin:
    return Origin(
        sweep_id=tags[Tag.SWEEP_ID],
        trial_id=trial["trial_id"],
        run_id=run.info.run_id,
        label=trial["label"],
        study=tags[Tag.STUDY],
        intervention=trial["intervention"],
        search=tags[Tag.SEARCH],
    )


def _settings(run: Run) -> dict[str, object]:
    return {name: text if is_text(name) else value_of(text) for name, text in run.data.params.items()}

"""Which run in MLflow belongs to this sweep, and may this process drive it? Nothing is written before both are known.

The trials, the experiment and the store decide where a sweep's journals are on the storage. So the journals are found
whatever happens to its runs in MLflow. Runs that are deleted while the sweep is running are made again.
"""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from specbias.settings import SettingError
from specbias.settings.config import MEASURE_VERSION
from specbias.trials.record import Tag
from sweeps.service.ask.plan import Plan
from sweeps.service.keep.experiment import Experiment
from sweeps.service.keep.lock import Guarded, Lock
from sweeps.service.keep.storage import delete_folder, list_folder
from sweeps.service.keep.store import insist_on_opening, is_active, search_runs
from sweeps.service.keep.tracking import Tracking, trials_url
from sweeps.service.machines.provenance import code, hardware

PAGE = "The trials of this sweep, in a flat list"


@contextmanager
def open_sweep(
    plan: Plan, *, uri: str, storage_path: str, fresh: bool = False, resume: str | None = None, patience: float = 0.0
) -> Iterator[Tracking]:
    """Open the store (made if absent) and the experiment, and hold the sweep's lock; `begin` has it run.

    The parent is the one an earlier call made for the same sweep, and its unfinished runs go on. What fails is tried
    again for `patience` seconds. Raises SettingError if the store cannot be opened, `resume` is given and not this
    sweep, or another process is running it.
    """
    name, storage = _name(plan, uri), storage_path.rstrip("/")
    place = f"{storage}/{name}"
    file = f"{tempfile.gettempdir()}/specbias-{name}.lock" if "://" in storage else f"{place}.lock"

    def open_experiment() -> Experiment:
        experiment = Experiment(plan, uri)
        if resume is not None and not (resume == plan.sweep_id and list_folder(place)):
            _refuse_other(experiment.client, plan, resume)
        experiment.open()
        return experiment

    experiment = insist_on_opening(open_experiment, uri, patience=patience)
    lock = Lock(experiment, file)
    with ExitStack() as stack:
        insist_on_opening(lambda: stack.enter_context(lock), uri, patience=patience)
        if fresh:
            _clear(place)
        yield insist_on_opening(lambda: _find(plan, experiment, lock, storage, fresh=fresh), uri, patience=patience)


def _find(plan: Plan, experiment: Experiment, lock: Lock, storage: str, *, fresh: bool) -> Tracking:
    """Return what there is of the sweep in the store: its parent, if there is one, and its trials' runs."""
    query = f"tags.{Tag.SWEEP_ID} = '{plan.sweep_id}'"
    parents = [] if fresh else search_runs(experiment.client, experiment.experiment_id, query, deleted=True)
    parents.sort(key=lambda run: run.info.lifecycle_stage == "deleted")  # the newest that is not
    afresh = fresh or bool(parents and Tag.FRESH in parents[0].data.tags)
    client: Any = Guarded(experiment.client, lock)
    place = f"{storage}/{_name(plan, experiment.uri)}"
    tracking = Tracking(client, experiment.uri, experiment.experiment_id, "", afresh, place, lock)
    if parents:
        tracking.parent_id = parents[0].info.run_id
        named = parents[0].data.tags.get(Tag.JOURNALS)  # by another address of the store
        tracking.place = f"{storage}/{named}" if named in list_folder(storage) else place
    for run in _children(tracking, tracking.parent_id):
        tracking.run_ids[run.data.tags[Tag.TRIAL_ID]] = run.info.run_id
        tracking.left[run.data.tags[Tag.TRIAL_ID]] = run.data.tags
    return tracking


def begin(tracking: Tracking, plan: Plan) -> None:
    """Have the sweep run: put right what earlier drivers left, and make its parent, or have that go on."""
    for run in _children(tracking, tracking.parent_id):
        if run.info.status == "RUNNING":  # its driver was killed; if it goes on, it is opened again
            tracking.client.set_terminated(run.info.run_id, "KILLED")
    _have_parent(tracking, plan)
    tracking.begun = True


def give_up(tracking: Tracking) -> None:
    """Have a parent that was made, by a sweep that could not begin, not go on; if MLflow takes that at once."""
    with suppress(Exception):
        if parent_id := _find_parent(tracking):
            tracking.end(parent_id, "interrupted")


def restore(tracking: Tracking, plan: Plan, trial_id: str = "") -> str:
    """Make anew what was deleted while the sweep runs, and return what it was: experiment, parent run, a trial's run.

    Empty where nothing is missing, which is looked for in the parent and that trial. Else `run_ids` are those that are
    left. SettingError where it cannot be made anew.
    """
    if not tracking.begun or tracking.lock is None:
        return ""
    experiment, run_id = tracking.lock.claims, tracking.run_ids.get(trial_id)
    assert isinstance(experiment, Experiment)
    if experiment.is_gone():
        experiment.reopen()
        tracking.client = Guarded(experiment.client, tracking.lock)  # type: ignore[assignment]
    parent_there = is_active(experiment.client, tracking.parent_id)
    if parent_there and not tracking.restoring and (run_id is None or is_active(experiment.client, run_id)):
        return ""
    tracking.restoring = True  # until all of this is done: what fails in it is to be done again
    deleted = "a trial's run" if parent_there else "the parent run"
    with tracking.lock.turn:
        tracking.experiment_id = experiment.open()
        if tracking.lock.token not in experiment.read():
            deleted = "the experiment"
            tracking.lock.claim_again()
    _have_parent(tracking, plan)
    there = {run.info.run_id for run in tracking.search(f"tags.{Tag.TRIAL_ID} LIKE '%'")}
    tracking.run_ids = {trial_id: run_id for trial_id, run_id in tracking.run_ids.items() if run_id in there}
    tracking.restoring = False
    return deleted


def _have_parent(tracking: Tracking, plan: Plan) -> None:
    """Make the parent where there is none, and have it run; the runs of one that was deleted go over to it."""
    if tracking.former is None and not is_active(tracking.client, tracking.parent_id):
        tracking.former = tracking.parent_id
    if tracking.former is not None:
        tracking.parent_id = _find_parent(tracking) or _new_parent(tracking, plan)  # there, and the answer was lost
        tracking.log_settings(tracking.parent_id, plan.base)
        for run in _children(tracking, tracking.former):
            tracking.client.set_tag(run.info.run_id, "mlflow.parentRunId", tracking.parent_id)
        tracking.former = None
    tags = {Tag.OPENED: datetime.now(UTC).isoformat(), Tag.DRIVER: _driver(tracking)}
    page = trials_url(tracking.uri, tracking.experiment_id, tracking.parent_id, next(iter(plan.study.columns), ""))
    tags |= {Tag.TRIALS: page, "mlflow.note.content": f"{plan.study.question}\n\n[{PAGE}]({page})"}  # its description
    for key, value in (tags | {Tag.JOURNALS: tracking.place.rpartition("/")[2]}).items():
        tracking.client.set_tag(tracking.parent_id, key, value)
    tracking.log_sweep(plan, {})
    tracking.client.update_run(tracking.parent_id, status="RUNNING")


def _children(tracking: Tracking, parent_id: str) -> list[Any]:
    """Return the runs of the sweep's trials under a parent, those of earlier calls included."""
    return tracking.search(f"tags.mlflow.parentRunId = '{parent_id}'") if parent_id else []


def _find_parent(tracking: Tracking) -> str:
    """Return the id of the parent that this driver has made; empty if there is none."""
    found = tracking.search(f"tags.{Tag.DRIVER} = '{_driver(tracking)}'")
    return found[0].info.run_id if found else ""


def _driver(tracking: Tracking) -> str:
    """Return who this process is, in a word."""
    return f"{platform.node()}:{os.getpid()}:{tracking.lock.token if tracking.lock else ''}"


def _new_parent(tracking: Tracking, plan: Plan) -> str:
    tags = {Tag.SWEEP_ID: plan.sweep_id, Tag.STUDY: plan.study.name, Tag.SEARCH: plan.chosen_by}
    tags |= {Tag.DRIVER: _driver(tracking)} | ({Tag.FRESH: "true"} if tracking.afresh else {})
    name = f"{plan.study.name} {plan.preset} {plan.sweep_id}"
    made = tracking.client.create_run(tracking.experiment_id, tags=tags | code() | hardware(), run_name=name)
    return made.info.run_id


def _refuse_other(client: Any, plan: Plan, resume: str) -> None:
    """Refuse to resume a sweep that is not in the experiment, or that these settings are not those of."""
    experiment = client.get_experiment_by_name(plan.experiment)
    if experiment is None:
        raise SettingError(f"--resume: there is no experiment {plan.experiment} to resume a sweep of")
    tags = [run.data.tags for run in search_runs(client, experiment.experiment_id, f"tags.{Tag.SWEEP_ID} LIKE '%'")]
    known = {tag[Tag.SWEEP_ID]: tag.get(Tag.COMMAND_LINE, "") for tag in tags}
    if resume not in known:
        there = ", ".join(known) or "none"
        raise SettingError(f"--resume {resume}: no such sweep in experiment {plan.experiment}; there are: {there}")
    for version in range(1, MEASURE_VERSION):
        if resume != plan.sweep_id and resume == plan.measured_by(version):
            raise SettingError(
                f"--resume {resume}: its trials were measured by version {version} of the measure and can't go on with"
                f" version {MEASURE_VERSION}: without --resume they begin anew, as sweep {plan.sweep_id}"
            )
    if resume != plan.sweep_id:
        raise SettingError(
            f"--resume {resume}: these settings make another sweep, {plan.sweep_id}; that one was {known[resume]}"
        )


def _name(plan: Plan, uri: str) -> str:
    """Return the name of the sweep's place on a storage; each store and experiment has its own."""
    store = uri if uri.startswith("sqlite:") else uri.rpartition("://")[2].rpartition("@")[2].partition("?")[0]
    return f"{plan.sweep_id}-{hashlib.sha256(f'{store} {plan.experiment}'.encode()).hexdigest()[:8]}"


def _clear(place: str) -> None:
    """Delete the journals of an earlier sweep of these trials, which are all to be run anew."""
    delete_folder(place)
    if list_folder(place):
        raise SettingError(f"--fresh: {place} cannot be deleted; delete it, or give another --storage-path")

"""How does a plan become finished trials? Checks, Ray Tune, and a summary: a sweep from start to end."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ray

from specbias.settings import SettingError, own_code
from specbias.settings.masking import masked_errors
from sweeps.service.ask.options import Options, identified
from sweeps.service.ask.plan import Plan, about, make_plan
from sweeps.service.keep.opening import begin, give_up, open_sweep
from sweeps.service.keep.records import finished_trials
from sweeps.service.keep.store import insist_on_opening
from sweeps.service.machines import cluster, nodes, preflight, sharing
from sweeps.service.machines.environment import Environment, folders_of
from sweeps.service.machines.provenance import code
from sweeps.service.run.feed import run_trials
from sweeps.service.run.interrupts import Interrupts
from sweeps.service.run.ledger import Ledger
from sweeps.service.run.mirror import Mirror
from sweeps.service.run.progress import Progress
from sweeps.service.run.reuse import bring_teachers, open_ledger, refuse_changed_code, replay
from sweeps.service.run.schedulers import EarlyStopping, build_scheduler
from sweeps.service.run.summary import PATIENCE, conclude
from sweeps.service.screen import show
from sweeps.service.study import Study

if TYPE_CHECKING:
    from sweeps.service.keep.tracking import Tracking


@masked_errors
def run_sweep(study: Study, options: Options, interrupts: Interrupts | None = None) -> int:
    """Run the trials that are missing, each measurement into MLflow; return the exit status (0, 1, 3 or 130).

    Raises SettingError, with nothing written, if the sweep cannot run here. Ray is started unless it already runs in
    this process (then it is left running); where RAY_ADDRESS names a cluster, that is joined. Where it says ray://...,
    all of this happens on that cluster's head, with its places, and is shown here. `interrupts` are those of a process
    that only drives this sweep, and are left with it.
    """
    with nullcontext(interrupts) if interrupts is not None else Interrupts() as interrupts:
        if os.environ.get("RAY_ADDRESS", "").startswith("ray://") and cluster.join_ray():
            try:
                options = identified(study, options)  # files of the user's own are here, not there
                return cluster.drive_on_head(Environment(files=own_code.files()).call, run_sweep, study, options)
            finally:
                interrupts.heeded = False
        uri = preflight.absolute_tracking_uri(options.tracking_uri)
        storage_path = preflight.absolute_storage_path(options.storage_path)
        preflight.check_tracking(uri)
        preflight.check_places(storage_path=storage_path, tracking_uri=uri, records=options.records)
        if options.records is not None:
            finished_trials(options.records)  # refused here if it is no such file
        folders = folders_of(options.data_dir)
        os.environ.update(folders)
        joined_ray = cluster.join_ray()
        interrupts.take_back()
        try:
            plan, options, environment = _plan_here(study, options, storage_path, folders)
            return _run(plan, options, uri, storage_path, environment, interrupts)
        finally:
            interrupts.heeded = False
            if joined_ray:
                ray.shutdown()


def _plan_here(
    study: Study, options: Options, storage_path: str, folders: dict[str, str]
) -> tuple[Plan, Options, Environment]:
    """Return the plan for what the nodes have, the options with what was measured there, and what trials need."""
    machine = nodes.capacity()
    plan = make_plan(study, options, **machine)
    environment = Environment(folders, own_code.files())
    preflight.check_resources(plan, **nodes.largest())
    where: dict[str, Any] = {"storage_path": storage_path, "environment": environment}
    for note in nodes.check_nodes(plan, prepare=study.kind.prepare, **where):
        show(note)
    if any(config.device == "cuda" for config in plan.expected):
        _with_trial_resources(plan, environment, preflight.check_cuda)
    if options.gpus_per_trial == "auto" and plan.gpus_per_trial:
        found = _with_trial_resources(plan, environment, sharing.measure_sharing, study, plan.expected)
        show(str(found))
        options = replace(options, gpus_per_trial=str(found.share))
        plan = make_plan(study, options, **machine)
    if options.calibrate:
        found, saved = _with_trial_resources(plan, environment, study.kind.calibrate, plan.base)
        settings = tuple(f"{name}={value}" for name, value in found.items())
        show(" ".join(["calibrated:", *settings]))
        plan = make_plan(study, replace(options, set=(*settings, *options.set)), **machine)
        if all(getattr(plan.base, name) == value for name, value in found.items()):  # else what --set says wins
            plan = replace(plan, saved=saved)
    return plan, options, environment


def _with_trial_resources(plan: Plan, environment: Environment, function: Callable, *arguments: Any) -> Any:
    """Call a function on a worker that holds what a trial will hold; what it refuses is refused here."""
    try:
        task = ray.remote(num_cpus=plan.cpus_per_trial, num_gpus=plan.gpus_per_trial, max_calls=1)(Environment.call)
        return ray.get(task.remote(environment, function, *arguments))
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, SettingError) else error from None


def _run(
    plan: Plan, options: Options, uri: str, storage_path: str, environment: Environment, interrupts: Interrupts
) -> int:
    """Run what is missing of the plan, until MLflow holds it all; return the exit status."""
    asked: dict[str, Any] = {"fresh": options.fresh, "resume": options.resume, "patience": PATIENCE}
    with open_sweep(plan, uri=uri, storage_path=storage_path, **asked) as tracking:
        root = f"{tracking.place}/trials"
        recalled = insist_on_opening(lambda: _recall(plan, tracking, options, root), uri, patience=PATIENCE)
        ledger, scheduler = recalled
        mirror = Mirror(tracking, ledger, root, tags=code(), records=options.records)
        limits: dict[str, Any] = {"timed": options.time_budget is not None, "max_failures": options.max_failures}
        progress = Progress(ledger, mirror, scheduler, interrupts, **limits)
        end = "failed"
        try:
            insist_on_opening(lambda: begin(tracking, ledger.plan), uri, patience=PATIENCE)
            progress.take_over()
            _say_beginning(ledger)
            _run_until_copied(ledger, progress, scheduler, options, environment)
            end = "over"
        except KeyboardInterrupt:
            end = "interrupted"
        finally:
            interrupts.heeded = False  # from here on it ends
            progress.end_display()
            tracking.check()
            if not tracking.begun:
                give_up(tracking)
            if tracking.begun or end == "interrupted":
                progress.close("failed" if end == "failed" else "interrupted")
                status = conclude(ledger, tracking, mirror, interrupts, end=end, on_finish=options.on_finish)
    return status


def _recall(plan: Plan, tracking: Tracking, options: Options, root: str) -> tuple[Ledger, EarlyStopping]:
    """Return what is done of the sweep, and the scheduler that knows it; each time anew, since MLflow may fail."""
    ledger = open_ledger(plan, tracking, options, root)
    goals = {"objectives": plan.objectives, "max_epochs": plan.base.epochs, "grace_epochs": plan.grace_epochs}
    scheduler = build_scheduler(plan.scheduler, **goals)  # type: ignore[arg-type]
    refuse_changed_code(tracking, ledger, root, accepted=options.accept_changed_code)
    replay(scheduler, ledger, tracking, root)
    bring_teachers(tracking, ledger, root)
    return ledger, scheduler


def _run_until_copied(
    ledger: Ledger, progress: Progress, scheduler: EarlyStopping, options: Options, environment: Environment
) -> None:
    """Run what is missing, and again what turns out to be damaged when it is copied, while there is time for it."""
    started, budget = time.monotonic(), 3600 * options.time_budget if options.time_budget else math.inf
    more = True
    while more:
        seconds = budget - (time.monotonic() - started)
        if not ledger.over and seconds > 0:
            run_trials(ledger, progress, scheduler, options, environment=environment, seconds=seconds)
        progress.mirror.settle(PATIENCE)
        more = progress.take_up_damaged()


def _say_beginning(ledger: Ledger) -> None:
    plan, done = ledger.plan, Counter(end["outcome"] for end in ledger.ends.values())
    show(f"{plan.study.name}, preset {plan.preset}: {ledger.total} trials in experiment {plan.experiment}")
    if done["reused"]:
        show(f"{done['reused']} of them are finished already and reused; --fresh would run them again")
    if done["on file"]:
        show(f"{done['on file']} of them are in the file of records and not run")
    if not ledger.over:
        missing = ledger.total - len(ledger.ends)
        expected = about(plan.seconds([*ledger.waiting, *[plan.base] * (missing - len(ledger.waiting))]))
        show(f"{missing} to run, {plan.concurrent} at a time: {expected} (a rough guess)")

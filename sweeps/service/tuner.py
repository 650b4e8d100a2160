"""How does a plan become finished trials? Preflight, Ray Tune, and a summary: the life of one sweep."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from specbias.settings import SettingError
from sweeps.service import cluster, nodes, preflight, sharing
from sweeps.service.driver import Interrupts
from sweeps.service.feed import build_tuner
from sweeps.service.ledger import Ledger
from sweeps.service.mirror import Mirror
from sweeps.service.plan import Plan, about, make_plan
from sweeps.service.progress import Progress
from sweeps.service.provenance import code
from sweeps.service.records import finished_trials
from sweeps.service.resume import bring_teachers, open_ledger, replay
from sweeps.service.schedulers import build_scheduler
from sweeps.service.study import Study
from sweeps.service.summary import conclude
from sweeps.service.tracking import open_sweep

if TYPE_CHECKING:
    from sweeps.service.command_line import Options


def run_sweep(study: Study, options: Options) -> int:
    """Run the trials that are missing, each measurement into MLflow; return the exit status (0, 1, 3 or 130).

    Raises SettingError, with nothing written, if the sweep cannot run here. Ray is started unless it already runs in
    this process (then it is left running); where RAY_ADDRESS names a cluster, that is joined. Where it says ray://...,
    all of this happens on that cluster's head, with its places, and is shown here.
    """
    if os.environ.get("RAY_ADDRESS", "").startswith("ray://") and cluster.join_ray():
        return cluster.drive_on_head(run_sweep, study, options)
    uri = preflight.absolute_tracking_uri(options.tracking_uri)
    storage_path = preflight.absolute_storage_path(options.storage_path)
    preflight.check_tracking(uri)
    preflight.check_places(storage_path=storage_path, tracking_uri=uri)
    if options.records is not None:
        finished_trials(options.records)  # refused here if it is no such file
    folders = {name: os.environ.get(name) for name in ("SPECBIAS_DATA_DIR", "SPECBIAS_CACHE_DIR")}
    folders["SPECBIAS_DATA_DIR"] = options.data_dir or folders["SPECBIAS_DATA_DIR"]
    # absolute: workers run elsewhere
    environment = {name: str(Path(path).expanduser().resolve()) for name, path in folders.items() if path}
    os.environ.update(environment)
    joined_ray = cluster.join_ray()
    try:
        machine = nodes.capacity()
        plan = make_plan(study, options, **machine)
        preflight.check_resources(plan, **machine)
        nodes.check_nodes(plan, storage_path=storage_path, prepare=study.prepare, environment=environment)
        if any(config.device == "cuda" for config in plan.expected):
            _with_trial_resources(plan, preflight.check_cuda)
        if options.gpus_per_trial == "auto" and plan.gpus_per_trial:
            found = _with_trial_resources(plan, sharing.measure_sharing, study, plan.expected)
            print(found)
            options = replace(options, gpus_per_trial=str(found.share))
            plan = make_plan(study, options, **machine)
        if options.calibrate:
            found = _with_trial_resources(plan, study.calibrate, plan.base)
            print("calibrated: " + " ".join(f"{name}={value}" for name, value in found.items()))
            settings = tuple(f"{name}={value}" for name, value in found.items())
            plan = make_plan(study, replace(options, set=(*settings, *options.set)), **machine)
        return _run(plan, options, uri, storage_path, environment)
    finally:
        if joined_ray:
            ray.shutdown()


def _with_trial_resources(plan: Plan, function: Callable, *arguments: Any) -> Any:
    """Call a function on a worker that holds what a trial will hold; what it refuses is refused here."""
    try:
        task = ray.remote(num_cpus=plan.cpus_per_trial, num_gpus=plan.gpus_per_trial, max_calls=1)(function)
        return ray.get(task.remote(*arguments))
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, SettingError) else error from None


def _run(plan: Plan, options: Options, uri: str, storage_path: str, environment: dict[str, str]) -> int:
    """Run what is missing of the plan, until MLflow holds it all; return the exit status."""
    with Interrupts() as interrupts:
        tracking = open_sweep(plan, uri=uri, fresh=options.fresh, resume=options.resume)
        place = f"{storage_path.rstrip('/')}/{plan.sweep_id}-{tracking.parent_id[:8]}"
        root = f"{place}/trials"
        ledger = open_ledger(plan, tracking, options, root)
        goals = {"objectives": plan.objectives, "max_epochs": plan.base.epochs, "grace_epochs": plan.grace_epochs}
        scheduler = build_scheduler(plan.scheduler, **goals)  # type: ignore[arg-type]
        replay(scheduler, ledger, tracking, root)
        bring_teachers(tracking, ledger, root)
        tracking.log_sweep(ledger.plan, {})
        mirror = Mirror(tracking, ledger, root, tags=code(), records=options.records)
        progress = Progress(ledger, mirror, scheduler, interrupts, timed=options.time_budget is not None)
        end = "failed"
        try:
            progress.take_over()
            _say_beginning(ledger)
            if not ledger.over:
                build_tuner(ledger, progress, scheduler, options, environment=environment, place=place).fit()
            end = "over"
        except KeyboardInterrupt:
            end = "interrupted"
        finally:
            progress.close("failed" if end == "failed" else "interrupted")
            status = conclude(ledger, tracking, mirror, place=place, end=end, on_finish=options.on_finish)
    return status


def _say_beginning(ledger: Ledger) -> None:
    plan, done = ledger.plan, Counter(end["outcome"] for end in ledger.ends.values())
    print(f"{plan.study.name}, preset {plan.preset}: {ledger.total} trials in experiment {plan.experiment}")
    if done["reused"]:
        print(f"{done['reused']} of them are finished already and reused; --fresh would run them again")
    if done["on file"]:
        print(f"{done['on file']} of them are in the file of records and not run")
    if not ledger.over:
        missing = ledger.total - len(ledger.ends)
        expected = about(plan.seconds([*ledger.waiting, *[plan.base] * (missing - len(ledger.waiting))]))
        print(f"{missing} to run, {plan.concurrent} at a time: {expected} (a rough guess)")

"""How does a plan become finished trials? Preflight, Ray Tune, and a summary: the life of one sweep."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

# Ray reads these when it starts: Ctrl-C is handled here, not in Tune; no banner, no table and no files of its own.
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "16")  # so many wait for resources: a cluster grows by them
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray  # noqa: E402
from ray import tune  # noqa: E402
from ray.tune.search import Searcher  # noqa: E402

from specbias.settings import SettingError  # noqa: E402
from sweeps.service import cluster, nodes, preflight  # noqa: E402
from sweeps.service.journal import Journal  # noqa: E402
from sweeps.service.ledger import Ledger  # noqa: E402
from sweeps.service.mirror import Mirror  # noqa: E402
from sweeps.service.plan import Plan, about, make_plan  # noqa: E402
from sweeps.service.progress import Progress  # noqa: E402
from sweeps.service.provenance import code  # noqa: E402
from sweeps.service.study import Study  # noqa: E402
from sweeps.service.summary import conclude  # noqa: E402
from sweeps.service.tracking import Tracking, open_sweep  # noqa: E402
from sweeps.service.trainable import run_in_tune  # noqa: E402

if TYPE_CHECKING:
    from sweeps.service.command_line import Options


def run_sweep(study: Study, options: Options) -> int:
    """Run the trials that are missing, each measurement into MLflow; return the exit status (0, 1 or 130).

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
    environment = {}
    if data_dir := options.data_dir or os.environ.get("SPECBIAS_DATA_DIR"):  # absolute: workers run elsewhere
        environment["SPECBIAS_DATA_DIR"] = str(Path(data_dir).expanduser().resolve())
        os.environ.update(environment)
    joined_ray = cluster.join_ray()
    try:
        machine = nodes.capacity()
        plan = make_plan(study, options, **machine)
        preflight.check_resources(plan, **machine)
        nodes.check_nodes(plan, storage_path=storage_path, prepare=study.prepare, environment=environment)
        if any(config.device == "cuda" for config in plan.trials):
            _with_trial_resources(plan, preflight.check_cuda)
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
    tracking, reused = open_sweep(plan, uri=uri, search=options.search, fresh=options.fresh, resume=options.resume)
    missing = [config for config in plan.trials if config.trial_id not in reused]
    place = f"{storage_path.rstrip('/')}/{plan.sweep_id}-{tracking.parent_id[:8]}"
    ledger = Ledger(plan, missing, reused, at_once=options.max_concurrent, at_most=options.max_trials)
    mirror = Mirror(tracking, plan, f"{place}/trials", code())
    deadline = time.monotonic() + 3600 * options.time_budget if options.time_budget else None
    progress = Progress(ledger, mirror, stopping=False, deadline=deadline)
    print(f"{plan.study.name}, preset {plan.preset}: {len(plan.trials)} trials in experiment {plan.experiment}")
    if reused:
        print(f"{len(reused)} of them are finished already and reused; --fresh would run them again")
    polite_kill = signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends like Ctrl-C
    end = "failed"
    try:
        tracking.log_sweep(plan, {})
        progress.take_over()
        if ledger.waiting:
            expected = about(plan.seconds(ledger.waiting))
            print(f"{len(ledger.waiting)} to run, {plan.concurrent} at a time: {expected} (a rough guess)")
            _bring_teachers(tracking, ledger, mirror.root)
            _tuner(ledger, progress, options, environment, place).fit()
        end = "over"
    except KeyboardInterrupt:
        end = "interrupted"
    finally:
        progress.close("failed" if end == "failed" else "interrupted")
        status = conclude(ledger, tracking, mirror, place=place, end=end)
        signal.signal(signal.SIGTERM, polite_kill)
    return status


def _bring_teachers(tracking: Tracking, ledger: Ledger, root: str) -> None:
    """Put the states of reused teachers where their students look for them."""
    needed = {ledger.plan.teacher_ids.get(config.trial_id, "") for config in ledger.waiting}
    for trial_id in needed & set(ledger.reused):
        with tempfile.TemporaryDirectory() as folder:
            state = tracking.fetch_state(ledger.reused[trial_id], folder)
            journal, nothing = Journal(root, trial_id), SimpleNamespace(epoch=0, metrics={}, arrays={})
            journal.write(journal.start({}), nothing, partial(shutil.copytree, state, dirs_exist_ok=True))


class Feed(Searcher):
    """Hands Tune the ledger's next trial, under its settings' own names, whenever there is room for one."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves it; who goes on with a sweep asks MLflow and the journals

    def set_search_properties(self, metric: Any, mode: Any, config: Any, **spec: Any) -> bool:
        return True

    def suggest(self, trial_id: str) -> Any:
        config = self.ledger.begin_next()
        if config is None:
            return Searcher.FINISHED if self.ledger.over else None
        gpus = self.ledger.gpus.get(config.trial_id, self.ledger.plan.gpus_per_trial)
        return {"trial_id": config.trial_id, "gpus_per_trial": gpus, **config.to_dict()}

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        pass  # Progress hears of it too, and notes it


def _tuner(ledger: Ledger, progress: Progress, options: Options, environment: dict[str, str], place: str) -> tune.Tuner:
    """Return a Tuner that runs the ledger's trials. Its own files serve nothing once it has ended."""
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # failures are told by Progress, in a line
    plan = ledger.plan
    run = tune.with_parameters(
        run_in_tune,
        study=plan.study,
        root=progress.mirror.root,
        environment=environment,
        silence=3600 * options.trial_timeout,
    )

    def resources(settings: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory([{"CPU": plan.cpus_per_trial, "GPU": settings["gpus_per_trial"]}])

    return tune.Tuner(
        tune.with_resources(run, resources),
        tune_config=tune.TuneConfig(
            search_alg=Feed(ledger),
            num_samples=-1,  # until the feed says that there are no more
            time_budget_s=3600 * options.time_budget if options.time_budget else None,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: f"{trial.config['trial_id']}-{trial.trial_id}",
        ),
        run_config=tune.RunConfig(
            name=f"tune-{time.strftime('%Y%m%d-%H%M%S')}",
            storage_path=place,
            callbacks=[progress],
            failure_config=tune.FailureConfig(max_failures=options.max_failures),
            verbose=0,
        ),
    )

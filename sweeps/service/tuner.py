"""How does a plan become finished trials? Preflight, Ray Tune, and a summary: the life of one sweep."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Ray reads these when it starts: Ctrl-C is handled here, not in Tune; no banner, no table of its own.
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray  # noqa: E402
from ray import tune  # noqa: E402
from ray.tune.search.basic_variant import BasicVariantGenerator  # noqa: E402

from specbias.settings import SettingError  # noqa: E402
from sweeps.service import cluster, nodes, preflight  # noqa: E402
from sweeps.service.plan import Plan, about, make_plan  # noqa: E402
from sweeps.service.progress import Progress  # noqa: E402
from sweeps.service.provenance import code  # noqa: E402
from sweeps.service.study import Study  # noqa: E402
from sweeps.service.summary import summarise  # noqa: E402
from sweeps.service.tracking import open_sweep  # noqa: E402
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
    tracking, reused = open_sweep(plan, uri=uri, search=options.search, fresh=options.fresh)
    missing = [config for config in plan.trials if config.trial_id not in reused]
    print(f"{plan.study.name}, preset {plan.preset}: {len(plan.trials)} trials in experiment {plan.experiment}")
    if reused:
        print(f"{len(reused)} of them are finished already and reused; --fresh would run them again")
    progress = Progress(plan, tracking, missing)
    polite_kill = signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends like Ctrl-C
    interrupted = False
    try:
        tracking.log_sweep(plan, {})
        if missing:
            print(f"{len(missing)} to run, {plan.concurrent} at a time: {about(plan.seconds(missing))} (a rough guess)")
        known = {"plan": plan, "tracking": tracking, "tags": code(), "environment": environment}
        for wave in plan.waves(missing):
            teachers = reused | progress.finished
            if ready := progress.ready(wave, teachers):
                run = tune.with_parameters(run_in_tune, **known, teachers=teachers)
                _tuner(run, plan, ready, progress, options.max_concurrent, storage_path).fit()
        progress.close("failed")
    except KeyboardInterrupt:
        interrupted = True
        progress.close("interrupted")
    except Exception:
        progress.close("failed")
        tracking.end(tracking.parent_id, "failed")
        raise
    finally:
        signal.signal(signal.SIGTERM, polite_kill)
    return summarise(plan, tracking, progress, reused=reused, interrupted=interrupted)


def _tuner(
    run: Callable, plan: Plan, trials: list[Any], progress: Progress, max_concurrent: int | None, storage_path: str
) -> tune.Tuner:
    """Return a Tuner whose trials are exactly `trials`, in this order, under the settings' own names.

    Lists that differ are left to the trial's identity: as a value of a search space Tune would take them apart.
    """
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # failures are told by Progress, in a line
    points = [{"trial_id": config.trial_id, **config.to_dict()} for config in trials]
    varying = {name for name in points[0] if any(point[name] != points[0][name] for point in points)}
    lists = {name for name in varying if any(isinstance(point[name], list) for point in points)}
    points = [{name: value for name, value in point.items() if name not in lists} for point in points]
    varying -= lists
    values = {name: [point[name] for point in points] for name in varying}
    return tune.Tuner(
        tune.with_resources(run, {"cpu": plan.cpus_per_trial, "gpu": plan.gpus_per_trial}),
        param_space={name: tune.choice(values[name]) if name in varying else points[0][name] for name in points[0]},
        tune_config=tune.TuneConfig(
            search_alg=BasicVariantGenerator(
                points_to_evaluate=[{name: point[name] for name in varying} for point in points],
                max_concurrent=max_concurrent or 0,  # 0: no limit; TuneConfig's own is ignored with this generator
            ),
            num_samples=len(points),
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.config["trial_id"],
        ),
        run_config=tune.RunConfig(
            name=f"{plan.sweep_id}-{time.strftime('%Y%m%d-%H%M%S')}",
            storage_path=storage_path,
            callbacks=[progress],
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
            verbose=0,
        ),
    )

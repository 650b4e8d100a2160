"""How does a study's trial run inside Ray Tune? An adapter: settings in; each measurement to MLflow, then to Tune."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import ray
from ray import tune

from sweeps.service.plan import Plan, about
from sweeps.service.provenance import hardware
from sweeps.service.tracking import Tracking


def run_in_tune(
    settings: dict[str, Any],
    *,
    plan: Plan,
    tracking: Tracking,
    teachers: Mapping[str, str],
    tags: Mapping[str, str],
    environment: Mapping[str, str],
) -> None:
    """Run the trial with these settings; it decides nothing but to report all it measures.

    Arrays and metrics are in MLflow before Tune hears of an epoch. What ends the trial is written there and raised;
    the final state of the run is for the driver to set. `tags` go onto the run: the driver's code and command.
    """
    os.environ.update(environment)
    config = plan.by_id[settings["trial_id"]]
    run_id = tracking.start_trial(config, label=plan.label(config), tags={**tags, **_tags(plan, config)})
    try:
        with tempfile.TemporaryDirectory() as folder:
            if config.trial_id in plan.teacher_ids:
                run = teachers[plan.teacher_ids[config.trial_id]]
                config = replace(config, teacher=tracking.fetch_state(run, folder))
            _report_all(config, run_id, plan, tracking)
        tracking.mark_complete(run_id)
    except Exception as error:
        tracking.log_failure(run_id, error)
        raise


def _report_all(config: Any, run_id: str, plan: Plan, tracking: Tracking) -> None:
    """Run the trial, report each measurement, and put its last state into MLflow: others may be taught by it."""
    started, first_epoch, state = time.monotonic(), None, None
    checkpoint = tune.get_checkpoint()
    for state, measurement in plan.study.run(config, checkpoint.path if checkpoint else None):
        tracking.log(run_id, measurement)
        if first_epoch is None:
            started, first_epoch = time.monotonic(), measurement.epoch
        done, left = measurement.epoch - first_epoch, config.epochs - measurement.epoch
        time_left = about((time.monotonic() - started) / done * left) if done and left else ""
        with tempfile.TemporaryDirectory() as folder:
            state.save(folder)
            tune.report(
                {"epoch": measurement.epoch, "time_left": time_left, **measurement.metrics},
                checkpoint=tune.Checkpoint.from_directory(folder),
            )
    if state is not None:
        with tempfile.TemporaryDirectory() as folder:
            state.save(folder)
            tracking.log_state(run_id, folder)


def _tags(plan: Plan, config: Any) -> dict[str, str]:
    return {
        "specbias.study": plan.study.name,
        "specbias.intervention": plan.intervention(config),
        "hardware.gpu_ids": ",".join(map(str, ray.get_gpu_ids())),
        **hardware(),
    }

"""How does a study's trial run inside Ray Tune? Settings in, each measurement to its journal, then to Tune."""

from __future__ import annotations

import faulthandler
import os
import tempfile
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import ray
from ray import tune

from specbias.settings import SettingError
from sweeps.service.journal import Journal, Superseded
from sweeps.service.plan import about
from sweeps.service.provenance import hardware
from sweeps.service.sharing import cap_memory, is_out_of_memory
from sweeps.service.study import Study


def run_in_tune(
    settings: dict[str, Any], *, study: Study, root: str, environment: Mapping[str, str], silence: float
) -> None:
    """Run the trial with these settings from its newest state on; it decides nothing but to report all it measures.

    Each measurement is in the journal under `root` before Tune hears of it, and so is what ended the trial: an error
    of its own is no error to Tune, which tries again where the process died. A process that has been silent for
    `silence` seconds ends itself, so that another takes its place.
    """
    os.environ.update(environment)
    trial_id = settings["trial_id"]
    journal = Journal(root, trial_id)
    faulthandler.dump_traceback_later(silence, exit=True)
    token = journal.start({"hardware.gpu_ids": ",".join(map(str, ray.get_gpu_ids())), **hardware()})
    try:
        cap_memory(settings["gpus_per_trial"])
        own = {name: value for name, value in settings.items() if name not in ("trial_id", "gpus_per_trial")}
        config = study.config_class.from_dict(own)
        if config.trial_id != trial_id:
            raise SettingError(f"{hardware()['hardware.host']} runs other code: install the driver's specbias there")
        with tempfile.TemporaryDirectory() as folder:
            if (teacher := study.teacher(config)) is not None:
                config = replace(config, teacher=Journal(root, teacher.trial_id).fetch_state(f"{folder}/teacher"))
            _report_all(config, study, journal, token, journal.resume(folder), silence)
        journal.end("complete", token=token)
    except Superseded:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}".splitlines()[0][:5000]
        outcome = "out of memory" if is_out_of_memory(error) else "failed"
        journal.end(outcome, failure=said, traceback="".join(traceback.format_exception(error)), token=token)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _report_all(
    config: Any, study: Study, journal: Journal, token: str, checkpoint: str | None, silence: float
) -> None:
    started, first_epoch = time.monotonic(), None
    for state, measurement in study.run(config, checkpoint):
        journal.write(token, measurement, state.save)
        if first_epoch is None:
            started, first_epoch = time.monotonic(), measurement.epoch
        done, left = measurement.epoch - first_epoch, study.last_epoch(config) - measurement.epoch
        time_left = about((time.monotonic() - started) / done * left) if done and left else ""
        tune.report({"epoch": measurement.epoch, "time_left": time_left, **measurement.metrics})
        faulthandler.dump_traceback_later(silence, exit=True)

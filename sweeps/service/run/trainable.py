"""How does a trial run inside Ray Tune? Each measurement goes to its journal first, then to Tune."""

from __future__ import annotations

import faulthandler
import tempfile
import time
import traceback
from dataclasses import replace
from typing import Any

import ray
from ray import tune

from specbias.settings import SettingError
from specbias.settings.masking import masked
from specbias.trials.record import STEP, Tag
from sweeps.service.ask.plan import about
from sweeps.service.keep.journal import LATE, Damaged, Journal, Superseded
from sweeps.service.machines.environment import Environment
from sweeps.service.machines.provenance import CURE, code_identity, hardware
from sweeps.service.machines.sharing import cap_memory, is_out_of_memory
from sweeps.service.study import Study


class TeacherDamaged(Exception):
    """A trial cannot begin: the last state of its teacher is not whole."""


def run_in_tune(
    settings: dict[str, Any],
    *,
    study: Study,
    study_code: str,
    any_code: bool,
    root: str,
    environment: Environment,
    silence: float,
) -> None:
    """Run the trial with these settings from its newest state on; it decides nothing but to report all it measures.

    Each measurement is in the journal under `root` before Tune hears of it, and so is what ended the trial: an error
    of its own is no error to Tune, which tries again where the process died. A process that has been silent for
    `silence` seconds ends itself, so that another takes its place. What other code began is refused unless `any_code`.
    """
    environment.enter()
    journal = Journal(root, settings["trial_id"])
    faulthandler.dump_traceback_later(silence, exit=True)
    code = code_identity(study_code)
    token = journal.start({Tag.CODE: code, "hardware.gpu_ids": ",".join(map(str, ray.get_gpu_ids())), **hardware()})
    try:
        cap_memory(settings["gpus_per_trial"])
        with tempfile.TemporaryDirectory() as folder:
            config = _config_of(settings, study, root, folder)
            checkpoint = journal.resume(folder)
            if checkpoint is not None and journal.begun_by != code and not any_code:
                raise SettingError(f"other code began it ({journal.begun_by}, this is {code}): {CURE}")
            _report_all(config, study, journal, token, checkpoint, silence)
        journal.end("complete", token=token)
    except TeacherDamaged as error:
        journal.end("teacher damaged", failure=str(error), token=token)
    except (Superseded, Damaged):  # another attempt is right, or may do better
        raise
    except Exception as error:
        said = masked(f"{type(error).__name__}: {error}".splitlines()[0])[:5000]
        outcome = "out of memory" if is_out_of_memory(error) else "failed"
        account = masked("".join(traceback.format_exception(error)))
        journal.end(outcome, failure=said, traceback=account, token=token)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _config_of(settings: dict[str, Any], study: Study, root: str, folder: str) -> Any:
    """Return the trial's config, its teacher's last state, where it has one, copied into `folder`."""
    own = {name: value for name, value in settings.items() if name not in ("trial_id", "gpus_per_trial")}
    config = study.kind.config_class.from_dict(own)
    if config.trial_id != settings["trial_id"]:
        raise SettingError(f"{hardware()['hardware.host']} runs other code: install the driver's specbias there")
    if (teacher := study.kind.teacher(config)) is None:
        return config
    state = _last_state(Journal(root, teacher.trial_id), study.kind.last_epoch(teacher), f"{folder}/teacher")
    return replace(config, teacher=state)


def _last_state(journal: Journal, last_epoch: int, folder: str) -> str:
    """Copy a teacher's last state, and no older one, into `folder`; TeacherDamaged where it is not whole."""
    try:
        if (last := journal.last(last_epoch, patience=LATE)) is not None:
            return journal.fetch(last, "state", folder)
    except Damaged as error:
        raise TeacherDamaged(str(error)) from None
    raise TeacherDamaged("its last measurement is not whole")


def _report_all(
    config: Any, study: Study, journal: Journal, token: str, checkpoint: str | None, silence: float
) -> None:
    started, first_epoch = time.monotonic(), None
    for state, measurement in study.kind.run(config, checkpoint):
        journal.write(token, measurement, state.save)
        if first_epoch is None:
            started, first_epoch = time.monotonic(), measurement.step
        done, left = measurement.step - first_epoch, study.kind.last_epoch(config) - measurement.step
        time_left = about((time.monotonic() - started) / done * left) if done and left else ""
        tune.report({STEP: measurement.step, "time_left": time_left, **measurement.metrics})
        faulthandler.dump_traceback_later(silence, exit=True)

"""Which trials need not run again? Those that earlier calls, other sweeps or other machines have finished."""

from __future__ import annotations

import json
import shutil
import tempfile
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING

from specbias.settings import SettingError
from specbias.trials.record import Tag
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import Plan
from sweeps.service.keep.journal import BROUGHT, Journal
from sweeps.service.keep.records import append_records, finished_trials, rows_of
from sweeps.service.keep.retry import first_line
from sweeps.service.keep.storage import list_folder
from sweeps.service.keep.store import may_pass
from sweeps.service.keep.tracking import Tracking
from sweeps.service.machines.provenance import CURE, code_identity, study_sources
from sweeps.service.run.ledger import Ledger
from sweeps.service.screen import show

if TYPE_CHECKING:
    from sweeps.service.run.schedulers import EarlyStopping
    from sweeps.service.study import Curve


def open_ledger(plan: Plan, tracking: Tracking, options: Options, root: str) -> Ledger:
    """Return the sweep's ledger, in which all that need not run has ended, and a search knows what it chose."""
    chooser, at_once = None, options.max_concurrent
    if plan.search is not None:
        from sweeps.service.run.chooser import Chooser  # optuna: only now

        chooser, at_once = Chooser(plan, root), plan.concurrent  # who chooses ahead does not know the results
        kept = {i: tags[Tag.SUGGESTION] for i, tags in tracking.left.items() if Tag.SUGGESTION in tags}
        chooser.recall({trial_id: json.loads(suggestion) for trial_id, suggestion in kept.items()})
        plan = chooser.plan
    finished = tracking.finished(plan)
    tracking.run_ids |= finished
    done = dict.fromkeys(finished, "reused")
    stopped = [i for i, tags in tracking.left.items() if tags.get(Tag.OUTCOME) == "stopped early"]
    done |= {trial_id: "stopped early" for trial_id in stopped if trial_id in plan.by_id and trial_id not in done}
    if options.records is not None:
        done |= _on_file(plan, tracking, options.records, done)
    if chooser is not None:
        for trial_id, outcome in done.items():
            chooser.tell(trial_id, "finished" if outcome == "reused" else outcome, _curve(plan, tracking, trial_id))
    for trial_id in plan.teachers - done.keys():  # only its last state is there, where it is to be run
        if (Journal(root, trial_id).ending or {}).get("outcome") == BROUGHT:
            Journal(root, trial_id).delete()
    return Ledger(plan, done, at_once=at_once, at_most=options.max_trials, chooser=chooser)


def _on_file(plan: Plan, tracking: Tracking, file: str, done: dict[str, str]) -> dict[str, str]:
    """Return the trials that are in the file of records and nowhere else; put those into it that are elsewhere alone.

    A trial on the file alone cannot teach: where one must, it is run here too.
    """
    there, rows = finished_trials(file), []
    for trial_id in [trial_id for trial_id, outcome in done.items() if outcome == "reused" and trial_id not in there]:
        run_id, config = tracking.run_ids[trial_id], plan.by_id[trial_id]
        rows += rows_of(plan, config, run_id=run_id, search=plan.chosen_by, metrics=tracking.curve(run_id))
    append_records(file, rows)
    found = {trial_id: "on file" for trial_id in plan.by_id if trial_id in there and trial_id not in done}
    for config in reversed(plan.trials):  # a student before its teacher
        if config.trial_id not in found and config.trial_id not in done:
            found.pop(plan.teacher_ids.get(config.trial_id, ""), None)
    return found


def replay(scheduler: EarlyStopping, ledger: Ledger, tracking: Tracking, root: str) -> None:
    """Have a scheduler know what the trials of earlier calls reported, also those that go on."""
    if ledger.plan.scheduler == "none":
        return
    curves = {}
    for config in ledger.plan.trials:
        told = dict(_curve(ledger.plan, tracking, config.trial_id))
        told |= {record.epoch: record.metrics for record in Journal(root, config.trial_id).records()}
        curves[config.trial_id] = sorted(told.items())
    scheduler.replay(curves)


def _curve(plan: Plan, tracking: Tracking, trial_id: str) -> Curve:
    run_id = tracking.run_ids.get(trial_id)
    return list(tracking.curve(run_id, plan.objectives).items()) if run_id else []


def refuse_changed_code(tracking: Tracking, ledger: Ledger, root: str, *, accepted: bool) -> None:
    """Refuse to go on with trials that other code began (SettingError), or if that is accepted say so in a line.

    It is the code of the newest record in the journal, or where that is gone, of what MLflow holds. Finished trials are
    of one code each: of them it is said.
    """
    code, begun = code_identity(study_sources(ledger.plan.study)), _begun_by(tracking, ledger, root)
    reused = [trial_id for trial_id, end in ledger.ends.items() if end["outcome"] == "reused"]
    if others := [trial_id for trial_id in reused if tracking.codes.get(trial_id) != code]:
        show(f"{len(others)} of the finished trials were made by other code than this ({code})")
    if others := [trial_id for trial_id, made_by in begun.items() if made_by != code]:
        label = ledger.plan.label(ledger.plan.by_id[others[0]])
        said = f"{len(others)} of the trials were begun by other code ({label}: {begun[others[0]]}, this is {code})"
        if not accepted:
            raise SettingError(f"{said}: {CURE}")
        show(f"{said} and go on with this one")


def _begun_by(tracking: Tracking, ledger: Ledger, root: str) -> dict[str, str]:
    """Return trial_id -> code of the trials that are to go on."""
    begun, there = {}, list_folder(root)
    for trial_id in [config.trial_id for config in ledger.waiting]:
        journal, tags = Journal(root, trial_id), tracking.left.get(trial_id, {})
        records = journal.records() if trial_id in there else []
        if records and (journal.ending or {}).get("outcome") not in ("complete", "stopped early"):
            begun[trial_id] = records[-1].code
        elif not records and "version.specbias" in tags:  # which a run has since its first epoch
            begun[trial_id] = tags.get(Tag.CODE, "unknown")
    return begun


def bring_teachers(tracking: Tracking, ledger: Ledger, root: str) -> None:
    """Put the states of reused teachers where their students look for them."""
    needed = {ledger.plan.teacher_ids.get(config.trial_id, "") for config in ledger.waiting}
    for trial_id in needed:
        if ledger.ends.get(trial_id, {}).get("outcome") == "reused" and not _is_there(trial_id, ledger.plan, root):
            try:
                bring_teacher(tracking, trial_id, root)
            except Exception as error:  # of MLflow, or of its artifacts' storage
                if may_pass(error):
                    raise
                label, reason = ledger.plan.label(ledger.plan.by_id[trial_id]), first_line(error)
                raise SettingError(
                    f"{label}, which teaches, is finished, and its network cannot be fetched from MLflow ({reason}): "
                    "mend that, or delete its run, and it is run again"
                ) from None


def _is_there(trial_id: str, plan: Plan, root: str) -> bool:
    """Tell whether the journal of a finished trial still has its last state."""
    journal = Journal(root, trial_id)
    last = journal.last(plan.study.kind.last_epoch(plan.by_id[trial_id])) if journal.ending else None
    return last is not None and journal.holds(last, "state")


def bring_teacher(tracking: Tracking, trial_id: str, root: str) -> None:
    """Put the last state of a trial that MLflow holds where its students look for it."""
    with tempfile.TemporaryDirectory() as folder:
        state = tracking.fetch_state(tracking.run_ids[trial_id], folder)
        journal, nothing = Journal(root, trial_id), SimpleNamespace(step=0, metrics={}, arrays={})
        journal.delete()  # what this sweep itself had of it, half trained or damaged
        journal.write(journal.start({}), nothing, partial(shutil.copytree, state, dirs_exist_ok=True))
        journal.end(BROUGHT)

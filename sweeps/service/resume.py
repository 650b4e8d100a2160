"""What is done already, by earlier calls of this sweep, other sweeps and other machines? The ledger to begin with."""

from __future__ import annotations

import json
import shutil
import tempfile
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING

from sweeps.service.journal import Journal
from sweeps.service.ledger import Ledger
from sweeps.service.plan import Plan
from sweeps.service.records import append_records, finished_trials, rows_of
from sweeps.service.tracking import Tracking

if TYPE_CHECKING:
    from sweeps.service.command_line import Options
    from sweeps.service.schedulers import EarlyStopping
    from sweeps.service.study import Curve

KEPT = "specbias.suggestion"  # the tag of a run that a search chose


def open_ledger(plan: Plan, tracking: Tracking, options: Options, root: str) -> Ledger:
    """Return the sweep's ledger, in which all that need not run has ended, and a search knows what it chose."""
    chooser, at_once = None, options.max_concurrent
    if plan.search is not None:
        from sweeps.service.chooser import Chooser  # optuna: only now

        chooser, at_once = Chooser(plan, root), plan.concurrent  # who chooses ahead does not know the results
        chooser.recall({i: json.loads(tags[KEPT]) for i, tags in tracking.left.items() if KEPT in tags})
        plan = chooser.plan
    finished = tracking.finished(plan)
    tracking.run_ids |= finished
    done = dict.fromkeys(finished, "reused")
    stopped = [i for i, tags in tracking.left.items() if tags.get("specbias.outcome") == "stopped early"]
    done |= {trial_id: "stopped early" for trial_id in stopped if trial_id in plan.by_id and trial_id not in done}
    if options.records is not None:
        done |= _on_file(plan, tracking, options.records, done)
    if chooser is not None:
        for trial_id, outcome in done.items():
            chooser.tell(trial_id, "finished" if outcome == "reused" else outcome, _curve(plan, tracking, trial_id))
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


def bring_teachers(tracking: Tracking, ledger: Ledger, root: str) -> None:
    """Put the states of reused teachers where their students look for them."""
    needed = {ledger.plan.teacher_ids.get(config.trial_id, "") for config in ledger.waiting}
    for trial_id in needed:
        if ledger.ends.get(trial_id, {}).get("outcome") == "reused":
            with tempfile.TemporaryDirectory() as folder:
                state = tracking.fetch_state(tracking.run_ids[trial_id], folder)
                journal, nothing = Journal(root, trial_id), SimpleNamespace(epoch=0, metrics={}, arrays={})
                journal.delete()  # what this sweep itself had of it, half trained
                journal.write(journal.start({}), nothing, partial(shutil.copytree, state, dirs_exist_ok=True))

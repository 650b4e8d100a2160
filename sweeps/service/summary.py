"""How did the sweep end, and what comes next? The last words on the screen and on the parent run."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from specbias.masking import masked
from sweeps.service.journal import delete_folder
from sweeps.service.ledger import Ledger
from sweeps.service.mirror import Mirror
from sweeps.service.notify import notify
from sweeps.service.plan import Plan
from sweeps.service.provenance import shown
from sweeps.service.tracking import Tracking

ROOT = Path(__file__).parents[2]
PATIENCE = 300.0  # seconds that a tracking server may be away at the end


def conclude(
    ledger: Ledger, tracking: Tracking, mirror: Mirror, *, place: str, end: str, on_finish: str | None = None
) -> int:
    """Have MLflow hold all there is and the sweep's final state, print the summary, and return the exit status.

    `end` is over, interrupted (by Ctrl-C) or failed (the driver itself). 0: every trial is finished or was stopped
    early; 1: one failed, or the driver, or MLflow could not be reached; 3: a budget left some undone; 130: interrupted.
    What lies at `place` is deleted once all is done.
    """
    counts = Counter(ledger.ends.get(c.trial_id, {"outcome": "not begun"})["outcome"] for c in ledger.plan.trials)
    counts["not begun"] += ledger.total - len(ledger.plan.trials)  # of a search
    failed, undone = counts["failed"] + counts["not started"], counts["not begun"] + counts["interrupted"]
    outcome = "failed" if failed or end == "failed" else "interrupted" if undone or end == "interrupted" else "finished"
    trouble = _settle(ledger, tracking, mirror, outcome)
    status = 130 if end == "interrupted" else 1 if failed or trouble or end == "failed" else 3 if undone else 0
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    print(f"\n{said}")
    _say_trials(ledger)
    if trouble:
        print(f"MLflow could not be brought up to date ({trouble}). Nothing is lost: it is in {masked(place)}")
    if status == 0:
        delete_folder(place)
    else:
        _say_resume(ledger.plan)
    if end == "over":
        _say_next(ledger, tracking, mirror.records)
    if on_finish is not None:
        where = {"experiment": ledger.plan.experiment, "sweep_id": ledger.plan.sweep_id}
        summary = f"{ledger.plan.study.name} {ledger.plan.preset}: {said}"
        notify(on_finish, status=status, summary=summary, parent_run=tracking.parent_id, **where)  # type: ignore[arg-type]
    return status


def _settle(ledger: Ledger, tracking: Tracking, mirror: Mirror, outcome: str) -> str:
    """Have MLflow hold the trials and the sweep's end; return why it does not. A further Ctrl-C ends the waiting."""
    try:
        trouble = mirror.close(PATIENCE)
        runs = {i: {**told, "run_id": tracking.run_ids.get(i, "")} for i, told in ledger.ends.items()}
        return trouble or _insist(lambda: tracking.end_sweep(ledger.plan, runs, outcome))
    except KeyboardInterrupt:
        return "interrupted"


def _say_trials(ledger: Ledger) -> None:
    """Say why trials failed, and of a search which finished ones none other beats: the best, or a front."""
    for config in ledger.plan.trials:
        told = ledger.ends.get(config.trial_id, {})
        if "failure" in told:
            print(f"  {told['outcome']}: {ledger.plan.label(config)}: {told['failure']}")
    if ledger.chooser is not None:
        numbers = {suggestion["number"]: trial_id for trial_id, suggestion in ledger.chooser.suggestions.items()}
        for number in ledger.chooser.optimiser.best:
            goals = ", ".join(f"{mode} {key}" for key, mode in ledger.plan.objectives.items())
            print(f"  best ({goals}): {ledger.plan.label(ledger.plan.by_id[numbers[number]])}")


def _say_resume(plan: Plan) -> None:
    again = shown([word for word in sys.argv if word != "--fresh"])  # what is there is kept
    resume = [] if "--resume" in again else ["--resume", plan.sweep_id]
    print(f"To go on where this ended:\n  {_command('python', *again, *resume)}")


def _insist(write: Callable[[], None]) -> str:
    """Try until it succeeds or patience is over, and return why it failed then."""
    started = time.monotonic()
    while True:
        try:
            write()
            return ""
        except Exception as error:
            if time.monotonic() - started > PATIENCE:
                return masked(f"{type(error).__name__}: {error}".splitlines()[0])
            time.sleep(5)


def _say_next(ledger: Ledger, tracking: Tracking, records: str | None) -> None:
    plan = ledger.plan
    finished = any(end["outcome"] in ("finished", "reused", "on file") for end in ledger.ends.values())
    if plan.study.analysis and finished:
        words = ["--experiment", plan.experiment, "--tracking-uri", masked(tracking.uri)]
        words = words if records is None else ["--records", records, "--study", plan.study.name]
        selected = [] if plan.chosen_by in ("grid", "random") else ["--selected"]  # said, since it is no fair sample
        print("The figure:\n  " + _command("python", os.path.relpath(ROOT / plan.study.analysis), *words, *selected))
    if tracking.uri.startswith("sqlite:"):
        print("The trials:\n  " + _command("mlflow", "ui", "--backend-store-uri", tracking.uri))


def _command(program: str, *arguments: str) -> str:
    """Return a command line that works as it stands: the program of this environment, by its path if need be."""
    mine = Path(sys.executable).with_name(program)
    found = shutil.which(program)
    if mine.exists() and (found is None or Path(found) != mine):
        program = os.path.relpath(mine)
    return shlex.join([program, *arguments])

"""How did the sweep end, and what comes next? The last lines on the screen, and on the parent run."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from specbias.settings.masking import masked
from sweeps.service.ask.plan import Plan, about
from sweeps.service.keep.opening import restore
from sweeps.service.keep.retry import first_line, insist
from sweeps.service.keep.storage import delete_folder
from sweeps.service.keep.tracking import Tracking, trials_url
from sweeps.service.machines.provenance import shown
from sweeps.service.run.interrupts import Interrupts
from sweeps.service.run.ledger import Ledger
from sweeps.service.run.mirror import Mirror
from sweeps.service.run.notify import notify
from sweeps.service.screen import show, show_command

NO_JOBS = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false"  # for `mlflow ui`: without a dozen processes that serve no sweep
ROOT = Path(__file__).parents[3]
PATIENCE = 300.0  # seconds that a tracking server may be away at the end


def conclude(
    ledger: Ledger,
    tracking: Tracking,
    mirror: Mirror,
    interrupts: Interrupts,
    *,
    end: str,
    on_finish: str | None = None,
) -> int:
    """Have MLflow hold all there is and the sweep's final state, print the summary, and return the exit status.

    `end` is over, interrupted (by Ctrl-C) or failed (the driver itself). 0: every trial is finished or was stopped
    early; 1: one failed, or the driver, or MLflow could not be reached; 3: a budget left some undone; 130: interrupted.
    The journals are deleted once all is done.
    """

    def write_end() -> None:
        _end_sweep(ledger, tracking, outcome)

    trouble = _wait(lambda: mirror.close(PATIENCE), interrupts)
    counts = Counter(ledger.ends.get(c.trial_id, {"outcome": "not begun"})["outcome"] for c in ledger.plan.trials)
    counts["not begun"] += ledger.total - len(ledger.plan.trials)  # of a search
    failed = counts["failed"] + counts["not started"] + counts["gone"]
    undone = counts["not begun"] + counts["interrupted"]
    outcome = "failed" if failed or end == "failed" else "interrupted" if undone or end == "interrupted" else "finished"
    if not trouble:
        trouble = _wait(lambda: insist(write_end, mirror.trouble, patience=PATIENCE), interrupts)
    status = 130 if end == "interrupted" else 1 if failed or trouble or end == "failed" else 3 if undone else 0
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    show(f"\n{said}")
    _say_trials(ledger)
    if (saved := ledger.plan.saved * counts["finished"]) > 0:
        show(f"How it measured saved {about(saved)} of computing, by what --calibrate timed for the baseline")
    if trouble:
        kept = "Nothing is lost: it" if mirror.is_all_kept() else "What the journals have of it"
        show(f"MLflow could not be brought up to date ({trouble}). {kept} is in {masked(tracking.place)}")
    if status == 0:
        delete_folder(tracking.place)
    else:
        _say_resume(ledger.plan, begun=tracking.begun)
    if end == "over" and not trouble:
        _say_next(ledger, tracking, mirror.copier.records)
    tracking.release()
    if on_finish is not None:
        where = {"experiment": ledger.plan.experiment, "sweep_id": ledger.plan.sweep_id}
        summary = f"{ledger.plan.study.name} {ledger.plan.preset}: {said}"
        notify(on_finish, status=status, summary=summary, parent_run=tracking.parent_id, **where)  # type: ignore[arg-type]
    return status


def _wait(write: Callable[[], str | None], interrupts: Interrupts) -> str:
    """Return why something cannot be written, as `write` returns or raises it; a further Ctrl-C ends the waiting."""
    try:
        interrupts.heeded = True
        return write() or ""
    except KeyboardInterrupt:
        return "interrupted"
    except Exception as error:
        return first_line(error)
    finally:
        interrupts.heeded = False


def _end_sweep(ledger: Ledger, tracking: Tracking, outcome: str) -> None:
    """Write the sweep's end, if it has begun."""
    runs = {i: {**told, "run_id": tracking.run_ids.get(i, "")} for i, told in ledger.ends.items()}
    restore(tracking, ledger.plan)
    if tracking.parent_id:
        tracking.end_sweep(ledger.plan, runs, outcome)


def _say_trials(ledger: Ledger) -> None:
    """Say why trials failed, and of a search which finished ones none other beats: the best, or a front."""
    for config in ledger.plan.trials:
        told = ledger.ends.get(config.trial_id, {})
        if "failure" in told:
            show(f"  {told['outcome']}: {ledger.plan.label(config)}: {told['failure']}")
    if ledger.chooser is not None:
        numbers = {suggestion["number"]: trial_id for trial_id, suggestion in ledger.chooser.suggestions.items()}
        for number in ledger.chooser.optimiser.best:
            goals = ", ".join(f"{mode} {key}" for key, mode in ledger.plan.objectives.items())
            show(f"  best ({goals}): {ledger.plan.label(ledger.plan.by_id[numbers[number]])}")


def _say_resume(plan: Plan, *, begun: bool) -> None:
    again = shown([word for word in sys.argv if word != "--fresh"])  # what is there is kept
    resume = [] if "--resume" in again or not begun else ["--resume", plan.sweep_id]
    show("To go on where this ended:")
    show_command(_command("python", *again, *resume))


def _say_next(ledger: Ledger, tracking: Tracking, records: str | None) -> None:
    """Say the commands that draw what the finished trials measured, or else write their table; each can be called."""
    plan, from_file = ledger.plan, records is not None and ledger.plan.study.kind.draws_records
    done = {"finished", "reused"} | ({"on file"} if from_file else set())
    finished = [c for c in plan.trials if ledger.ends.get(c.trial_id, {"outcome": ""})["outcome"] in done]
    scripts = plan.study.kind.analyses(finished) if finished else []
    title = "The figure"
    if finished and not scripts and not from_file:
        scripts, title = ["analysis/export.py"], "The table"
    where = ["--experiment", plan.experiment, "--tracking-uri", tracking.uri]
    if from_file:
        where = ["--records", str(records), "--study", plan.study.name]
    elif masked(tracking.uri) != tracking.uri:  # a password is not printed
        where, title = where[:2], f"{title}, where MLFLOW_TRACKING_URI is {masked(tracking.uri)}"
    selected = [] if plan.chosen_by in ("grid", "random") else ["--selected"]  # said, since it is no fair sample
    commands = [_command("python", os.path.relpath(ROOT / script), *where, *selected) for script in scripts]
    if commands:
        show(f"{title}:")
    for command in commands:
        show_command(command)
    show("The trials:")
    if tracking.uri.startswith("sqlite:"):
        show_command([NO_JOBS, *_command("mlflow", "ui", "--workers", "1", "--backend-store-uri", tracking.uri)])
    page = trials_url(tracking.uri, tracking.experiment_id, tracking.parent_id, next(iter(plan.study.columns), ""))
    print(f"  {page}", flush=True)  # never folded


def _command(program: str, *arguments: str) -> list[str]:
    """Return a command that works as it stands: the program of this environment, by its path if need be."""
    mine = Path(sys.executable).with_name(program)
    found = shutil.which(program)
    if mine.exists() and (found is None or Path(found) != mine):
        program = os.path.relpath(mine)
    return [program, *arguments]

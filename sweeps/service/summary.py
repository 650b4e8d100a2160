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

from sweeps.service.journal import delete_folder
from sweeps.service.ledger import Ledger
from sweeps.service.mirror import Mirror
from sweeps.service.plan import Plan
from sweeps.service.tracking import Tracking

ROOT = Path(__file__).parents[2]
PATIENCE = 300.0  # seconds that a tracking server may be away at the end


def conclude(ledger: Ledger, tracking: Tracking, mirror: Mirror, *, place: str, end: str) -> int:
    """Have MLflow hold all there is and the sweep's final state, print the summary, and return the exit status.

    `end` is over, interrupted (by Ctrl-C) or failed (the driver itself). 0: every trial is finished or was stopped
    early; 1: one failed, or MLflow could not be reached; 3: a budget left some undone; 130: interrupted. What lies at
    `place` is deleted once all is done.
    """
    plan = ledger.plan
    ends = {trial_id: {"outcome": "reused"} for trial_id in ledger.reused} | ledger.ends
    counts = Counter(ends.get(config.trial_id, {"outcome": "not begun"})["outcome"] for config in plan.trials)
    failed, undone = counts["failed"] + counts["not started"], counts["not begun"] + counts["interrupted"]
    outcome = "interrupted" if end == "interrupted" else "failed" if failed or end == "failed" else ""
    outcome = outcome or ("interrupted" if undone else "finished")
    runs = ledger.reused | tracking.run_ids
    listed = {trial_id: {**told, "run_id": runs.get(trial_id, "")} for trial_id, told in ends.items()}
    left = mirror.close(PATIENCE) or _insist(lambda: tracking.end_sweep(plan, listed, outcome))

    print("\n" + ", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    for config in plan.trials:
        told = ends.get(config.trial_id, {})
        if "failure" in told:
            print(f"  {told['outcome']}: {plan.label(config)}: {told['failure']}")
    if left:
        print(f"MLflow could not be brought up to date ({left if isinstance(left, str) else mirror.error}).")
        print(f"Nothing is lost: it is in {place}, and the same command brings it in.")
    if outcome == "finished" and not left:
        delete_folder(place)
    elif outcome == "interrupted" or left:
        again = [word for word in sys.argv if word != "--fresh"]  # what is there is kept
        resume = [] if "--resume" in again else ["--resume", plan.sweep_id]
        print(f"To go on where this ended:\n  {_command('python', *again, *resume)}")
    if end != "interrupted":
        _say_next(plan, tracking)
    return 130 if end == "interrupted" else 1 if failed or left else 3 if undone else 0


def _insist(write: Callable[[], None]) -> str:
    """Try until it succeeds or patience is over, and return why it failed then."""
    started = time.monotonic()
    while True:
        try:
            write()
            return ""
        except Exception as error:
            if time.monotonic() - started > PATIENCE:
                return f"{type(error).__name__}: {error}".splitlines()[0]
            time.sleep(5)


def _say_next(plan: Plan, tracking: Tracking) -> None:
    print(f"Next, {'the figure and ' if plan.study.analysis else ''}the trials:")
    if plan.study.analysis:
        analysis = os.path.relpath(ROOT / plan.study.analysis)
        print("  " + _command("python", analysis, "--experiment", plan.experiment, "--tracking-uri", tracking.uri))
    if tracking.uri.startswith("sqlite:"):
        print("  " + _command("mlflow", "ui", "--backend-store-uri", tracking.uri))


def _command(program: str, *arguments: str) -> str:
    """Return a command line that works as it stands: the program of this environment, by its path if need be."""
    mine = Path(sys.executable).with_name(program)
    found = shutil.which(program)
    if mine.exists() and (found is None or Path(found) != mine):
        program = os.path.relpath(mine)
    return shlex.join([program, *arguments])

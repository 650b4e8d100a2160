"""How did the sweep end, and what comes next? The last words on the screen and on the parent run."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections import Counter
from pathlib import Path

from sweeps.service.plan import Plan
from sweeps.service.progress import Progress
from sweeps.service.tracking import Tracking

ROOT = Path(__file__).parents[2]


def summarise(plan: Plan, tracking: Tracking, progress: Progress, *, reused: dict[str, str], interrupted: bool) -> int:
    """Write sweep.json and the final state onto the parent run, print the summary and return the exit status."""
    ends = {trial_id: {"outcome": "reused", "run_id": run_id} for trial_id, run_id in reused.items()} | progress.ends
    counts = Counter(ends.get(config.trial_id, {"outcome": "not started"})["outcome"] for config in plan.trials)
    tracking.log_sweep(plan, ends)
    failed = counts["failed"] + counts["not started"]
    tracking.end(tracking.parent_id, "interrupted" if interrupted else "failed" if failed else "finished")

    print("\n" + ", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    for config in plan.trials:
        end = ends.get(config.trial_id, {})
        if "failure" in end:
            print(f"  {end['outcome']}: {plan.label(config)}: {end['failure']}")
    if interrupted:
        again = [word for word in sys.argv if word != "--fresh"]  # what is there is kept
        print(f"To run what is missing, the same command again:\n  {_command('python', *again)}")
        return 130
    print(f"Next, {'the figure and ' if plan.study.analysis else ''}the trials:")
    if plan.study.analysis:
        analysis = os.path.relpath(ROOT / plan.study.analysis)
        print("  " + _command("python", analysis, "--experiment", plan.experiment, "--tracking-uri", tracking.uri))
    if tracking.uri.startswith("sqlite:"):
        print("  " + _command("mlflow", "ui", "--backend-store-uri", tracking.uri))
    return 1 if failed else 0


def _command(program: str, *arguments: str) -> str:
    """Return a command line that works as it stands: the program of this environment, by its path if need be."""
    mine = Path(sys.executable).with_name(program)
    found = shutil.which(program)
    if mine.exists() and (found is None or Path(found) != mine):
        program = os.path.relpath(mine)
    return shlex.join([program, *arguments])

"""Which sbatch line fits a plan? It asks Slurm what its partition has, if there is a Slurm."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sweeps.service.ask.plan import Plan
from sweeps.service.machines.provenance import shown

SCRIPT = Path(__file__).parents[2] / "slurm.sbatch"
LONGEST = 24 * 3600.0  # seconds a job is made for at most: it requeues itself, and short ones wait less
LEAST = 1800.0  # and at least: the warning comes 300 s before the end


class Partition(NamedTuple):
    """The nodes that are of the most frequent kind in a partition."""

    name: str
    nodes: int
    cpus: int  # of a node
    gpus: int  # of a node
    seconds: float  # a job may take

    @property
    def node(self) -> dict[str, float]:
        """What a trial can have of it at most."""
        return {"cpus": float(self.cpus), "gpus": float(self.gpus)}

    @property
    def all(self) -> dict[str, float]:
        """What all trials together can have of it."""
        return {name: amount * self.nodes for name, amount in self.node.items()}

    def __str__(self) -> str:
        gpus = f" and {self.gpus} GPUs" if self.gpus else ""
        return f"partition {self.name}: {self.nodes} nodes of {self.cpus} CPUs{gpus}"


def partition() -> Partition | None:
    """Return the partition that sbatch would use, SBATCH_PARTITION or the default; None without Slurm, or in a job."""
    if shutil.which("sbatch") is None or "SLURM_JOB_ID" in os.environ:
        return None
    command = ["sinfo", "--noheader", "--format=%P|%D|%c|%G|%l"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    rows = [line.strip().split("|") for line in said.splitlines()]
    asked = os.environ.get("SBATCH_PARTITION")
    rows = [row for row in rows if (row[0].rstrip("*") == asked if asked else row[0].endswith("*"))]
    if not rows:
        return None
    kinds: dict[tuple[str, int, int, float], int] = {}
    for name, nodes, cpus, gres, limit in rows:  # one each for nodes in different states, too
        gpus = sum(map(int, re.findall(r"\bgpu(?::[^:,(]+)?:(\d+)", gres)))
        kind = name.rstrip("*"), int(cpus.rstrip("+")), gpus, _seconds(limit)
        kinds[kind] = kinds.get(kind, 0) + int(nodes)
    (name, cpu_count, gpus, seconds), count = max(kinds.items(), key=lambda kind: kind[1])
    return Partition(name, count, cpu_count, gpus, seconds)


def _seconds(limit: str) -> float:
    """Return a time of Slurm's in seconds: minutes:seconds, hours:..., days-hours:..., or infinite."""
    if not limit[:1].isdigit():
        return math.inf
    days, _, clock = limit.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    return 86_400 * int(days or 0) + sum(part * 60**i for i, part in enumerate(reversed(parts)))


def commands(plan: Plan, offer: Partition, words: list[str]) -> list[list[str]]:
    """Return the sbatch command for the plan's command line, and where that takes several nodes, that of a job array.

    It takes as few nodes as end in time by twice what is guessed, and of each no more than the trials can use.
    """
    slots = offer.cpus // plan.cpus_per_trial
    if plan.gpus_per_trial:
        slots = min(slots, int(offer.gpus / plan.gpus_per_trial))
    slots, limit = min(slots, plan.concurrent), min(offer.seconds, LONGEST)
    for nodes in range(1, math.ceil(plan.concurrent / slots) + 1):
        guess = 2 * replace(plan, concurrent=min(nodes * slots, plan.concurrent)).seconds(plan.expected)
        if guess <= limit:
            break
    minutes = int(min(math.ceil(max(guess, LEAST) / 600) * 10, limit // 60))
    each = ["--cpus-per-task", str(slots * plan.cpus_per_trial)]
    if plan.gpus_per_trial:
        each += ["--gpus-per-node", str(math.ceil(slots * plan.gpus_per_trial))]
    each += ["--time", f"{minutes // 60}:{minutes % 60:02}:00", os.path.relpath(SCRIPT)]
    sweep = shown([word for word in words if word not in ("--dry-run", "--dry_run")])
    lines = [["sbatch", "--nodes", str(nodes), *each, *sweep]]
    if nodes > 1 and plan.search is None and plan.request.options.block is None:
        apart = [] if "--records" in sweep else ["--records", "records.csv"]
        apart += ["--block", f"%a/{nodes}", "--tracking-uri", "sqlite:///mlflow-%a.db"]
        lines.append(["sbatch", "--array", f"1-{nodes}", *each, *sweep, *apart])
    return lines

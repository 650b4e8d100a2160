"""Which trial comes next, and how did each end? The driver's own book, without Ray or MLflow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sweeps.service.plan import Plan


class Ledger:
    """Every trial of a sweep is waiting, running, or has ended; at most `at_once` run, and `at_most` are begun."""

    def __init__(
        self,
        plan: Plan,
        missing: Iterable[Any],
        reused: dict[str, str],
        *,
        at_once: int | None = None,
        at_most: int | None = None,
    ) -> None:
        self.plan, self.reused = plan, reused
        self.waiting: list[Any] = list(missing)
        self.running: dict[str, Any] = {}
        self.ends: dict[str, dict[str, str]] = {}  # trial_id -> outcome, and failure where there was one
        self.gpus: dict[str, float] = {}  # trial_id -> how many it gets, where that is not the plan's number
        self.total, self.at_once, self.to_begin = len(self.waiting), at_once, at_most

    @property
    def over(self) -> bool:
        """Whether no further trial will begin."""
        return not self.waiting or self.to_begin == 0

    def begin_next(self) -> Any | None:
        """Take the first waiting trial whose teacher has finished; None where there is none now.

        Trials whose teacher ended otherwise are not started, and that is their end.
        """
        if self.over or (self.at_once is not None and len(self.running) >= self.at_once):
            return None
        for config in list(self.waiting):
            teacher_id = self.plan.teacher_ids.get(config.trial_id)
            if teacher_id is None or self.has_finished(teacher_id):
                self.waiting.remove(config)
                self.running[config.trial_id] = config
                self.to_begin = None if self.to_begin is None else self.to_begin - 1
                return config
            if teacher_id in self.ends:
                self.waiting.remove(config)
                teacher = self.plan.label(self.plan.by_id[teacher_id])
                self.end(config, "not started", f"its teacher ({teacher}) did not finish")
        return None

    def end(self, config: Any, outcome: str, failure: str = "") -> None:
        """Note how a trial ended."""
        self.running.pop(config.trial_id, None)
        self.ends[config.trial_id] = {"outcome": outcome} | ({"failure": failure} if failure else {})

    def again(self, config: Any, *, gpus: float) -> None:
        """Put a trial that has run first in line, to get so many GPUs."""
        self.running.pop(config.trial_id, None)
        self.gpus[config.trial_id] = gpus
        self.waiting.insert(0, config)

    def has_finished(self, trial_id: str) -> bool:
        return trial_id in self.reused or self.ends.get(trial_id, {}).get("outcome") == "finished"

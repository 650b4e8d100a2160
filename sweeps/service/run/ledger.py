"""Which trial comes next, and how did each end? The driver's own list, without Ray or MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sweeps.service.ask.plan import Plan

if TYPE_CHECKING:
    from sweeps.service.run.chooser import Chooser


class Ledger:
    """Every trial of a sweep is waiting, running, or has ended; at most `at_once` run, and `at_most` are begun.

    `done` are those that need not run: trial_id -> outcome. A `chooser` adds trials while there is room for one.
    """

    def __init__(
        self,
        plan: Plan,
        done: dict[str, str],
        *,
        at_once: int | None = None,
        at_most: int | None = None,
        chooser: Chooser | None = None,
    ) -> None:
        self._plan, self.chooser = plan, chooser
        self.ends = {trial_id: {"outcome": outcome} for trial_id, outcome in done.items()}  # and failure, where one was
        self.waiting = [config for config in self.plan.trials if config.trial_id not in done]
        self.running: dict[str, Any] = {}
        self.gpus: dict[str, float] = {}  # trial_id -> how many it gets, where that is not the plan's number
        self.at_once, self.to_begin = at_once, at_most

    @property
    def plan(self) -> Plan:
        """The plan, with all trials that are chosen by now."""
        return self._plan if self.chooser is None else self.chooser.plan

    @property
    def total(self) -> int:
        """How many trials the sweep has, those to be chosen included."""
        return len(self.plan.trials) if self.chooser is None else self.chooser.wanted

    @property
    def over(self) -> bool:
        """Whether no further trial will begin."""
        more = self.chooser is not None and self.chooser.wants_more
        return self.to_begin == 0 or not (self.waiting or more)

    def begin_next(self) -> Any | None:
        """Take the first waiting trial whose teacher has finished; None where there is none now.

        Trials whose teacher ended otherwise are not started, and that is their end.
        """
        if self.over or (self.at_once is not None and len(self.running) >= self.at_once):
            return None
        if not self.waiting and self.chooser is not None and (chosen := self.chooser.choose()) is not None:
            self.waiting.append(chosen)
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

    def again(self, config: Any, *, gpus: float | None = None) -> None:
        """Put a trial that has run first in line, to get so many GPUs if they are not to be what it had."""
        self.running.pop(config.trial_id, None)
        self.ends.pop(config.trial_id, None)
        if gpus is not None:
            self.gpus[config.trial_id] = gpus
        self.waiting.insert(0, config)
        self.to_begin = None if self.to_begin is None else self.to_begin + 1

    def has_finished(self, trial_id: str) -> bool:
        return self.ends.get(trial_id, {}).get("outcome") in ("finished", "reused")

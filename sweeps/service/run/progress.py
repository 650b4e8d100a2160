"""What happens when a trial reports or ends? A line for people, and a note of its outcome."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

from ray.tune.progress_reporter import TrialProgressCallback

from specbias.settings.masking import masked
from specbias.trials.record import STEP
from sweeps.service.ask.plan import about
from sweeps.service.keep.journal import LATE, Journal
from sweeps.service.keep.retry import Trouble, first_line, insist
from sweeps.service.keep.storage import list_folder
from sweeps.service.keep.store import may_pass
from sweeps.service.machines.sharing import next_share
from sweeps.service.run.block import Block, is_terminal
from sweeps.service.run.interrupts import Interrupts
from sweeps.service.run.ledger import Ledger
from sweeps.service.run.mirror import Mirror
from sweeps.service.run.reuse import bring_teacher
from sweeps.service.run.schedulers import EarlyStopping
from sweeps.service.screen import WIDEST, Rows, show

AWAY = 300.0  # seconds that MLflow may be away while a student waits for its teacher's network


class Progress(TrialProgressCallback):
    """Shows each measurement, and has the ledger and the mirror note how each trial ended.

    A measurement is a row, or at a terminal a part of one block that stays. It takes the place of Tune's own callback
    of that kind, which prints too.
    """

    def __init__(
        self,
        ledger: Ledger,
        mirror: Mirror,
        scheduler: EarlyStopping,
        interrupts: Interrupts,
        *,
        timed: bool,
        max_failures: int,
    ) -> None:
        super().__init__()
        self.ledger, self.mirror, self.scheduler, self.interrupts = ledger, mirror, scheduler, interrupts
        self.timed = timed  # whether Tune ends trials after a while
        self.max_failures, self.damages = max_failures, Counter[str]()  # by trial_id, how often a journal was damaged
        self.started, self.done_before = time.monotonic(), len(ledger.ends)
        labels = [len(ledger.plan.label(config)) for config in ledger.plan.trials]
        epochs = [2 * len(str(self._last_epoch(config))) + 1 for config in ledger.plan.expected]
        titles = [*ledger.plan.study.columns.values()]  # of a search's trials none is known yet:
        self.rows = Rows(titles, label=max(labels, default=WIDEST), epoch=max(epochs, default=0))
        self.block = Block(titles) if is_terminal() else None
        self.begun: set[str] = set()  # trial_ids, also of those that an earlier call completed

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves its callbacks; all that matters of ours is in the journals

    def on_step_begin(self, iteration: int, trials: list, **info: Any) -> None:
        self.interrupts.raise_again()
        self.mirror.tracking.check()
        self.take_up_damaged()

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict, **info: Any) -> None:
        config = self._config(trial)
        self.mirror.note(config, result[STEP])
        epoch = f"{result[STEP]}/{self._last_epoch(config)}"
        values = [result.get(key) for key in self.ledger.plan.study.columns]
        label, row = self.ledger.plan.label(config), (epoch, values, result["time_left"])
        if self.block is None:
            self.rows.show(label, *row)
        else:
            self.block.show(label, row, done=len(self.ledger.ends), total=self.ledger.total)

    def on_trial_start(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        self.begun.add(trial.config["trial_id"])

    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        config = self._config(trial)
        if config.trial_id not in self.begun:  # Tune takes trials long before their turn
            return
        ending = self._ending(config)
        more = next_share(trial.config["gpus_per_trial"])
        if ending is not None and ending["outcome"] == "out of memory" and more is not None:
            self.ledger.again(config, gpus=more)
            show(f"{self.ledger.plan.label(config)}: out of memory; it runs again with {more:g} of a GPU")
        elif ending is not None and ending["outcome"] == "teacher damaged":
            self._mend_teacher(config, ending["failure"])
        elif ending is not None and ending["outcome"] != "complete":
            self._end(config, "failed", failure=ending["failure"], traceback=ending["traceback"])
        elif ending is not None or trial.last_result.get(STEP) == self._last_epoch(config):
            self._complete(config, patience=LATE)
        elif config.trial_id in self.scheduler.stopped:
            self._end(config, "stopped early")
        elif self.timed:
            self._end(config, "interrupted")
        else:
            self._end(config, "failed", failure="it ended without a word")

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        error = _text(trial.error_file)
        failure = f"it could not be run, or its process died, {trial.num_failures} times ({reason_of(error)})"
        self._end(self._config(trial), "failed", failure=failure, traceback=error)

    def take_over(self) -> None:
        """Note the trials that an earlier call completed, and did not live to tell."""
        there = list_folder(self.mirror.root)
        for config in [config for config in self.ledger.waiting if config.trial_id in there]:
            ending = Journal(self.mirror.root, config.trial_id).ending
            if ending is not None and ending["outcome"] in ("complete", "stopped early"):
                self.ledger.waiting.remove(config)
                self.begun.add(config.trial_id)
                if ending["outcome"] == "complete":
                    self._complete(config)
                else:
                    self._end(config, "stopped early")

    def take_up_damaged(self) -> bool:
        """Have the finished trials go on of which not all was whole when it was copied; tell whether there are any."""
        damaged = [(config, why) for config, why in self.mirror.take_damaged() if config.trial_id in self.ledger.ends]
        for config, why in damaged:
            self._go_on(config, why)
        return bool(damaged)

    def end_display(self) -> None:
        """Leave the terminal to what comes after the trials."""
        if self.block is not None:
            self.block.close()

    def close(self, outcome: str) -> None:
        """Give the trials that have begun and not ended this final state: the sweep is over."""
        for config in [*self.ledger.running.values(), *self.ledger.waiting]:
            if config.trial_id in self.begun:
                self._end(config, outcome)

    def _last_epoch(self, config: Any) -> int:
        return self.ledger.plan.study.kind.last_epoch(config)

    def _config(self, trial: Any) -> Any:
        return self.ledger.plan.by_id[trial.config["trial_id"]]

    def _ending(self, config: Any) -> dict[str, str] | None:
        """Return what the trial's journal says of its end; where nothing else may have ended it, wait for that."""
        journal, asked = Journal(self.mirror.root, config.trial_id), time.monotonic()
        stopped = config.trial_id in self.scheduler.stopped
        while (ending := journal.ending) is None and not stopped and time.monotonic() - asked < LATE:
            time.sleep(0.1)
        return ending

    def _complete(self, config: Any, *, patience: float = 0.0) -> None:
        """Note that a trial has come to its end; where its last measurement is not whole, it goes on instead."""
        last = Journal(self.mirror.root, config.trial_id).last(self._last_epoch(config), patience=patience)
        if last is None:
            self._go_on(config, "its last measurement is not whole")
        else:
            self._end(config, "finished")

    def _go_on(self, config: Any, why: str) -> None:
        """Put a trial first in line whose journal is damaged; where that happens again and again, it has failed."""
        Journal(self.mirror.root, config.trial_id).forget_end()
        self.damages[config.trial_id] += 1
        if (times := self.damages[config.trial_id]) > self.max_failures:
            self._end(config, "failed", failure=f"its journal was damaged {times} times ({why}): look at the storage")
        else:
            self.ledger.again(config)
            label = self.ledger.plan.label(config)
            show(f"{label}: its journal is damaged ({why}); it goes on from its last whole state")

    def _mend_teacher(self, config: Any, why: str) -> None:
        """Have a trial begin again once the last state of its teacher, which was damaged, is there again."""
        teacher = self.ledger.plan.by_id[self.ledger.plan.teacher_ids[config.trial_id]]
        self.damages[config.trial_id] += 1
        try:
            if self.damages[config.trial_id] > self.max_failures:
                raise OSError(f"{why}: look at the storage")
            if self.mirror.holds_all_of(teacher.trial_id):
                self._bring(teacher.trial_id)
            elif teacher.trial_id in self.ledger.ends:
                self._go_on(teacher, why)
        except Exception as error:  # whatever MLflow raises
            failure = f"its teacher's last state is damaged, and cannot be brought again: {first_line(error)}"
            self._end(config, "failed", failure=failure)
        else:
            self.ledger.again(config)

    def _bring(self, trial_id: str) -> None:
        """Bring a teacher's last state from MLflow, which may be away for a while."""
        trouble, tracking = Trouble("MLflow does not give a teacher's network"), self.mirror.tracking
        insist(
            lambda: bring_teacher(tracking, trial_id, self.mirror.root),
            trouble,
            patience=AWAY,
            hopeless=lambda error: not may_pass(error),
        )

    def _end(self, config: Any, outcome: str, *, failure: str = "", traceback: str = "") -> None:
        journal = Journal(self.mirror.root, config.trial_id)
        failure = masked(failure)
        if self.ledger.chooser is not None and outcome != "interrupted":
            curve = [(record.epoch, record.metrics) for record in journal.records()]
            self.ledger.chooser.tell(config.trial_id, outcome, curve)
        if outcome == "stopped early":
            journal.end(outcome)  # a decision that another call is not to take again
        self.ledger.end(config, outcome, failure)
        self.mirror.end(config, outcome, failure=failure, traceback=traceback)
        done, total = len(self.ledger.ends), self.ledger.total
        each = (time.monotonic() - self.started) / max(done - self.done_before, 1)
        left = about(each * (total - done)) if done < total and outcome != "interrupted" else ""
        ending, label = f"{outcome}: {failure}" if failure else outcome, self.ledger.plan.label(config)
        last = self.block.end(label, done=done, total=total, time_left=left) if self.block is not None else None
        if last is not None:
            self.rows.show(label, *last)
        show(f"{label}: {ending} ({done} of {total}{f', {left} left' if left else ''})")


def _text(file: str | None) -> str:
    """Return what Ray has written of a failure into a file of the driver's machine, as far as it can be read."""
    try:
        return Path(file).read_text(errors="replace") if file else ""
    except OSError:
        return ""


def reason_of(error: str) -> str:
    """Return the line of Ray's account of a failure that says why: a traceback's last, else the first."""
    lines = [line for line in error.strip().splitlines() if line and not line.startswith("Failure #")]
    raised = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Exit|Interrupt)\b", line)]
    return [*reversed(raised), *lines, "Ray gives no reason"][0]

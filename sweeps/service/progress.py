"""What does a person want to see while trials run, and what is noted of each? A row per report, a line per end."""

from __future__ import annotations

import re
import time
from typing import Any

from ray.tune.progress_reporter import TrialProgressCallback

from specbias.masking import masked
from sweeps.service.driver import Interrupts
from sweeps.service.journal import Journal, list_folder
from sweeps.service.ledger import Ledger
from sweeps.service.mirror import Mirror
from sweeps.service.plan import about
from sweeps.service.schedulers import EarlyStopping
from sweeps.service.sharing import next_share

WIDEST = 48  # characters of a label in a row
LATE = 10.0  # seconds that a file written on another node may take to be seen here


class Progress(TrialProgressCallback):
    """Prints a row for each measurement, and has the ledger and the mirror note how each trial ended.

    It takes the place of Tune's own callback of that kind, which prints too.
    """

    def __init__(
        self, ledger: Ledger, mirror: Mirror, scheduler: EarlyStopping, interrupts: Interrupts, *, timed: bool
    ) -> None:
        super().__init__()
        self.ledger, self.mirror, self.scheduler, self.interrupts = ledger, mirror, scheduler, interrupts
        self.timed = timed  # whether Tune ends trials after a while
        self.started, self.done_before = time.monotonic(), len(ledger.ends)
        labels = [len(ledger.plan.label(config)) for config in ledger.plan.trials]
        self.width = min(max(labels, default=WIDEST), WIDEST)  # of a search's trials none is known yet
        self.epoch_width = max(7, *(2 * len(str(self._last_epoch(c))) + 1 for c in ledger.plan.expected))
        self.header_printed = False
        self.begun: set[str] = set()  # trial_ids

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves its callbacks; all that matters of ours is in the journals

    def on_step_begin(self, iteration: int, trials: list, **info: Any) -> None:
        self.interrupts.raise_again()

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict, **info: Any) -> None:
        config, columns = self._config(trial), self.ledger.plan.study.columns
        self.mirror.note(config, result["epoch"])
        if not self.header_printed:
            titles = "  ".join(f"{title:>8}" for title in columns.values())
            print(f"{'trial':<{self.width}}  {'epoch':>{self.epoch_width}}  {titles}  time left")
            self.header_printed = True
        numbers = "  ".join(f"{result[key]:8.4f}" if key in result else f"{'-':>8}" for key in columns)
        epoch = f"{result['epoch']}/{self._last_epoch(config)}"
        label = self.ledger.plan.label(config)
        label = label if len(label) <= WIDEST else f"...{label[3 - WIDEST :]}"  # labels differ at their end
        print(f"{label:<{self.width}}  {epoch:>{self.epoch_width}}  {numbers}  {result['time_left']}", flush=True)

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
            print(f"{self.ledger.plan.label(config)}: out of memory; it runs again with {more:g} of a GPU", flush=True)
        elif ending is not None and ending["outcome"] != "complete":
            self._end(config, "failed", failure=ending["failure"], traceback=ending["traceback"])
        elif ending is not None or trial.last_result.get("epoch") == self._last_epoch(config):
            self._end(config, "finished")
        elif config.trial_id in self.scheduler.stopped:
            self._end(config, "stopped early")
        elif self.timed:
            self._end(config, "interrupted")
        else:
            self._end(config, "failed", failure="it ended without a word")

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        error = trial.get_error() or ""
        why = reason_of(str(getattr(error, "cause", None) or error))
        failure = f"it could not be run, or its process died, {trial.num_failures} times ({why})"
        self._end(self._config(trial), "failed", failure=failure, traceback=str(error))

    def take_over(self) -> None:
        """Note the trials that an earlier call completed, and did not live to tell."""
        there = list_folder(self.mirror.root)
        for config in [config for config in self.ledger.waiting if config.trial_id in there]:
            ending = Journal(self.mirror.root, config.trial_id).ending
            if ending is not None and ending["outcome"] in ("complete", "stopped early"):
                self.ledger.waiting.remove(config)
                self._end(config, "finished" if ending["outcome"] == "complete" else "stopped early")

    def close(self, outcome: str) -> None:
        """Give the trials that have begun and not ended this final state: the sweep is over."""
        for config in [config for config in self.ledger.running.values() if config.trial_id in self.begun]:
            self._end(config, outcome)

    def _last_epoch(self, config: Any) -> int:
        return self.ledger.plan.study.last_epoch(config)

    def _config(self, trial: Any) -> Any:
        return self.ledger.plan.by_id[trial.config["trial_id"]]

    def _ending(self, config: Any) -> dict[str, str] | None:
        """Return what the trial's journal says of its end; where nothing else may have ended it, wait for that."""
        journal, asked = Journal(self.mirror.root, config.trial_id), time.monotonic()
        stopped = config.trial_id in self.scheduler.stopped
        while (ending := journal.ending) is None and not stopped and time.monotonic() - asked < LATE:
            time.sleep(0.1)
        return ending

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
        rest = f", {about(each * (total - done))} left" if done < total and outcome != "interrupted" else ""
        ending = f"{outcome}: {failure}" if failure else outcome
        print(f"{self.ledger.plan.label(config)}: {ending} ({done} of {total}{rest})", flush=True)


def reason_of(error: str) -> str:
    """Return the line of Ray's account of a failure that says why: a traceback's last, else the first."""
    lines = [line for line in error.strip().splitlines() if line and not line.startswith("Failure #")]
    raised = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Exit|Interrupt)\b", line)]
    return [*reversed(raised), *lines, "Ray gives no reason"][0]

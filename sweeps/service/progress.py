"""What does a person want to see while trials run, and what is noted of each? A row per report, a line per end."""

from __future__ import annotations

import time
from typing import Any

from ray.tune.progress_reporter import TrialProgressCallback

from sweeps.service.journal import Journal, list_folder
from sweeps.service.ledger import Ledger
from sweeps.service.mirror import Mirror
from sweeps.service.plan import about

LATE = 10.0  # seconds that a file written on another node may take to be seen here


class Progress(TrialProgressCallback):
    """Prints a row for each measurement, and has the ledger and the mirror note how each trial ended.

    It takes the place of Tune's own callback of that kind, which prints too.
    """

    def __init__(self, ledger: Ledger, mirror: Mirror, *, stopping: bool, deadline: float | None) -> None:
        super().__init__()
        self.ledger, self.mirror = ledger, mirror
        self.stopping = stopping or deadline is not None  # whether a trial may be ended from outside
        self.deadline = deadline  # on time.monotonic's clock
        self.plan, self.started = ledger.plan, time.monotonic()
        self.width = max((len(self.plan.label(config)) for config in self.plan.trials), default=8)
        self.epoch_width = max(7, *(2 * len(str(config.epochs)) + 1 for config in self.plan.trials))
        self.header_printed = False

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves its callbacks; all that matters of ours is in the journals

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict, **info: Any) -> None:
        config = self._config(trial)
        self.mirror.note(config, result["epoch"])
        if not self.header_printed:
            titles = "  ".join(f"{title:>8}" for title in self.plan.study.columns.values())
            print(f"{'trial':<{self.width}}  {'epoch':>{self.epoch_width}}  {titles}  time left")
            self.header_printed = True
        numbers = "  ".join(f"{result[key]:8.4f}" if key in result else f"{'-':>8}" for key in self.plan.study.columns)
        epoch = f"{result['epoch']}/{config.epochs}"
        print(
            f"{self.plan.label(config):<{self.width}}  {epoch:>{self.epoch_width}}  {numbers}  {result['time_left']}",
            flush=True,
        )

    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        config = self._config(trial)
        ending = self._ending(config)
        if ending is not None and ending["outcome"] != "complete":
            self._end(config, ending["outcome"], failure=ending["failure"], traceback=ending["traceback"])
        elif ending is not None or trial.last_result.get("epoch") == config.epochs:
            self._end(config, "finished")
        elif self.deadline is not None and time.monotonic() >= self.deadline:
            self._end(config, "interrupted")
        elif self.stopping:
            self._end(config, "stopped early")
        else:
            self._end(config, "failed", failure="it ended without a word")

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        error = trial.get_error()
        said = str(getattr(error, "cause", None) or error).strip().splitlines()
        failure = f"its process died {trial.num_failures} times ({said[0] if said else 'no reason given'})"
        self._end(self._config(trial), "failed", failure=failure, traceback=str(error))

    def take_over(self) -> None:
        """Note the trials that an earlier call completed, and did not live to tell."""
        there = list_folder(self.mirror.root)
        for config in [config for config in self.ledger.waiting if config.trial_id in there]:
            ending = Journal(self.mirror.root, config.trial_id).ending
            if ending is not None and ending["outcome"] == "complete":
                self.ledger.waiting.remove(config)
                self._end(config, "finished")

    def close(self, outcome: str) -> None:
        """Give the trials that are still running this final state: the sweep is over."""
        for config in list(self.ledger.running.values()):
            self._end(config, outcome)

    def _config(self, trial: Any) -> Any:
        return self.plan.by_id[trial.config["trial_id"]]

    def _ending(self, config: Any) -> dict[str, str] | None:
        """Return what the trial's journal says of its end; where nothing else may have ended it, wait for that."""
        journal, asked = Journal(self.mirror.root, config.trial_id), time.monotonic()
        while (ending := journal.ending) is None and not self.stopping and time.monotonic() - asked < LATE:
            time.sleep(0.1)
        return ending

    def _end(self, config: Any, outcome: str, *, failure: str = "", traceback: str = "") -> None:
        self.ledger.end(config, outcome, failure)
        self.mirror.end(config, outcome, failure=failure, traceback=traceback)
        done, total = len(self.ledger.ends), self.ledger.total
        left = (time.monotonic() - self.started) / done * (total - done)
        rest = f", {about(left)} left" if done < total else ""
        ending = f"{outcome}: {failure}" if failure else outcome
        print(f"{self.plan.label(config)}: {ending} ({done} of {total}{rest})", flush=True)

"""What does a person want to see, and what must be closed, while trials run? One row per report; every final state."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ray import tune

from sweeps.service.plan import Plan, about
from sweeps.service.tracking import Tracking


class Progress(tune.Callback):
    """Prints a row for each measurement and gives each trial's MLflow run its final state, from the driver."""

    def __init__(self, plan: Plan, tracking: Tracking, missing: list[Any]) -> None:
        self.plan, self.tracking, self.missing = plan, tracking, missing
        self.ends: dict[str, dict[str, str]] = {}  # trial_id -> outcome, run_id, and failure where there was one
        self.started = time.monotonic()
        self.width = max(len(plan.label(config)) for config in plan.trials)
        self.epoch_width = max(7, *(2 * len(str(config.epochs)) + 1 for config in plan.trials))
        self.header_printed = False

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict, **info: Any) -> None:
        config = self._config(trial)
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
        run_id = self.tracking.find_trial(config.trial_id)
        complete = run_id is not None and self.tracking.is_complete(run_id)
        self._tell(config, self._end(config, "finished" if complete else "stopped early"))

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        config = self._config(trial)
        self._tell(config, self._end(config, "failed"))

    @property
    def finished(self) -> dict[str, str]:
        """The trials that have finished by now: trial_id -> run id."""
        return {trial_id: end["run_id"] for trial_id, end in self.ends.items() if end["outcome"] == "finished"}

    def ready(self, wave: list[Any], finished: Mapping[str, str]) -> list[Any]:
        """Return the trials whose teachers are finished; the others are not to be started, and that is their end."""
        ready = []
        for config in wave:
            teacher_id = self.plan.teacher_ids.get(config.trial_id)
            if teacher_id is None or teacher_id in finished:
                ready.append(config)
            else:
                failure = f"its teacher ({self.plan.label(self.plan.by_id[teacher_id])}) did not finish"
                self.ends[config.trial_id] = {"outcome": "not started", "failure": failure}
                self._tell(config, f"not started: {failure}")
        return ready

    def close(self, outcome: str) -> None:
        """Give the trials that are still open this final state: the sweep is over."""
        for config in self.missing:
            if config.trial_id not in self.ends and self.tracking.find_trial(config.trial_id):
                self._end(config, outcome)

    def _config(self, trial: Any) -> Any:
        return self.plan.by_id[trial.config["trial_id"]]

    def _end(self, config: Any, outcome: str) -> str:
        run_id = self.tracking.start_trial(config, label=self.plan.label(config), tags={})  # it may have none yet
        self.tracking.end(run_id, outcome)
        end = self.ends[config.trial_id] = {"outcome": outcome, "run_id": run_id}
        if outcome != "failed":
            return outcome
        end["failure"] = self.tracking.failure(run_id)
        return f"failed: {end['failure']}"

    def _tell(self, config: Any, ending: str) -> None:
        done, total = len(self.ends), len(self.missing)
        left = (time.monotonic() - self.started) / done * (total - done)
        rest = f", {about(left)} left" if done < total else ""
        print(f"{self.plan.label(config)}: {ending} ({done} of {total}{rest})", flush=True)

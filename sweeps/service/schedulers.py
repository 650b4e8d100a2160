"""Which trials are not worth finishing? Ray's rules for stopping early, on our own epochs, rebuilt after a resume."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from sweeps.service.study import Curve


class Known(NamedTuple):
    """A trial as the rules see it: by its own identity."""

    trial_id: str


class EarlyStopping(FIFOScheduler):
    """A rule of Ray's that knows trials by their `trial_id` among their settings, and hears of every epoch once.

    Ray names a trial anew in every call and keeps no rule's state: by Ray's names, what a trial reported before a
    resume and after it would be two trials'; and Ray tells a trial's last result twice. A trial that has come to
    `last_epoch` is not stopped any more, and a value that is not finite is no result.
    """

    def __init__(self, rule: Any, *, metric: str, last_epoch: int) -> None:
        super().__init__()
        self.rule, self.objective, self.last_epoch = rule, metric, last_epoch
        self.epochs: dict[Known, int] = {}  # the last heard of
        self.stopped: set[str] = set()  # trial_ids

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self.rule.on_trial_add(tune_controller, Known(trial.config["trial_id"]))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict) -> str:
        known = Known(trial.config["trial_id"])
        if not self._is_news(known, result):
            return TrialScheduler.CONTINUE
        decision = self.rule.on_trial_result(tune_controller, known, result)
        if decision != TrialScheduler.STOP or result["epoch"] >= self.last_epoch:
            return TrialScheduler.CONTINUE
        self.stopped.add(known.trial_id)
        return decision

    def replay(self, curves: Mapping[str, Curve]) -> None:
        """Tell the rule what the trials of earlier calls reported, trial_id -> curve; it decides nothing about them.

        Each result is told as one a trial has ended with: the rules record such a one without a decision.
        """
        for trial_id, curve in curves.items():
            known = Known(trial_id)
            for epoch, metrics in curve:
                result = {"epoch": epoch, **metrics}
                if self._is_news(known, result):
                    self.rule.on_trial_add(None, known)
                    self.rule.on_trial_complete(None, known, result)

    def _is_news(self, known: Known, result: Mapping[str, Any]) -> bool:
        heard = self.epochs.get(known, -1)
        if result.get("epoch", -1) <= heard or not math.isfinite(result.get(self.objective, math.nan)):
            return False
        self.epochs[known] = result["epoch"]
        return True


def build_scheduler(
    name: str, *, objectives: Mapping[str, str], max_epochs: int, grace_epochs: int, reduction: float = 3.0
) -> EarlyStopping:
    """Return the scheduler of this name, none, asha or median; before `grace_epochs` no trial is stopped.

    It judges by the first of the objectives, metric key -> max or min. asha: of the trials that come to epoch
    grace_epochs * reduction**k, k = 0, 1, ..., below max_epochs, the best share of 1 / reduction goes on. median: a
    trial is stopped whose best is below the median of the others' running means.
    """
    metric, mode = next(iter(objectives.items()), ("", "max"))
    common: dict[str, Any] = {"time_attr": "epoch", "metric": metric, "mode": mode, "grace_period": grace_epochs}
    rule: TrialScheduler = FIFOScheduler()
    if name == "asha":
        # no rung at the last epoch; stop_last_trials would put late values into early rungs that were not measured
        asha: dict[str, Any] = {
            "max_t": max(max_epochs - 1, grace_epochs),
            "reduction_factor": reduction,
            "stop_last_trials": False,
        }
        rule = ASHAScheduler(**common, **asha)
    elif name == "median":
        rule = MedianStoppingRule(**common, min_time_slice=math.inf)  # type: ignore[arg-type]  # no trial is paused
    return EarlyStopping(rule, metric=metric, last_epoch=max_epochs)

"""Which trials are stopped early? Ray's rules decide, by the measurements of each trial.

After a resume, a rule gets the results of earlier calls again, because Ray does not keep them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from specbias.trials.record import STEP
from sweeps.service.study import Curve


class Known(NamedTuple):
    """A trial as Ray's rules get it: known by its own identity."""

    trial_id: str


class EarlyStopping(FIFOScheduler):
    """One of Ray's rules for stopping early, which gets each result once, under the trial's own `trial_id`.

    Ray gives a trial a new name in every call, so that its results before and after a resume would count as those of
    two trials; and it passes a trial's last result twice. A trial that has reached `last_epoch` is not stopped, and a
    result whose objective is not finite is left out.
    """

    def __init__(self, rule: Any, *, metric: str, last_epoch: int) -> None:
        super().__init__()
        self.rule, self.objective, self.last_epoch = rule, metric, last_epoch
        self.epochs: dict[Known, int] = {}  # the last that the rule has a result of
        self.stopped: set[str] = set()  # trial_ids

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self.rule.on_trial_add(tune_controller, Known(trial.config["trial_id"]))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict) -> str:
        known = Known(trial.config["trial_id"])
        if not self._is_new(known, result):
            return TrialScheduler.CONTINUE
        decision = self.rule.on_trial_result(tune_controller, known, result)
        if decision != TrialScheduler.STOP or result[STEP] >= self.last_epoch:
            return TrialScheduler.CONTINUE
        self.stopped.add(known.trial_id)
        return decision

    def replay(self, curves: Mapping[str, Curve]) -> None:
        """Give the rule the results of earlier calls, trial_id -> curve; it decides nothing about these trials.

        Each result is passed as the last one of its trial: the rules note such a result without a decision.
        """
        for trial_id, curve in curves.items():
            known = Known(trial_id)
            for epoch, metrics in curve:
                result = {STEP: epoch, **metrics}
                if self._is_new(known, result):
                    self.rule.on_trial_add(None, known)
                    self.rule.on_trial_complete(None, known, result)

    def _is_new(self, known: Known, result: Mapping[str, Any]) -> bool:
        last = self.epochs.get(known, -1)
        if result.get(STEP, -1) <= last or not math.isfinite(result.get(self.objective, math.nan)):
            return False
        self.epochs[known] = result[STEP]
        return True


def build_scheduler(
    name: str, *, objectives: Mapping[str, str], max_epochs: int, grace_epochs: int, reduction: float = 3.0
) -> EarlyStopping:
    """Return the scheduler of this name, none, asha or median; before `grace_epochs` no trial is stopped.

    It compares trials by the first of the objectives, metric key -> max or min. asha: of the trials that reach epoch
    grace_epochs * reduction**k, k = 0, 1, ..., below max_epochs, the best share of 1 / reduction goes on. median: a
    trial is stopped if its best value is worse than the median of the others' running means.
    """
    metric, mode = next(iter(objectives.items()), ("", "max"))
    common: dict[str, Any] = {"time_attr": STEP, "metric": metric, "mode": mode, "grace_period": grace_epochs}
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

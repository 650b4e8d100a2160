"""A rule that stops trials early knows after a resume what it knew before, and never stops a trial at its end."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
from ray.tune.schedulers import TrialScheduler

from sweeps.service.run.schedulers import build_scheduler

EPOCHS = (0, 1, 2, 5, 10, 20, 30)


def build(name, mode="max", grace_epochs=2):
    return build_scheduler(name, objectives={"accuracy": mode, "more": "min"}, max_epochs=30, grace_epochs=grace_epochs)


class Tune:
    """Does what Tune does with a scheduler: names trials anew, tells results in turn, and the last one twice."""

    def __init__(self, scheduler, call):
        self.scheduler, self.call, self.trials = scheduler, call, {}
        self.decisions = {}

    def report(self, trial_id, epoch, metrics):
        if trial_id not in self.trials:
            name = f"{self.call}-{len(self.trials)}"
            self.trials[trial_id] = SimpleNamespace(trial_id=name, config={"trial_id": trial_id, "epochs": 30})
            self.scheduler.on_trial_add(None, self.trials[trial_id])
        result = {"epoch": epoch, "training_iteration": 1, **metrics}
        decision = self.scheduler.on_trial_result(None, self.trials[trial_id], result)
        self.decisions[trial_id, epoch] = decision
        if epoch == 30 or decision == TrialScheduler.STOP:
            self.scheduler.on_trial_complete(None, self.trials[trial_id], result)
        return decision


def curves(count, seed=0):
    """Curves that cross: trial_id -> epoch -> accuracy."""
    generator = random.Random(seed)
    found = {}
    for i in range(count):
        best, pace = generator.random(), generator.uniform(0.05, 1)
        found[f"t{i}"] = {epoch: best * (1 - np.exp(-pace * epoch)) for epoch in EPOCHS}
    return found


def play(tune_of, found):
    """Let all trials report in turn, from the beginning; return what is reported until each is stopped or ends."""
    told, stopped = {trial_id: [] for trial_id in found}, set()
    for count, (epoch, trial_id) in enumerate((epoch, trial_id) for epoch in EPOCHS for trial_id in found):
        if trial_id not in stopped:
            tune, metrics = tune_of(count, told), {"accuracy": found[trial_id][epoch]}
            told[trial_id].append((epoch, metrics))
            if tune.report(trial_id, epoch, metrics) == TrialScheduler.STOP:
                stopped.add(trial_id)
    return told, stopped


@pytest.mark.parametrize("name", ["asha", "median"])
@pytest.mark.parametrize("cut", [7, 20, 31, 40])
def test_after_a_resume_decisions_and_rungs_are_those_of_a_sweep_that_went_on(name, cut):
    """Twins: one scheduler sees all reports, the other is built anew after `cut` of them and told what was recorded."""
    live, found = Tune(build(name), "live"), curves(8)
    told, stopped = play(lambda count, told: live, found)
    calls = [Tune(build(name), "first")]

    def resumed(count, told):
        if count >= cut and len(calls) == 1:
            calls.append(Tune(build(name), "second"))
            calls[1].scheduler.replay(told)
        return calls[-1]

    assert play(resumed, found) == (told, stopped) and 0 < len(stopped) < 8
    assert calls[1].decisions.items() <= live.decisions.items() and calls[1].decisions
    if name == "asha":
        assert calls[1].scheduler.rule._brackets[0]._rungs == live.scheduler.rule._brackets[0]._rungs


def test_asha_lets_the_best_third_of_a_rung_go_on():
    """By hand: rungs at epochs 2, 6 and 18; a trial is stopped that is below the upper third of those before it."""
    tune = Tune(build("asha"), "live")
    values = {"a": 0.5, "b": 0.6, "c": 0.4, "d": 0.7, "e": 0.55}
    # upper thirds, interpolated, of: nothing, 0.5, (0.5, 0.6), (0.4, 0.5, 0.6), (0.4 .. 0.7)
    went_on = {"a": True, "b": True, "c": False, "d": True, "e": False}
    for trial_id, accuracy in values.items():
        decision = tune.report(trial_id, 2, {"accuracy": accuracy})
        assert (decision == TrialScheduler.CONTINUE) == went_on[trial_id]
    assert [milestone for milestone, _ in tune.scheduler.rule._brackets[0]._rungs] == [18, 6, 2]


def test_asha_compares_a_late_value_with_no_early_ones():
    """A trial that is measured at few epochs enters at each the highest rung it has come to, and none below."""
    tune = Tune(build("asha", grace_epochs=1), "live")
    for epoch in (5, 10, 20):
        tune.report("t", epoch, {"accuracy": 0.01 * epoch})
    rungs = {milestone: [*values.values()] for milestone, values in tune.scheduler.rule._brackets[0]._rungs}
    assert rungs == {27: [], 9: [0.1], 3: [0.05], 1: []}


def test_the_median_is_of_running_means_that_count_every_epoch_once():
    """By hand: trials that end at epoch 20, with means of 0.4, 0.5 and 0.6; the last value twice makes 0.575 of 0.5."""
    tune = Tune(build("median"), "live")
    for trial_id, mean in (("a", 0.4), ("b", 0.5), ("c", 0.6)):
        for epoch, accuracy in ((2, mean - 0.3), (5, mean), (20, mean + 0.3)):
            tune.report(trial_id, epoch, {"accuracy": accuracy})
        tune.report(trial_id, 20, {"accuracy": mean + 0.3})
    assert tune.report("better", 20, {"accuracy": 0.51}) == TrialScheduler.CONTINUE
    assert tune.report("poorer", 20, {"accuracy": 0.45}) == TrialScheduler.STOP


@pytest.mark.parametrize("name", ["asha", "median"])
@pytest.mark.parametrize("mode", ["max", "min"])
def test_the_better_trials_go_on_in_either_direction(name, mode):
    tune, sign = Tune(build(name, mode), "live"), 1 if mode == "max" else -1
    for i in range(6):
        for epoch in EPOCHS[1:5]:
            tune.report(f"t{i}", epoch, {"accuracy": sign * (0.5 + 0.01 * i + 0.001 * epoch)})
    for epoch in EPOCHS[1:]:
        decisions = [tune.report("good", epoch, {"accuracy": sign * 0.9})]
        assert decisions == [TrialScheduler.CONTINUE]
    assert tune.report("poor", 5, {"accuracy": sign * 0.1}) == TrialScheduler.STOP


@pytest.mark.parametrize("name", ["asha", "median"])
def test_no_trial_is_stopped_before_grace_or_at_its_last_epoch_or_for_what_is_no_number(name):
    tune = Tune(build(name, grace_epochs=20), "live")
    for i in range(6):
        for epoch in EPOCHS:
            tune.report(f"t{i}", epoch, {"accuracy": 0.9})
    assert tune.report("early", 10, {"accuracy": 0.0}) == TrialScheduler.CONTINUE
    assert tune.report("late", 30, {"accuracy": 0.0}) == TrialScheduler.CONTINUE
    assert tune.report("unknown", 20, {"accuracy": float("nan")}) == TrialScheduler.CONTINUE
    assert tune.report("without", 20, {}) == TrialScheduler.CONTINUE
    assert tune.report("poor", 20, {"accuracy": 0.0}) == TrialScheduler.STOP


def test_without_a_rule_no_trial_is_stopped():
    tune = Tune(build("none"), "live")
    tune.scheduler.replay({"t": [(0, {"accuracy": 0.0})]})
    assert {tune.report("t", epoch, {"accuracy": 0.0}) for epoch in EPOCHS} == {TrialScheduler.CONTINUE}

"""What should the sweep try next? Optuna's samplers: their choice depends only on earlier questions and outcomes."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from specbias.settings.seeds import derive_seed
from sweeps.service.study import Curve, Settings

STARTUP = 6  # trials that are drawn at random before tpe and gp look at results; a sweep has 12 unless told otherwise
POPULATION = 12  # trials to a generation of nsga2
Suggestion = dict[str, Any]


class Optimiser:
    """Chooses settings, given how the trials with earlier ones ended; holds nothing but these trials.

    `space(trial)` returns the settings of a trial, chosen by Optuna's trial.suggest_float, suggest_int and
    suggest_categorical; what it asks may depend on what it was answered. `objectives`: metric key -> max or min. Every
    question has a seed of its own, so that a search which is recalled goes on as if it had never ended.
    """

    def __init__(
        self, space: Callable[[Any], Settings], *, sampler: str, seed: int, objectives: Mapping[str, str]
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space, self.sampler, self.seed, self.objectives = space, sampler, seed, objectives
        self.trials: dict[int, FrozenTrial] = {}  # by the number of their suggestion

    def ask(self) -> Suggestion:
        """Return a suggestion, JSON-ready: its `settings`, its `number`, and what `recall` needs to know of it.

        Numbers have four digits, so that people can read them and give them to another sweep. Until it is told of, its
        trial runs, and further suggestions keep away from it.
        """
        number = max(self.trials, default=-1) + 1
        study = self._study(derive_seed(self.seed, "optimiser", number) % 2**32)
        chosen = self.space(study.ask())
        asked = study.get_trials(deepcopy=False)[-1]
        suggestion = {
            "number": number,
            "settings": {name: float(f"{v:.4g}") if isinstance(v, float) else v for name, v in chosen.items()},
            "params": asked.params,
            "distributions": {name: json.loads(distribution_to_json(d)) for name, d in asked.distributions.items()},
            "system_attrs": asked.system_attrs,  # a generation's number, say
        }
        self.recall(suggestion)
        return suggestion

    def recall(self, suggestion: Suggestion) -> None:
        """Take up a suggestion of an earlier call of the sweep, as one whose trial runs: `tell` says how it ended."""
        self._keep(suggestion, state=TrialState.RUNNING)

    def tell(self, suggestion: Suggestion, *, outcome: str, curve: Curve) -> None:
        """Say how the trial of a suggestion ended: finished, stopped early or failed, and what it measured.

        What a trial reported before it was stopped early is never taken for its result; several objectives cannot be
        told of such a trial, nor of one whose objective is missing or not finite: it counts as failed.
        """
        last = curve[-1][1] if curve else {}
        values = [last.get(key, math.nan) for key in self.objectives]
        if outcome == "finished" and all(math.isfinite(value) for value in values):
            return self._keep(suggestion, state=TrialState.COMPLETE, values=values)
        if outcome == "stopped early" and len(self.objectives) == 1:
            (key,) = self.objectives
            found = {epoch: metrics[key] for epoch, metrics in curve if math.isfinite(metrics.get(key, math.nan))}
            if found:
                return self._keep(suggestion, state=TrialState.PRUNED, intermediate_values=found)
        return self._keep(suggestion, state=TrialState.FAIL)

    @property
    def best(self) -> tuple[int, ...]:
        """The numbers of the finished trials that none other beats: in one objective the best, in several a front."""
        numbers = sorted(self.trials)
        return tuple(numbers[trial.number] for trial in self._study(0).best_trials)

    def _keep(self, suggestion: Suggestion, **known: Any) -> None:
        distributions = suggestion["distributions"].items()
        self.trials[suggestion["number"]] = create_trial(
            params=suggestion["params"],
            distributions={name: json_to_distribution(json.dumps(said)) for name, said in distributions},
            system_attrs=suggestion["system_attrs"],
            **known,
        )

    def _study(self, seed: int) -> optuna.Study:
        """Return a study in memory that holds the trials as they are known now."""
        study = optuna.create_study(
            directions=["maximize" if mode == "max" else "minimize" for mode in self.objectives.values()],
            sampler=_sampler(self.sampler, seed, single=len(self.objectives) == 1),
            pruner=optuna.pruners.NopPruner(),
        )
        study.add_trials([self.trials[number] for number in sorted(self.trials)])
        return study


def _sampler(name: str, seed: int, *, single: bool) -> BaseSampler:
    """Return a sampler of Optuna's.

    tpe with one objective models settings jointly, those that go together in a branch of a conditional space as a
    group; with several, each on its own, Optuna's choice. gp models the settings that every trial has.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "tpe":
            return TPESampler(
                n_startup_trials=STARTUP, seed=seed, multivariate=single, group=single, constant_liar=True
            )
        if name == "gp":
            return GPSampler(n_startup_trials=STARTUP, seed=seed)
        return NSGAIISampler(population_size=POPULATION, seed=seed) if name == "nsga2" else RandomSampler(seed=seed)

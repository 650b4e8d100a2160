"""Which trials make up the sweep, and about how long do they take? The plan, made without Ray or torch."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from specbias.settings import SettingError
from sweeps.service.ask.changes import Change
from sweeps.service.ask.options import Options
from sweeps.service.ask.request import Request
from sweeps.service.ask.space import Search, grace_of, objectives_of, refuse_teacher, search_of
from sweeps.service.ask.trials import known_trials
from sweeps.service.study import Settings, Study

ASKED = 100  # questions to an optimiser until it suggests a trial that is new and can be


@dataclass(frozen=True)
class Plan:
    """The trials of a sweep: distinct configs in the order they start, all near `base`.

    Those of a search are not known beforehand: it begins with none, and `with_trial` adds them as they are chosen.
    """

    request: Request
    study: Study
    preset: str
    base: Any  # the baseline, complete
    trials: tuple[Any, ...]
    changes: dict[str, Change]  # by trial_id
    teacher_ids: dict[str, str]  # trial_id -> that of the trial that must be finished before it
    experiment: str
    cpus_per_trial: int
    gpus_per_trial: float
    concurrent: int  # trials at a time on this machine; a cluster may allow more
    search: Search | None  # what an optimiser may choose; None: all trials are known
    objectives: dict[str, str]  # metric key -> max or min: what a search or a scheduler judges by, the first first
    scheduler: str  # which rule stops trials early
    grace_epochs: int  # before which it stops none
    chosen_by: str  # grid, random or optuna; and the scheduler
    saved: float = 0.0  # seconds for which a trial measures less, as --calibrate timed it

    @cached_property
    def sweep_id(self) -> str:
        """The identity of the sweep: a hash of its trials' identities, or of what its search is, however long."""
        return self._identity({config.trial_id: config.trial_id for config in (self.base, *self.trials)})

    def measured_by(self, version: int) -> str:
        """Return the identity that this sweep has under an older version of the measure."""
        older: dict[str, str] = {}
        for config in (self.base, *sum(self.waves(self.trials), [])):  # teachers first: their students' hold theirs
            teacher = older.get(self.teacher_ids.get(config.trial_id, ""))
            known = config if teacher is None else replace(config, teacher_id=teacher)
            older[config.trial_id] = known.identity(min(version, config.measure_version))
        return self._identity(older)

    def _identity(self, trial_ids: dict[str, str]) -> str:
        parts = sorted(trial_ids[config.trial_id] for config in self.trials)
        if self.search is not None:
            search, goals = self.search, [" ".join(goal) for goal in self.objectives.items()]
            parts = [
                self.study.name,
                trial_ids[self.base.trial_id],
                search.description,
                search.sampler,
                str(search.seed),
                *goals,
            ]
        parts += [] if self.scheduler == "none" else [self.scheduler, str(self.grace_epochs)]
        return hashlib.sha256("/".join(parts).encode()).hexdigest()[:12]

    @cached_property
    def by_id(self) -> dict[str, Any]:
        """The configs by their identity."""
        return {config.trial_id: config for config in self.trials}

    @cached_property
    def teachers(self) -> frozenset[str]:
        """The identities of the trials that teach others."""
        return frozenset(self.teacher_ids.values())

    @cached_property
    def repeated(self) -> bool:
        """Whether trials differ in their seeds."""
        return len({config.seed for config in self.trials}) > 1

    def with_trial(self, settings: Settings) -> Plan:
        """Return the plan with one trial more, the baseline changed so; SettingError where it cannot be or is there."""
        config = self.request.changed(settings)
        self.study.kind.check(config)
        refuse_teacher(self.study, config)
        if config.trial_id in self.by_id:
            raise SettingError(f"trial {config.trial_id} is in the sweep already")
        changes = self.changes | {config.trial_id: Change({}, settings)}
        grown = replace(self, trials=(*self.trials, config), changes=changes)
        vars(grown)["by_id"] = self.by_id | {config.trial_id: config}  # not built anew with every trial of a search
        return grown

    def varied(self, config: Any) -> Settings:
        """Return the settings changed under the condition that differ from the baseline; not those that follow."""
        names = self.changes[config.trial_id].intervention
        return {k: getattr(config, k) for k in names if getattr(config, k) != getattr(self.base, k)}

    def intervention(self, config: Any) -> str:
        """Return what is varied: "baseline", the one setting's name, or "several settings"."""
        names = [*self.varied(config)] or ["baseline"]
        return names[0] if len(names) == 1 else self.changes[config.trial_id].name or "several settings"

    def label(self, config: Any) -> str:
        """Return a short name for people: condition and what is varied, or baseline; and the seed where repeated."""
        names = {**self.changes[config.trial_id].condition, **self.varied(config)}
        if getattr(config, "generation", 0):
            names["generation"] = None  # also where it is the baseline's
        text = config.describe(names) or "baseline"
        return text + (f" seed={config.seed}" if self.repeated else "")

    def waves(self, trials: Sequence[Any]) -> list[list[Any]]:
        """Return the trials in the groups that run one after the other: a teacher's before its students'."""
        groups: dict[int, list[Any]] = {}
        for config in trials:
            depth, trial_id = 0, config.trial_id
            while (trial_id := self.teacher_ids.get(trial_id, "")) != "":
                depth += 1
            groups.setdefault(depth, []).append(config)
        return [groups[depth] for depth in sorted(groups)]

    @property
    def description(self) -> str:
        """What --dry-run says: trials, time, cost, baseline and every trial or what a search chooses from."""
        duration = about(self.seconds(self.expected))
        lines = [
            f"{self.study.name}, preset {self.preset}: {len(self.expected)} trials, {duration}"
            f" with {self.concurrent} at a time, {self.cost} (a rough guess)",
            "baseline: " + " ".join(f"{k}={v}" for k, v in self.base.to_dict().items()),
            f"experiment: {self.experiment}, sweep {self.sweep_id}",
        ]
        if self.search is not None:
            goals = ", ".join(f"{key} ({mode})" for key, mode in self.objectives.items())
            lines.append(f"search: {self.search.sampler} for {goals}, in {self.search.description}")
        if self.scheduler != "none":
            key, mode = next(iter(self.objectives.items()))
            lines.append(f"scheduler: {self.scheduler} by {key} ({mode}) from epoch {self.grace_epochs} on")
        return "\n".join(lines + [f"  {config.trial_id}  {self.label(config)}" for config in self.trials])

    @property
    def expected(self) -> tuple[Any, ...]:
        """The trials; or for a search, which does not know them, as many like the baseline."""
        return self.trials if self.search is None else (self.base,) * self.search.num_samples

    @property
    def cost(self) -> str:
        """The work of all trials in hours of a device, and in money where a price is given."""
        device, share = ("GPU", self.gpus_per_trial) if self.gpus_per_trial else ("CPU-core", self.cpus_per_trial)
        hours = share * sum(map(self.study.kind.seconds, self.expected)) / 3600
        price = self.request.options.price
        money = "" if price is None else f" or {hours * price:.2f} USD"
        return f"{hours:.2g} {device}-hours{money}"

    def seconds(self, trials: Sequence[Any]) -> float:
        """Guess how long `trials` take: the work of each wave shared out, but not less than its longest."""
        waves = [[self.study.kind.seconds(config) for config in wave] for wave in self.waves(trials)]
        return sum(max(sum(each) / self.concurrent, *each) for each in waves)


def ask_trial(plan: Plan, optimiser: Any) -> tuple[Plan, dict[str, Any]] | None:
    """Return the plan with a trial more, its last, and the suggestion it is from; None where nothing new is suggested.

    What cannot be, or is in the sweep already, the optimiser is told of as failed, and asked again.
    """
    for _ in range(ASKED):
        suggestion = optimiser.ask()
        try:
            return plan.with_trial(suggestion["settings"]), suggestion
        except SettingError:
            optimiser.tell(suggestion, outcome="failed", curve=())
    return None


def make_plan(study: Study, options: Options, *, gpus: float, cpus: float | None = None) -> Plan:
    """Return the plan for a machine or cluster with so many GPUs and CPUs; SettingError says what cannot be."""
    request = Request(study, options, gpus)
    objectives = objectives_of(request)
    search = search_of(request)
    grace_epochs = grace_of(request, objectives)
    trials = [] if search is not None else known_trials(request)
    count = len(trials) if search is None else search.num_samples
    slots = [(cpus or os.cpu_count() or 1) / options.cpus_per_trial, options.max_concurrent or math.inf, count]
    slots += [gpus / request.gpus_per_trial] if request.gpus_per_trial > 0 else []
    return Plan(
        request=request,
        study=study,
        preset=request.preset_name,
        base=request.base,
        trials=tuple(config for config, _ in trials),
        changes={config.trial_id: change for config, change in trials},
        teacher_ids={c.trial_id: t.trial_id for c, _ in trials if (t := study.kind.teacher(c)) is not None},
        experiment=request.experiment,
        cpus_per_trial=options.cpus_per_trial,
        gpus_per_trial=request.gpus_per_trial,
        concurrent=max(1, int(min(slots))),
        search=search,
        objectives=objectives,
        scheduler=options.scheduler,
        grace_epochs=grace_epochs,
        chosen_by=options.search if options.scheduler == "none" else f"{options.search} with {options.scheduler}",
    )


def about(seconds: float) -> str:
    """Return a duration as a person says it."""
    for size, unit, digits in ((86_400, "days", 1), (3600, "h", 1), (60, "min", 0)):
        if seconds >= 1.5 * size:
            return f"about {seconds / size:.{digits}f} {unit}"
    return f"about {seconds:.0f} s"

"""Which trials make up the sweep? A list, before it is a job: options and study -> Plan, without Ray or torch."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from specbias.registry import look_up
from specbias.settings import SettingError
from sweeps.service.baseline import baseline_of, check_experiment, choose_preset, count_gpus
from sweeps.service.search import Change, changes_of, split
from sweeps.service.space import Search, check_scheduler, grace_of, objectives_of, refuse_teacher, search_of
from sweeps.service.study import Preset, Settings, Study

if TYPE_CHECKING:
    from sweeps.service.command_line import Options


ASKED = 100  # questions to an optimiser until it suggests a trial that is new and can be


@dataclass(frozen=True)
class Plan:
    """The trials of a sweep: distinct configs in the order they start, all near `base`.

    Those of a search are not known beforehand: it begins with none, and `with_trial` adds them as they are chosen.
    """

    study: Study
    preset: str
    given: Any  # the baseline, as it was given
    base: Any  # the same, complete
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
    price: float | None  # of a device for an hour, in USD

    @property
    def sweep_id(self) -> str:
        """The identity of the sweep: a hash of its trials' identities, or of what its search is, however long."""
        parts = sorted(config.trial_id for config in self.trials)
        if self.search is not None:
            search, goals = self.search, [" ".join(goal) for goal in self.objectives.items()]
            parts = [self.study.name, self.base.trial_id, search.said, search.sampler, str(search.seed), *goals]
        parts += [] if self.scheduler == "none" else [self.scheduler, str(self.grace_epochs)]
        return hashlib.sha256("/".join(parts).encode()).hexdigest()[:12]

    @cached_property
    def by_id(self) -> dict[str, Any]:
        """The configs by their identity: asked for with every report, and a hash each to make."""
        return {config.trial_id: config for config in self.trials}

    def with_trial(self, settings: Settings) -> Plan:
        """Return the plan with one trial more, the baseline changed so; SettingError where it cannot be or is there."""
        config = self.study.complete(replace(self.given, **settings))
        self.study.check(config)
        refuse_teacher(self.study, config)
        if config.trial_id in self.by_id:
            raise SettingError(f"trial {config.trial_id} is in the sweep already")
        changes = self.changes | {config.trial_id: Change({}, settings)}
        return replace(self, trials=(*self.trials, config), changes=changes)

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
        text = config.said(names) or "baseline"
        return text + (f" seed={config.seed}" if len({t.seed for t in self.trials}) > 1 else "")

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
            lines.append(f"search: {self.search.sampler} for {goals}, in {self.search.said}")
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
        hours = share * sum(map(self.study.seconds, self.expected)) / 3600
        money = "" if self.price is None else f" or {hours * self.price:.2f} USD"
        return f"{hours:.2g} {device}-hours{money}"

    def seconds(self, trials: Sequence[Any]) -> float:
        """Guess how long `trials` take: the work of each wave shared out, but not less than its longest."""
        waves = [[self.study.seconds(config) for config in wave] for wave in self.waves(trials)]
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
    cpus = cpus or os.cpu_count() or 1
    preset_name = choose_preset(study, options, gpus)
    preset = look_up(study.presets, preset_name, "preset")
    gpus_per_trial = count_gpus(study, options, gpus)
    given = baseline_of(study, options, preset.settings, gpus_per_trial)
    objectives = objectives_of(study, options)
    search = search_of(study, options, given, preset)
    base = study.complete(given)
    check_scheduler(study, options, objectives, base.epochs)
    trials = [] if search is not None else _known_trials(study, options, given, preset)
    count = len(trials) if search is None else search.num_samples
    slots = [cpus / options.cpus_per_trial, options.max_concurrent or math.inf, count]
    slots += [gpus / gpus_per_trial] if gpus_per_trial > 0 else []
    return Plan(
        study=study,
        preset=preset_name,
        given=given,
        base=base,
        trials=tuple(config for config, _ in trials),
        changes={config.trial_id: change for config, change in trials},
        teacher_ids={c.trial_id: t.trial_id for c, _ in trials if (t := study.teacher(c)) is not None},
        experiment=check_experiment(options.experiment or f"{study.name}-{preset_name}"),
        cpus_per_trial=options.cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        concurrent=max(1, int(min(slots))),
        search=search,
        objectives=objectives,
        scheduler=options.scheduler,
        grace_epochs=grace_of(options, base.epochs),
        chosen_by=options.search if options.scheduler == "none" else f"{options.search} with {options.scheduler}",
        price=options.price,
    )


def _known_trials(study: Study, options: Options, given: Any, preset: Preset) -> list[tuple[Any, Change]]:
    """Return the trials of a sweep that knows them beforehand, each with its change; SettingError if one cannot be."""
    seeds = preset.seeds if options.seeds is None else options.seeds
    trials = _trials(study, given, changes_of(study, options, given, preset), seeds)
    _refuse_unused(options, given, trials)
    for config, _ in trials:
        study.check(config)
        if options.search != "grid" and getattr(config, "legacy_split", False):
            raise SettingError(f"--search {options.search}: legacy_split has no validation images to search on")
    return trials


def _trials(study: Study, given: Any, changes: list[Change], seeds: int) -> list[tuple[Any, Change]]:
    """Return the distinct configs, each with its change; of those that wait for no teacher, those of one seed first.

    A change is made to the baseline as it was given, then what is left open is filled in: another model has its own
    published width. Teachers that no change makes are trials too, with the change of their student.
    """
    if seeds < 1:
        raise SettingError(f"--seeds {seeds}: must be at least 1")
    found: dict[str, tuple[Any, Change]] = {}
    for i in range(seeds):
        for change in changes:
            config = study.complete(replace(given, **change.condition, **change.intervention, seed=given.seed + i))
            for teacher in _teachers(study, config):
                generation = {"generation": teacher.generation}
                found.setdefault(
                    teacher.trial_id, (teacher, change._replace(intervention=change.intervention | generation))
                )
            found.setdefault(config.trial_id, (config, change))
    return list(found.values())


def _teachers(study: Study, config: Any) -> list[Any]:
    """Return the trials that must be finished one after the other before this one."""
    teachers: list[Any] = []
    while (config := study.teacher(config)) is not None:
        teachers.insert(0, config)
    return teachers


def _refuse_unused(options: Options, given: Any, trials: list[tuple[Any, Change]]) -> None:
    """Refuse a --set that no trial follows: a grid varies it, or it is a detail of what none of them does."""
    for text in options.set:
        name, _ = split(text, "--set")
        value, found = getattr(given, name), [getattr(config, name) for config, _ in trials]
        followed = any(found) if name in given.not_in_identity else value in found
        if value != getattr(type(given), name) and not followed:
            raise SettingError(f"--set {text}: no trial uses it")


def about(seconds: float) -> str:
    """Return a duration as a person says it."""
    for size, unit, digits in ((86_400, "days", 1), (3600, "h", 1), (60, "min", 0)):
        if seconds >= 1.5 * size:
            return f"about {seconds / size:.{digits}f} {unit}"
    return f"about {seconds:.0f} s"

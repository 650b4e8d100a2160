"""Which trials make up the sweep? A list, before it is a job: options and study -> Plan, without Ray or torch."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from specbias.registry import look_up
from specbias.settings import SettingError
from sweeps.service.search import Change, changes_of, split
from sweeps.service.study import Settings, Study

if TYPE_CHECKING:
    from sweeps.service.command_line import Options


@dataclass(frozen=True)
class Plan:
    """The trials of a sweep: distinct configs in the order they start, all near `base`."""

    study: Study
    preset: str
    base: Any
    trials: tuple[Any, ...]
    changes: dict[str, Change]  # by trial_id
    teacher_ids: dict[str, str]  # trial_id -> that of the trial that must be finished before it
    experiment: str
    cpus_per_trial: int
    gpus_per_trial: float
    concurrent: int  # trials at a time on this machine; a cluster may allow more

    @property
    def sweep_id(self) -> str:
        """The identity of the sweep: a hash of its trials' identities."""
        return hashlib.sha256("/".join(sorted(t.trial_id for t in self.trials)).encode()).hexdigest()[:12]

    @cached_property
    def by_id(self) -> dict[str, Any]:
        """The configs by their identity: asked for with every report, and a hash each to make."""
        return {config.trial_id: config for config in self.trials}

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
        """What --dry-run says: trials, time, baseline and every trial."""
        lines = [
            f"{self.study.name}, preset {self.preset}: {len(self.trials)} trials, {about(self.seconds(self.trials))}"
            f" with {self.concurrent} at a time (a rough guess)",
            "baseline: " + " ".join(f"{k}={v}" for k, v in self.base.to_dict().items()),
            f"experiment: {self.experiment}, sweep {self.sweep_id}",
        ]
        return "\n".join(lines + [f"  {config.trial_id}  {self.label(config)}" for config in self.trials])

    def seconds(self, trials: Sequence[Any]) -> float:
        """Guess how long `trials` take: the work of each wave shared out, but not less than its longest."""
        waves = [[self.study.seconds(config) for config in wave] for wave in self.waves(trials)]
        return sum(max(sum(each) / self.concurrent, *each) for each in waves)


def make_plan(study: Study, options: Options, *, gpus: float, cpus: float | None = None) -> Plan:
    """Return the plan for a machine or cluster with so many GPUs and CPUs; SettingError says what cannot be."""
    cpus = cpus or os.cpu_count() or 1
    preset_name = _preset_name(study, options, gpus)
    preset = look_up(study.presets, preset_name, "preset")
    if options.cpus_per_trial < 1:
        raise SettingError(f"--cpus-per-trial {options.cpus_per_trial}: must be at least 1")
    gpus_per_trial = _gpus_per_trial(study, options, gpus)
    given = _base(study, options, preset.settings, gpus_per_trial)
    base = study.complete(given)
    changes = changes_of(study, options, given, preset)
    trials = _trials(study, given, changes, options.seeds)
    _refuse_unused(options, given, trials)
    for config, _ in trials:
        study.check(config)
        if options.search != "grid" and getattr(config, "legacy_split", False):
            raise SettingError(f"--search {options.search}: legacy_split has no validation images to search on")
    if options.max_concurrent is not None and options.max_concurrent < 1:
        raise SettingError(f"--max-concurrent {options.max_concurrent}: must be at least 1")
    slots = [cpus / options.cpus_per_trial, options.max_concurrent or math.inf, len(trials)]
    slots += [gpus / gpus_per_trial] if gpus_per_trial > 0 else []
    return Plan(
        study=study,
        preset=preset_name,
        base=base,
        trials=tuple(config for config, _ in trials),
        changes={config.trial_id: change for config, change in trials},
        teacher_ids={c.trial_id: t.trial_id for c, _ in trials if (t := study.teacher(c)) is not None},
        experiment=_experiment(options.experiment or f"{study.name}-{preset_name}"),
        cpus_per_trial=options.cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        concurrent=max(1, int(min(slots))),
    )


def _preset_name(study: Study, options: Options, gpus: float) -> str:
    if options.quick and options.preset not in (None, "quick"):
        raise SettingError(f"--quick is --preset quick; --preset {options.preset} is another: choose one")
    return "quick" if options.quick else options.preset or study.choose_preset(gpus)


def _gpus_per_trial(study: Study, options: Options, gpus: float) -> float:
    """Return what a trial reserves: what was asked for, or a whole GPU where there is one and it is to be used.

    auto is a whole one too until its share is measured, and then asked for.
    """
    asked = options.gpus_per_trial
    if asked == "auto" and study.memory is None:
        raise SettingError(f"--gpus-per-trial auto: what a trial of {study.name} takes is not measured; give a number")
    if asked in (None, "auto"):
        devices = [text for text in options.set if text.startswith("device=")]
        return 1.0 if gpus and devices[-1:] != ["device=cpu"] else 0.0
    try:
        number = float(asked)  # type: ignore[arg-type]
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf or (number > 1 and number % 1):
        raise SettingError(f"--gpus-per-trial {asked}: must be a whole number, or a fraction between 0 and 1, or auto")
    return number


def _experiment(name: str) -> str:
    if not re.fullmatch(r"\w[\w .-]*", name):  # it names a folder too
        raise SettingError(f"--experiment {name}: letters, digits, space, dot, hyphen, and a letter or digit first")
    return name


def _base(study: Study, options: Options, preset: Any, gpus_per_trial: float) -> Any:
    settings = dict(preset)
    if options.recipe is not None:
        recipe = look_up(study.recipes, options.recipe, "recipe")
        settings = {k: v for k, v in settings.items() if not any(k in other for other in study.recipes.values())}
        settings |= recipe
    for name in ("dataset", "model", "epochs"):
        if (value := getattr(options, name)) is not None:
            if name not in study.config_class.__dataclass_fields__:
                raise SettingError(f"--{name} {value}: {study.name} has no such setting; --help lists what --set takes")
            settings[name] = value
    chosen = {}
    for text in options.set:
        name, value = split(text, "--set")
        chosen[name] = study.config_class.parse(name, value)
    device = chosen.get("device", "cuda" if gpus_per_trial > 0 else "cpu")
    settings |= study.execution(device, threads=options.cpus_per_trial) | chosen
    return study.config_class.from_dict(settings)


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

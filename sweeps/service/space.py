"""What may an optimiser choose, and what is it to reach? Options and study -> Search, without Optuna."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from specbias.settings import Clash, SettingError
from sweeps.service.search import CONDITION, axes_of, settings_of, split
from sweeps.service.study import Preset, Settings, Study

if TYPE_CHECKING:
    from sweeps.service.command_line import Options

SAMPLERS = ("tpe", "gp", "nsga2", "random")
SCHEDULERS = ("none", "asha", "median")


class Range(NamedTuple):
    """The numbers from `low` to `high`, both in it; whole ones where they are whole."""

    low: float
    high: float
    log: bool

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}" + (" (log)" if self.log else "")


@dataclass(frozen=True)
class Search:
    """What makes a search the one it is, but for its baseline; how many it asks for is no part of that."""

    space: Callable[[Any], Settings]  # from Optuna's trial, or whatever has its suggest_float, ...
    said: str  # the space, for people
    sampler: str
    seed: int
    num_samples: int


def objectives_of(study: Study, options: Options) -> dict[str, str]:
    """Return what is to be reached, metric key -> max or min: the study's own objective unless the user says."""
    asked = [(key, "max") for key in options.maximise] + [(key, "min") for key in options.minimise]
    if not asked:
        return dict(study.objective)
    for key, mode in asked:
        if key not in study.searchable:
            known = ", ".join(study.searchable) or "none"
            raise SettingError(
                f"--{mode}imise {key}: {study.name} measures nothing of that name that a search may see; known: {known}"
            )
        if len({other for other in asked if other[0] == key}) > 1:
            raise SettingError(f"{key}: give one of --maximise, --minimise")
    if options.search != "optuna" and options.scheduler == "none":
        raise SettingError(f"--{asked[0][1]}imise belongs to --search optuna, or to a --scheduler")
    return dict(asked)


def check_scheduler(study: Study, options: Options, objectives: Mapping[str, str], epochs: int) -> None:
    """Refuse a scheduler that is unknown, has nothing to go by, or would never stop a trial."""
    if options.scheduler not in SCHEDULERS:
        raise SettingError(f"unknown scheduler {options.scheduler!r}; known: {', '.join(SCHEDULERS)}")
    if options.scheduler == "none":
        if options.grace_epochs is not None:
            raise SettingError("--grace-epochs belongs to --scheduler asha or median")
        return
    if not objectives:
        raise SettingError(f"--scheduler {options.scheduler}: {study.name} has no objective to judge trials by")
    if not 1 <= grace_of(options, epochs) < epochs:
        raise SettingError(f"--grace-epochs {options.grace_epochs}: must be from 1 to {epochs - 1}, the last but one")


def grace_of(options: Options, epochs: int) -> int:
    """Return the epochs before which no trial is stopped: a tenth of all unless the user says."""
    return max(1, epochs // 10) if options.grace_epochs is None else options.grace_epochs


def search_of(study: Study, options: Options, given: Any, preset: Preset) -> Search | None:
    """Return the search that the user asks for; None where trials are known beforehand.

    Raises SettingError where its baseline or a value it may choose cannot be.
    """
    if options.search != "optuna":
        for flag, value in (("--range", options.range), ("--sampler", options.sampler)):
            if value:
                raise SettingError(f"{flag} belongs to --search optuna; --grid NAME=V1,V2 gives --search random levels")
        return None
    sampler = options.sampler or SAMPLERS[0]
    if sampler not in SAMPLERS:
        raise SettingError(f"unknown sampler {sampler!r}; known: {', '.join(SAMPLERS)}")
    if not study.objective:
        raise SettingError(f"--search optuna: {study.name} has no objective to search by; --search random has no need")
    if options.seeds not in (None, 1):
        raise SettingError("--seeds belongs to --search grid or random: repeat the best of a search by --grid")
    num_samples = 12 if options.num_samples is None else options.num_samples
    if num_samples < 1:
        raise SettingError(f"--num-samples {num_samples}: must be at least 1")
    _try(study, given, {})
    if options.grid or options.range or options.interventions:
        space, said = _space_of_options(study, options, given, preset)
    elif study.search_space is not None:
        space, said = _space_of_study(study, options, given)
    else:
        raise SettingError(f"--search optuna: {study.name} has no space of its own; give --grid, --range or both")
    return Search(space, said, sampler, options.sweep_seed, num_samples)


def _space_of_study(study: Study, options: Options, given: Any) -> tuple[Callable[[Any], Settings], str]:
    """Return the study's space, and how it is said; what --set gives is left out of it."""
    base, fixed = study.complete(given), {split(text, "--set")[0] for text in options.set}

    def space(trial: Any) -> Settings:
        assert study.search_space is not None
        return {name: value for name, value in study.search_space(trial, base).items() if name not in fixed}

    return space, f"{study.name}'s own" + (f", with {', '.join(sorted(fixed))} as set" if fixed else "")


def _space_of_options(
    study: Study, options: Options, given: Any, preset: Preset
) -> tuple[Callable[[Any], Settings], str]:
    """Return the space of --grid and --range, or of --interventions, and how it is said; every value is tried out."""
    axes, conditions = axes_of(study, options, study.complete(given), preset)
    ranges = _ranges(study, options, axes)
    if not axes and not ranges:
        raise SettingError("--interventions none: that leaves a search nothing to choose")
    for text in options.set:
        name = split(text, "--set")[0]
        if name in ranges or (options.grid and name in axes):
            raise SettingError(f"--set {text}: the search chooses {name}")
    levels = {name: {_said(level): settings_of(name, level) for level in axis} for name, axis in axes.items()}
    if len(conditions) > 1:
        levels = {CONDITION: {_said(condition): condition for condition in conditions}} | levels
    single = [settings for axis in levels.values() for settings in axis.values()]
    single += [{name: end} for name, each in ranges.items() for end in (each.low, each.high)]
    for settings in single:
        _try(study, given, settings)

    def space(trial: Any) -> Settings:
        chosen: Settings = {}
        for name, axis in levels.items():
            chosen |= axis[trial.suggest_categorical(name, [*axis])]
        for name, (low, high, log) in ranges.items():
            suggest = trial.suggest_int if isinstance(low, int) else trial.suggest_float
            chosen[name] = suggest(name, low, high, log=log)
        return chosen

    said = [f"{name}: {', '.join(map(str, axis))}" for name, axis in levels.items()]
    return space, "; ".join(said + [f"{name}: {each}" for name, each in ranges.items()])


def _said(level: Any) -> Any:
    """Return a level as Optuna keeps it: a plain value as it is, several settings as text."""
    return json.dumps(level, sort_keys=True) if isinstance(level, (dict, list, tuple)) else level


def _try(study: Study, given: Any, settings: Settings) -> None:
    """Refuse a value that no trial can have, whatever the others are."""
    try:
        config = study.complete(replace(given, **settings))
        study.check(config)
    except Clash:
        return
    refuse_teacher(study, config)


def refuse_teacher(study: Study, config: Any) -> None:
    """Refuse a trial that must wait for another one."""
    if study.teacher(config) is not None:
        said = "a search does not wait for a teacher; --search random does"
        raise SettingError(f"generation={config.generation}: {said}")


def _ranges(study: Study, options: Options, axes: Mapping[str, Any]) -> dict[str, Range]:
    ranges: dict[str, Range] = {}
    for text in options.range:
        name, ends = split(text, "--range")
        study.config_class.check_name(name)
        low, *others = ends.split(":")
        if len(others) not in (1, 2) or others[1:] not in ([], ["log"]):
            raise SettingError(f"--range {text}: expected {name}=LOW:HIGH or {name}=LOW:HIGH:log")
        if name == "seed" or name in study.execution("cpu", threads=1):
            raise SettingError(f"--range {text}: {name} is none that a search chooses")
        if name in axes or name in ranges:
            raise SettingError(f"{name} is given twice: one --grid or --range says it all")
        first, last = (study.config_class.parse(name, end) for end in (low, others[0]))
        if not {type(first), type(last)} <= {int, float}:
            raise SettingError(f"--range {text}: {name} is no number; give --grid {name}=V1,V2")
        found = Range(first, last, log=bool(others[1:]))
        if not -math.inf < found.low < found.high < math.inf or (found.log and found.low <= 0):
            raise SettingError(f"--range {text}: LOW must be below HIGH" + (", and above 0" if found.log else ""))
        ranges[name] = found
    return ranges

"""Which settings may an optimiser choose, and which metrics should it optimise? Read without Optuna."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from specbias.settings import Clash, SettingError, check_known
from sweeps.service.ask.changes import CONDITION, axes_of, settings_of
from sweeps.service.ask.request import Request
from sweeps.service.study import Settings, Study

SAMPLERS = ("tpe", "gp", "nsga2", "random")
SCHEDULERS = ("none", "asha", "median")


@dataclass(frozen=True)
class Search:
    """What makes a search the one it is, but for its baseline; how many it asks for is no part of that."""

    space: Callable[[Any], Settings]  # from Optuna's trial, or whatever has its suggest_float, ...
    description: str  # of the space, for people
    sampler: str
    seed: int
    num_samples: int


def objectives_of(request: Request) -> dict[str, str]:
    """Return what is to be reached, metric key -> max or min: the study's own objective unless the user says."""
    study, options = request.study, request.options
    asked = [(key, "max") for key in options.maximise] + [(key, "min") for key in options.minimise]
    if not asked:
        return dict(study.objective)
    for key, mode in asked:
        check_known(key, study.searchable, f"metric for --{mode}imise")
        if len({other for other in asked if other[0] == key}) > 1:
            raise SettingError(f"{key}: give one of --maximise, --minimise")
    if options.search != "optuna" and options.scheduler == "none":
        raise SettingError(f"--{asked[0][1]}imise belongs to --search optuna, or to a --scheduler")
    return dict(asked)


def grace_of(request: Request, objectives: Mapping[str, str]) -> int:
    """Return the epochs before which no trial is stopped: a tenth of all unless the user says.

    SettingError where a scheduler is unknown, has nothing to go by, or would never stop a trial.
    """
    options, epochs = request.options, request.base.epochs
    check_known(options.scheduler, SCHEDULERS, "scheduler")
    grace = max(1, epochs // 10) if options.grace_epochs is None else options.grace_epochs
    if options.scheduler == "none":
        if options.grace_epochs is not None:
            raise SettingError("--grace-epochs belongs to --scheduler asha or median")
    elif not objectives:
        name = request.study.name
        raise SettingError(f"--scheduler {options.scheduler}: {name} has no objective to judge trials by")
    elif not 1 <= grace < epochs:
        raise SettingError(f"--grace-epochs {options.grace_epochs}: must be from 1 to {epochs - 1}, the last but one")
    return grace


def search_of(request: Request) -> Search | None:
    """Return the search that the user asks for; None where trials are known beforehand.

    Raises SettingError where its baseline or a value it may choose cannot be.
    """
    study, options = request.study, request.options
    if options.search != "optuna":
        for flag, value in (("--range", options.range), ("--sampler", options.sampler)):
            if value:
                raise SettingError(f"{flag} belongs to --search optuna; --grid NAME=V1,V2 gives --search random levels")
        return None
    sampler = options.sampler or SAMPLERS[0]
    check_known(sampler, SAMPLERS, "sampler")
    if not study.objective:
        raise SettingError(f"--search optuna: {study.name} has no objective to search by; --search random has no need")
    if options.seeds not in (None, 1):
        raise SettingError("--seeds belongs to --search grid or random: repeat the best of a search by --grid")
    num_samples = 12 if options.num_samples is None else options.num_samples
    if num_samples < 1:
        raise SettingError(f"--num-samples {num_samples}: must be at least 1")
    _try(request, {})
    if options.grid or options.range or options.interventions:
        space, said = _space_of_options(request)
    elif study.search_space is not None:
        space, said = _space_of_study(request)
    else:
        raise SettingError(f"--search optuna: {study.name} has no space of its own; give --grid, --range or both")
    return Search(space, said, sampler, options.sweep_seed, num_samples)


def _space_of_study(request: Request) -> tuple[Callable[[Any], Settings], str]:
    """Return the study's space, and how it is said; what --set gives is left out of it."""
    study, base, fixed = request.study, request.base, request.chosen.keys()

    def space(trial: Any) -> Settings:
        assert study.search_space is not None
        return {name: value for name, value in study.search_space(trial, base).items() if name not in fixed}

    return space, f"{study.name}'s own" + (f", with {', '.join(sorted(fixed))} as set" if fixed else "")


def _space_of_options(request: Request) -> tuple[Callable[[Any], Settings], str]:
    """Return the space of --grid and --range, or of --interventions, and how it is said; every value is tried out."""
    (axes, conditions), ranges = axes_of(request), request.ranges
    if not axes and not ranges:
        raise SettingError("--interventions none: that leaves a search nothing to choose")
    for name in request.chosen:
        if name in ranges or name in request.grid:
            raise SettingError(f"{request.written(name)}: the search chooses {name}")
    levels = {name: {_said(level): settings_of(name, level) for level in axis} for name, axis in axes.items()}
    if len(conditions) > 1:
        levels = {CONDITION: {_said(condition): condition for condition in conditions}} | levels
    single = [settings for axis in levels.values() for settings in axis.values()]
    single += [{name: end} for name, each in ranges.items() for end in (each.low, each.high)]
    for settings in single:
        _try(request, settings)

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


def _try(request: Request, settings: Settings) -> None:
    """Refuse a value that no trial can have, whatever the others are."""
    try:
        config = request.changed(settings)
        request.study.kind.check(config)
    except Clash:
        return
    refuse_teacher(request.study, config)


def refuse_teacher(study: Study, config: Any) -> None:
    """Refuse a trial that must wait for another one."""
    if study.kind.teacher(config) is not None:
        said = "a search does not wait for a teacher; --search random does"
        raise SettingError(f"generation={config.generation}: {said}")

"""What does the sweep try? Changes to the baseline: interventions under conditions, a grid, or draws."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from specbias.registry import look_up
from specbias.seeds import derive_seed
from specbias.settings import Clash, SettingError
from sweeps.service.study import Preset, Settings, Study

if TYPE_CHECKING:
    from sweeps.service.command_line import Options

CONDITION = "condition"  # the axis of the conditions in a random search


class Change(NamedTuple):
    """What makes a trial of the baseline: the condition it is under, and what is changed under it."""

    condition: Settings
    intervention: Settings
    name: str = ""  # of the intervention, where it is one


def changes_of(study: Study, options: Options, given: Any, preset: Preset) -> list[Change]:
    """Return the changes to the baseline, as it is given, that the sweep tries.

    A grid of the user's takes the place of conditions and interventions; what --set gives is left out of conditions.
    """
    base = study.complete(given)
    if options.num_samples is not None and options.search != "random":
        raise SettingError("--num-samples belongs to --search random or optuna; --seeds repeats the trials of a grid")
    if options.search == "random":
        axes, conditions = axes_of(study, options, base, preset)

        def change(point: Settings) -> Change:
            changed = [settings_of(name, level) for name, level in point.items() if name != CONDITION]
            return Change(conditions[point[CONDITION]], {k: v for settings in changed for k, v in settings.items()})

        def identity(point: Settings) -> str | None:
            try:
                config = study.complete(replace(given, **change(point).condition, **change(point).intervention))
                study.check(config)
            except Clash:
                return None
            return config.trial_id

        axes = {CONDITION: [*range(len(conditions))], **axes}
        return [change(point) for point in _draw(axes, options.num_samples, options.sweep_seed, identity)]
    levels, conditions = _tried(study, options, base, preset)
    if options.grid:
        return [Change({}, dict(zip(levels, v, strict=True))) for v in itertools.product(*levels.values())]
    interventions = [("", {}), *((name, settings_of(name, level)) for name in levels for level in levels[name])]
    return [Change(condition, intervention, name) for name, intervention in interventions for condition in conditions]


def axes_of(study: Study, options: Options, base: Any, preset: Preset) -> tuple[dict[str, list], list[Settings]]:
    """Return what is drawn from: the levels of every axis, the baseline's among them, and the conditions."""
    levels, conditions = _tried(study, options, base, preset)
    axes = levels if options.grid else {name: [getattr(base, name), *axis] for name, axis in levels.items()}
    return axes, conditions


def _tried(study: Study, options: Options, base: Any, preset: Preset) -> tuple[dict[str, list], list[Settings]]:
    if (options.grid or options.range) and options.interventions:
        flag = "--grid" if options.grid else "--range"
        raise SettingError(f"{flag} takes the place of the preset's interventions: give one of {flag}, --interventions")
    if options.grid or options.range:
        return _grid(study, options), [{}]
    conditions = _conditions(options, preset.conditions(base, options))
    return _levels(options, base, preset.interventions(base)), conditions


def settings_of(name: str, level: Any) -> Settings:
    """Return the settings that a level of an intervention stands for."""
    return level if isinstance(level, dict) else {name: level}


def _conditions(options: Options, conditions: list[Settings]) -> list[Settings]:
    given = {text.partition("=")[0] for text in options.set}
    return [{name: v for name, v in condition.items() if name not in given} for condition in conditions]


def _grid(study: Study, options: Options) -> dict[str, list]:
    axes: dict[str, list] = {}
    for text in options.grid:
        name, values = split(text, "--grid")
        study.config_class.check_name(name)
        if name == "seed":
            raise SettingError(f"--grid {text}: seeds are repeats, ask for them with --seeds N")
        if name in axes:
            raise SettingError(f"--grid {name} is given twice: name all its values in one, {name}=V1,V2")
        axes[name] = list(dict.fromkeys(study.config_class.parse(name, v) for v in values.split(",") if v))
        if not axes[name]:
            raise SettingError(f"--grid {text}: no values; expected {name}=V1,V2")
        if name in study.execution("cpu", threads=1):
            raise SettingError(f"--grid {text}: {name} is one for the whole sweep; give it with --set {name}=VALUE")
        if any(isinstance(value, tuple) for value in axes[name]):
            raise SettingError(f"--grid {text}: {name} is a list itself; give it with --set {name}=...")
    return axes


def _levels(options: Options, base: Any, levels: Any) -> dict[str, list]:
    if options.interventions == "none":
        return {}
    names = levels if options.interventions is None else [n for n in options.interventions.split(",") if n]
    if not names and options.interventions is not None:
        raise SettingError(f"--interventions: none named; known: {', '.join(levels)}, none")
    for name in names:
        if options.interventions and all(v == getattr(base, name) for v in look_up(levels, name, "intervention")):
            raise SettingError(f"--interventions {name}: no level differs from the baseline's {getattr(base, name)}")
    return {name: levels[name] for name in names}


def _draw(
    axes: dict[str, list], asked: int | None, seed: int, identity: Callable[[Settings], str | None]
) -> list[Settings]:
    """Draw combinations that are distinct trials; every axis has a stream of its own, so a new one changes no other's.

    Combinations that clash (their identity is None) are drawn anew, and so are those of one identity; where there are
    too few others, SettingError says how many were found.
    """
    axes = {name: [v for i, v in enumerate(values) if v not in values[:i]] for name, values in axes.items()}
    possible = math.prod(len(values) for values in axes.values())
    count = min(12, possible) if asked is None else asked
    if not 1 <= count <= possible:
        raise SettingError(f"--num-samples {count}: must be from 1 to {possible}, the number of combinations")
    streams = {name: random.Random(derive_seed(seed, name)) for name in axes}
    drawn: dict[str, Settings] = {}
    for _ in range(100 * possible):
        point = {name: streams[name].choice(values) for name, values in axes.items()}
        if (found := identity(point)) is not None:
            drawn.setdefault(found, point)
        if len(drawn) == count:
            break
    if len(drawn) < (asked or 1):
        raise SettingError(f"--num-samples {count}: only {len(drawn)} combinations go together")
    return list(drawn.values())


def split(text: str, flag: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingError(f"{flag} {text}: expected NAME=VALUE")
    return name, value

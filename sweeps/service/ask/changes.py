"""What does the sweep try? Changes to the baseline: interventions under conditions, a grid, or draws."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from specbias.settings import Clash, SettingError, check_known
from specbias.settings.seeds import derive_seed
from sweeps.service.ask.request import Request
from sweeps.service.study import Settings

CONDITION = "condition"  # the axis of the conditions in a random search


class Change(NamedTuple):
    """What makes a trial of the baseline: the condition it is under, and what is changed under it."""

    condition: Settings
    intervention: Settings
    name: str = ""  # of the intervention, where it is one


def changes_of(request: Request) -> list[Change]:
    """Return the changes to the baseline, as it is given, that the sweep tries.

    A grid of the user's takes the place of conditions and interventions; what --set gives is left out of conditions.
    """
    options = request.options
    if options.num_samples is not None and options.search != "random":
        raise SettingError("--num-samples belongs to --search random or optuna; --seeds repeats the trials of a grid")
    if options.search == "random":
        return _drawn_changes(request)
    levels, conditions = _tried(request)
    if options.grid:
        return [Change({}, dict(zip(levels, v, strict=True))) for v in itertools.product(*levels.values())]
    interventions = [("", {}), *((name, settings_of(name, level)) for name in levels for level in levels[name])]
    return [Change(condition, intervention, name) for name, intervention in interventions for condition in conditions]


def _drawn_changes(request: Request) -> list[Change]:
    axes, conditions = axes_of(request)

    def change(point: Settings) -> Change:
        changed = [settings_of(name, level) for name, level in point.items() if name != CONDITION]
        return Change(conditions[point[CONDITION]], {k: v for settings in changed for k, v in settings.items()})

    def identity(point: Settings) -> str | None:
        try:
            found = change(point)
            config = request.changed(found.condition | found.intervention)
            request.study.kind.check(config)
        except Clash:
            return None
        return config.trial_id

    axes = {CONDITION: [*range(len(conditions))], **axes}
    options = request.options
    return [change(point) for point in _draw(axes, options.num_samples, options.sweep_seed, identity)]


def axes_of(request: Request) -> tuple[dict[str, list], list[Settings]]:
    """Return what is drawn from: the levels of every axis, the baseline's among them, and the conditions."""
    levels, conditions = _tried(request)
    if not request.options.grid:
        levels = {name: [getattr(request.base, name), *axis] for name, axis in levels.items()}
    return levels, conditions


def _tried(request: Request) -> tuple[dict[str, list], list[Settings]]:
    options, preset = request.options, request.preset
    if options.grid or options.range:
        if options.interventions:
            flag = "--grid" if options.grid else "--range"
            said = f"takes the place of the preset's interventions: give one of {flag}, --interventions"
            raise SettingError(f"{flag} {said}")
        return request.grid, [{}]
    conditions = preset.conditions(request.base, options)
    free = [{name: v for name, v in condition.items() if name not in request.chosen} for condition in conditions]
    return _levels(request, preset.interventions(request.base)), free


def settings_of(name: str, level: Any) -> Settings:
    """Return the settings that a level of an intervention stands for."""
    return level if isinstance(level, dict) else {name: level}


def _levels(request: Request, levels: Mapping[str, list]) -> dict[str, list]:
    asked = request.options.interventions
    if asked == "none":
        return {}
    names = levels if asked is None else [name for name in asked.split(",") if name]
    if not names and asked is not None:
        raise SettingError(f"--interventions: none named; known: {', '.join(levels)}, none")
    for name in names:
        _refuse_untried(request, name, levels)
        if asked and all(level == getattr(request.base, name) for level in levels[name]):
            said = f"no level differs from the baseline's {getattr(request.base, name)}"
            raise SettingError(f"--interventions {name}: {said}")
    return {name: levels[name] for name in names}


def _refuse_untried(request: Request, name: str, levels: Mapping[str, list]) -> None:
    """Refuse an intervention that the preset does not try, and say which one does, or what else would."""
    study = request.study
    if name in levels or name not in study.kind.config_class.__dataclass_fields__:
        check_known(name, levels, "intervention")
        return
    others = [preset for preset, each in study.presets.items() if name in each.interventions(request.base)]
    where = f"--preset {' and '.join(others)} have it" if others else "no preset has it"
    said = f"{where}, this one has {', '.join(levels) or 'none'}; --grid {name}=V1,V2 tries levels of your own"
    raise SettingError(f"--interventions {name}: {said}")


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

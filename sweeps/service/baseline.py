"""What do all trials of a sweep share? Its preset, the baseline that they change, and what each of them gets."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from specbias.registry import look_up
from specbias.settings import SettingError
from sweeps.service.search import split
from sweeps.service.study import Study

if TYPE_CHECKING:
    from sweeps.service.command_line import Options

SEARCHES = ("grid", "random", "optuna")


def choose_preset(study: Study, options: Options, gpus: float) -> str:
    """Return the preset's name: the user's, or the study's choice for so many GPUs."""
    if options.search not in SEARCHES:
        raise SettingError(f"unknown search {options.search!r}; known: {', '.join(SEARCHES)}")
    if options.quick and options.preset not in (None, "quick"):
        raise SettingError(f"--quick is --preset quick; --preset {options.preset} is another: choose one")
    return "quick" if options.quick else options.preset or study.choose_preset(gpus)


def check_experiment(name: str) -> str:
    """Return the name of the experiment; SettingError if it cannot be a folder's."""
    if not re.fullmatch(r"\w[\w .-]*", name):  # it names a folder too
        raise SettingError(f"--experiment {name}: letters, digits, space, dot, hyphen, and a letter or digit first")
    return name


def count_gpus(study: Study, options: Options, gpus: float) -> float:
    """Return the GPUs that a trial gets, one where there is one to be used unless the user says.

    auto is a whole one too until its share is measured, and then asked for. Numbers that make no sense of these and of
    all their kind are refused.
    """
    for flag, number in (
        ("cpus-per-trial", options.cpus_per_trial),
        ("max-concurrent", options.max_concurrent),
        ("max-trials", options.max_trials),
    ):
        if number is not None and number < 1:
            raise SettingError(f"--{flag} {number}: must be at least 1")
    for flag, hours in (("trial-timeout", options.trial_timeout), ("time-budget", options.time_budget)):
        if hours is not None and not 0 < hours < math.inf:
            raise SettingError(f"--{flag} {hours:g}: must be more than 0 hours")
    if options.max_failures < 0:
        raise SettingError(f"--max-failures {options.max_failures}: must be at least 0")
    if options.fresh and options.resume is not None:
        raise SettingError("--fresh begins anew and --resume goes on: choose one")
    if options.records is not None and options.search == "optuna":
        raise SettingError("--records: a search chooses by its own trials alone; give it an --experiment to go on with")
    if options.price is not None and not 0 <= options.price < math.inf:
        raise SettingError(f"--price {options.price:g}: must be at least 0, in USD for an hour")
    asked = options.gpus_per_trial
    if asked == "auto" and study.memory is None:
        raise SettingError(f"--gpus-per-trial auto: what a trial of {study.name} takes is not measured; give a number")
    if asked in (None, "auto"):
        devices = [text for text in options.set if text.startswith("device=")]
        return 1.0 if gpus and devices[-1:] != ["device=cpu"] else 0.0
    try:
        found = float(asked)  # type: ignore[arg-type]
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf or (found > 1 and found % 1):
        raise SettingError(f"--gpus-per-trial {asked}: must be a whole number, or a fraction between 0 and 1, or auto")
    return found


def baseline_of(study: Study, options: Options, preset: Any, gpus_per_trial: float) -> Any:
    """Return the baseline as it is given: the preset's settings, the recipe's, the flags' and then those of --set."""
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
    given = study.config_class.from_dict(settings)
    return study.search_base(given, chosen.keys()) if options.search == "optuna" else given

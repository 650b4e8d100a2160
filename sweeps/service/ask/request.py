"""What did the user ask of a study? The flags, each parsed and checked once, and the baseline they make."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from specbias.settings import SettingError, check_known
from specbias.settings.registry import look_up
from sweeps.service.ask.options import Options, split
from sweeps.service.study import Preset, Settings, Study

SEARCHES = ("grid", "random", "optuna")


class Range(NamedTuple):
    """The numbers from `low` to `high`, both in it; whole ones where they are whole."""

    low: float
    high: float
    log: bool

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}" + (" (log)" if self.log else "")


@dataclass(frozen=True)
class Request:
    """What a study is asked for on a machine or cluster with so many GPUs.

    Each flag is read once, when it is first looked at; SettingError says what cannot be.
    """

    study: Study
    options: Options
    gpus: float

    def __post_init__(self) -> None:
        options = self.options
        check_known(options.search, SEARCHES, "search")
        if options.quick and options.preset not in (None, "quick"):
            raise SettingError(f"--quick is --preset quick; --preset {options.preset} is another: choose one")
        if options.fresh and options.resume is not None:
            raise SettingError("--fresh begins anew and --resume goes on: choose one")
        if options.records is not None and options.search == "optuna":
            said = "a search chooses by its own trials alone; give it an --experiment to go on with"
            raise SettingError(f"--records: {said}")
        if options.block is not None and options.search == "optuna":
            raise SettingError(f"--block {options.block}: a search chooses its trials as it goes, there are no parts")
        for name in ("cpus_per_trial", "max_concurrent", "max_trials", "seeds"):
            if (number := getattr(options, name)) is not None and number < 1:
                raise SettingError(f"--{name.replace('_', '-')} {number}: must be at least 1")
        for name in ("trial_timeout", "time_budget"):
            if (hours := getattr(options, name)) is not None and not 0 < hours < math.inf:
                raise SettingError(f"--{name.replace('_', '-')} {hours:g}: must be more than 0 hours")
        if options.max_failures < 0:
            raise SettingError(f"--max-failures {options.max_failures}: must be at least 0")
        if options.price is not None and not 0 <= options.price < math.inf:
            raise SettingError(f"--price {options.price:g}: must be at least 0, in USD for an hour")

    @cached_property
    def preset_name(self) -> str:
        """The user's preset, or the study's choice for so many GPUs."""
        return "quick" if self.options.quick else self.options.preset or self.study.choose_preset(self.gpus)

    @cached_property
    def preset(self) -> Preset:
        return look_up(self.study.presets, self.preset_name, "preset")

    @cached_property
    def experiment(self) -> str:
        """The name of the experiment, which names a folder too."""
        name = self.options.experiment or f"{self.study.name}-{self.preset_name}"
        if not re.fullmatch(r"\w[\w .-]*", name):
            raise SettingError(f"--experiment {name}: letters, digits, space, dot, hyphen, and a letter or digit first")
        return name

    @cached_property
    def block(self) -> tuple[int, int]:
        """Which part of the trials is asked for, from 1 on, and of how many parts."""
        number, slash, count = (self.options.block or "1/1").partition("/")
        if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            raise SettingError(f"--block {self.options.block}: expected K/N, the K-th of N parts, as 1/4")
        return int(number), int(count)

    @cached_property
    def chosen(self) -> Settings:
        """The values that --set gives, the last where it gives several."""
        pairs = [split(text, "--set") for text in self.options.set]
        return {name: self.study.kind.config_class.parse(name, value) for name, value in pairs}

    def written(self, name: str) -> str:
        """Return the --set that gives a setting, as it was written."""
        return next(f"--set {text}" for text in reversed(self.options.set) if text.startswith(f"{name}="))

    @cached_property
    def gpus_per_trial(self) -> float:
        """The GPUs that a trial gets, one where there is one to be used unless the user says.

        auto is a whole one too until its share is measured, and then asked for.
        """
        asked = self.options.gpus_per_trial
        if asked == "auto" and self.study.kind.memory is None:
            name = self.study.name
            raise SettingError(f"--gpus-per-trial auto: what a trial of {name} takes is not measured; give a number")
        if asked in (None, "auto"):
            return 1.0 if self.gpus and self.chosen.get("device") != "cpu" else 0.0
        try:
            found = float(asked)  # type: ignore[arg-type]
        except ValueError:
            found = math.nan
        if not 0 <= found < math.inf or (found > 1 and found % 1):
            said = "must be a whole number, or a fraction between 0 and 1, or auto"
            raise SettingError(f"--gpus-per-trial {asked}: {said}")
        return found

    @cached_property
    def raw_base(self) -> Any:
        """The baseline before it is completed: settings of the preset, the recipe, the flags and then of --set."""
        kind, options, settings = self.study.kind, self.options, dict(self.preset.settings)
        if options.recipe is not None:
            recipe = look_up(kind.recipes, options.recipe, "recipe")
            settings = {k: v for k, v in settings.items() if not any(k in other for other in kind.recipes.values())}
            settings |= recipe
        for name in ("dataset", "model", "epochs"):
            if (value := getattr(options, name)) is not None:
                if name not in kind.config_class.__dataclass_fields__:
                    said = f"{self.study.name} has no such setting; --help lists what --set takes"
                    raise SettingError(f"--{name} {value}: {said}")
                settings[name] = kind.config_class.parse(name, str(value))
        device = self.chosen.get("device", "cuda" if self.gpus_per_trial > 0 else "cpu")
        settings |= kind.execution(device, threads=options.cpus_per_trial) | self.chosen
        given = kind.config_class.from_dict(settings)
        return self.study.search_base(given, self.chosen.keys()) if options.search == "optuna" else given

    @cached_property
    def base(self) -> Any:
        """The baseline, complete."""
        return self.study.kind.complete(self.raw_base)

    def changed(self, settings: Settings) -> Any:
        """Return the baseline with these settings, then completed: another model has its own published width."""
        return self.study.kind.complete(replace(self.raw_base, **settings))

    @cached_property
    def grid(self) -> dict[str, list]:
        """The values that --grid names of each setting."""
        kind, axes = self.study.kind, dict[str, list]()
        for text in self.options.grid:
            name, values = split(text, "--grid")
            kind.config_class.check_name(name)
            if name == "seed":
                raise SettingError(f"--grid {text}: seeds are repeats, ask for them with --seeds N")
            if name in axes:
                raise SettingError(f"--grid {name} is given twice: name all its values in one, {name}=V1,V2")
            axes[name] = list(dict.fromkeys(kind.config_class.parse(name, v) for v in values.split(",") if v))
            if not axes[name]:
                raise SettingError(f"--grid {text}: no values; expected {name}=V1,V2")
            if name in kind.execution("cpu", threads=1):
                raise SettingError(f"--grid {text}: {name} is one for the whole sweep; give it with --set {name}=VALUE")
            if any(isinstance(value, tuple) for value in axes[name]):
                raise SettingError(f"--grid {text}: {name} is a list itself; give it with --set {name}=...")
        return axes

    @cached_property
    def ranges(self) -> dict[str, Range]:
        """The ends that --range gives each setting."""
        kind, ranges = self.study.kind, dict[str, Range]()
        for text in self.options.range:
            name, ends = split(text, "--range")
            kind.config_class.check_name(name)
            low, *others = ends.split(":")
            if len(others) not in (1, 2) or others[1:] not in ([], ["log"]):
                raise SettingError(f"--range {text}: expected {name}=LOW:HIGH or {name}=LOW:HIGH:log")
            if name == "seed" or name in kind.execution("cpu", threads=1):
                raise SettingError(f"--range {text}: {name} is none that a search chooses")
            if name in self.grid or name in ranges:
                raise SettingError(f"{name} is given twice: one --grid or --range says it all")
            first, last = (kind.config_class.parse(name, end) for end in (low, others[0]))
            if not {type(first), type(last)} <= {int, float}:
                raise SettingError(f"--range {text}: {name} is no number; give --grid {name}=V1,V2")
            found = Range(first, last, log=bool(others[1:]))
            if not -math.inf < found.low < found.high < math.inf or (found.log and found.low <= 0):
                raise SettingError(f"--range {text}: LOW must be below HIGH" + (", and above 0" if found.log else ""))
            ranges[name] = found
        return ranges

"""What does a study hand to the service? Its config class, its trial as a generator, and its presets."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sweeps.service.preflight import execution_settings

Settings = dict[str, Any]
Curve = Sequence[tuple[int, Mapping[str, float]]]  # what a trial measured: (epoch, metrics) in order


class Preset(NamedTuple):
    """One budget: the settings of its baseline, and from a baseline the levels of each intervention.

    A level is a value of the intervention's own setting, or several settings by name. `conditions`, from the baseline
    and the command line's options, are the settings under each of which every intervention is tried, and the baseline
    too.
    """

    settings: Mapping[str, Any]
    interventions: Callable[[Any], Mapping[str, list]]
    conditions: Callable[[Any, Any], list[Settings]] = lambda base, options: [{}]
    seeds: int = 1  # repeats of every trial where --seeds does not say; --search optuna makes none


@dataclass(frozen=True)
class Study:
    """One question. Nothing in it may import torch, ray or mlflow before it is called: `--help` answers at once.

    A config is a specbias.settings.Settings with a `seed` and `epochs`, the last epoch. Where a trial has a `teacher`,
    configs have a `generation`, and a setting `teacher` that takes the folder its last state was saved to.
    run(config, checkpoint) yields (state, measurement): state.save(folder), measurement.{epoch, metrics, arrays}.
    """

    name: str
    question: str  # the script's docstring, shown by --help
    config_class: Any
    run: Callable[[Any, str | None], Iterator[tuple[Any, Any]]]
    complete: Callable[[Any], Any]  # fills in what a config leaves to its data set or model; raises SettingError
    check: Callable[[Any], None]  # raises SettingError if a trial with this config cannot run
    prepare: Callable[[Any], None]  # fetches what a trial with this config reads; raises SettingError
    presets: Mapping[str, Preset]
    choose_preset: Callable[[float], str]  # number of GPUs -> the preset when none is named
    analysis: str | None  # the script that draws the result
    columns: Mapping[str, str]  # metric key -> column title, for the progress table
    seconds: Callable[[Any], float]  # a rough guess of a trial's time on the hardware the config names
    calibrate: Callable[[Any], Settings]  # times a config's device -> the fastest execution settings
    last_epoch: Callable[[Any], int] = lambda config: config.epochs  # of a complete config: its last measurement's
    execution: Callable[..., Settings] = execution_settings  # device, threads=n -> how its trials compute
    memory: Callable[[Sequence[Any]], int] | None = None  # trials -> bytes on a GPU of the most demanding of them
    recipes: Mapping[str, Settings] = field(default_factory=dict)  # what --recipe puts in the place of the preset's
    teacher: Callable[[Any], Any] = lambda config: None  # the trial, complete, that must be finished before this one
    objective: Mapping[str, str] = field(default_factory=dict)  # metric key -> max or min: what a search is to reach
    searchable: tuple[str, ...] = ()  # metric keys that a search may be told to reach: none that looks at test images
    # A search's space, define by run: Optuna's trial and the complete baseline -> settings; none: the user's alone
    search_space: Callable[[Any, Any], Settings] | None = None
    # A search's baseline, from the user's and the names --set gives; SettingError where a search cannot be
    search_base: Callable[[Any, Container[str]], Any] = lambda given, said: given

"""What does a script tell the service about its study? Kind of trial, presets, columns and objective."""

import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

Settings = dict[str, Any]
Curve = Sequence[tuple[int, Mapping[str, float]]]  # what a trial measured: (epoch, metrics) in order


def execution_settings(device: str, *, threads: int) -> dict[str, Any]:
    """Return how trials compute on a device: read off the hardware, never timed.

    bf16 where the hardware has it (every GPU; CPUs that say so), channels last everywhere. Function frequencies are
    measured in float32: rounding to bf16 is itself a high frequency.
    """
    bf16 = device == "cuda" or _cpu_has_bf16()
    return {
        "device": device,
        "precision": "bf16" if bf16 else "float32",
        "memory_format": "channels_last",
        "threads": threads,
        "measure_batch": 2048 if device == "cuda" else 256,
        "measure_precision": "float32",
        "compile": False,
    }


def _cpu_has_bf16() -> bool:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return bool(re.search(r"^(flags|Features)\s*:.*\b(avx512_bf16|amx_bf16|bf16)\b", text, re.MULTILINE))


class Preset(NamedTuple):
    """One budget: the settings of its baseline, and from a baseline the levels of each intervention.

    A level is a value of the intervention's own setting, or several settings by name. `conditions`, from the baseline
    and the command line's options, are the settings under each of which every intervention is tried, and the baseline
    too.
    """

    settings: Mapping[str, Any]
    interventions: Callable[[Any], Mapping[str, list]] = lambda base: {}
    conditions: Callable[[Any, Any], list[Settings]] = lambda base, options: [{}]
    seeds: int = 1  # repeats of every trial where --seeds does not say; --search optuna makes none


@dataclass(frozen=True)
class Kind:
    """One kind of trial: its settings, and how it is run.

    A config is a specbias.settings.Settings with a `seed` and `epochs`, the last epoch. Where a trial has a `teacher`,
    configs have a `generation`, and a setting `teacher` that takes the folder its last state was saved to.
    run(config, checkpoint) yields (state, measurement): state.save(folder), measurement.{epoch, metrics, arrays}.
    """

    config_class: Any
    run: Callable[[Any, str | None], Iterator[tuple[Any, Any]]]
    seconds: Callable[[Any], float]  # a rough guess of a trial's time on the hardware the config names
    analyses: Callable[[Sequence[Any]], Sequence[str]]  # finished trials -> the scripts that draw what they measured
    # Times a config's device -> the fastest execution settings, and the seconds for which a trial measures less by them
    calibrate: Callable[[Any], tuple[Settings, float]]
    draws_records: bool = True  # whether these scripts draw a file of records too, which has no arrays
    complete: Callable[[Any], Any] = lambda config: config  # fills in what data set or model decide; SettingError
    check: Callable[[Any], None] = lambda config: None  # raises SettingError if a trial with this config cannot run
    # Fetches what a trial with this config reads; returns what a person should know of it; raises SettingError
    prepare: Callable[[Any], str | None] = lambda config: None
    execution: Callable[..., Settings] = execution_settings  # device, threads=n -> how its trials compute
    memory: Callable[[Sequence[Any]], int] | None = None  # trials -> bytes on a GPU of the most demanding of them
    last_epoch: Callable[[Any], int] = lambda config: config.epochs  # of a complete config: its last measurement's
    teacher: Callable[[Any], Any] = lambda config: None  # the trial, complete, that must be finished before this one
    # A measurement's arrays -> a small picture for its run, a PNG; None where there is nothing to draw
    picture: Callable[[Mapping[str, Any]], bytes | None] = lambda arrays: None
    recipes: Mapping[str, Settings] = field(default_factory=dict)  # what --recipe puts in the place of the preset's


@dataclass(frozen=True)
class Study:
    """One question. Nothing in it may import torch, ray or mlflow before it is called: `--help` answers at once."""

    name: str
    question: str  # the script's docstring, shown by --help
    kind: Kind
    presets: Mapping[str, Preset]
    choose_preset: Callable[[float], str]  # number of GPUs -> the preset when none is named
    columns: Mapping[str, str]  # metric key -> column title, for the progress table
    objective: Mapping[str, str] = field(default_factory=dict)  # metric key -> max or min: what a search is to reach
    searchable: tuple[str, ...] = ()  # metric keys that a search may be told to reach: none that looks at test images
    # A search's space, define by run: Optuna's trial and the complete baseline -> settings; none: the user's alone
    search_space: Callable[[Any, Any], Settings] | None = None
    # A search's baseline, from the user's and the names --set gives; SettingError where a search cannot be
    search_base: Callable[[Any, Container[str]], Any] = lambda baseline, chosen: baseline

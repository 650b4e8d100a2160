"""What can the user ask for? The flags that all sweeps share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import tyro

from specbias.settings import SettingError
from sweeps.service.study import Study

arg = tyro.conf.arg
Name = Annotated[str | None, arg(metavar="NAME", help_behavior_hint="")]
Count = Annotated[int | None, arg(metavar="N", help_behavior_hint="")]
Whole = Annotated[int, arg(metavar="N")]
Share = Annotated[str | None, arg(metavar="N|auto", help_behavior_hint="")]
Place = Annotated[str | None, arg(metavar="PATH", help_behavior_hint="")]
Flag = Annotated[bool, arg(help_behavior_hint="")]
Values = Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], arg(metavar="NAME=VALUE")]
Grids = Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], arg(metavar="NAME=V1,V2")]
Ranges = Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], arg(metavar="NAME=LOW:HIGH[:log]")]
Keys = Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], arg(metavar="METRIC")]


@dataclass(frozen=True)
class Options:
    preset: Name = None
    """A named budget; the default depends on whether there is a GPU."""
    quick: Flag = False
    """Short for --preset quick: minutes on a laptop, with data that need no download."""
    recipe: Name = None
    """How networks are trained: a named set of settings that takes the place of the preset's."""
    dataset: Name = None
    """Data set, instead of the preset's."""
    model: Name = None
    """Architecture, instead of the preset's."""
    epochs: Count = None
    """Passes over the training images, instead of the preset's."""
    interventions: Annotated[str | None, arg(metavar="A,B", help_behavior_hint="")] = None
    """Which of the preset's interventions to try: the names of the settings they change; none: the baseline alone."""
    set: Values = ()
    """Give a setting of the baseline another value; wins over the preset and all other flags."""
    grid: Grids = ()
    """Try all combinations of these values instead of what the preset tries."""
    range: Ranges = ()
    """Let --search optuna choose a number between these, the logarithm evenly with :log; beside --grid."""
    search: Annotated[str, arg(metavar="grid|random|optuna")] = "grid"
    """grid: one intervention at a time, or all of --grid. random: every setting drawn from its levels. optuna: chosen
    by what earlier trials reached, from --grid and --range, --interventions, or the study's own space."""
    sampler: Annotated[str | None, arg(metavar="tpe|gp|nsga2|random", help_behavior_hint="")] = None
    """How --search optuna chooses; default tpe."""
    maximise: Keys = ()
    """A metric that --search optuna is to raise, instead of the study's own objective; may be given again."""
    minimise: Keys = ()
    """A metric that --search optuna is to lower; with several it looks for their best compromises."""
    num_samples: Count = None
    """How many distinct trials --search random or optuna makes; default 12, or all there are. Teachers join them."""
    sweep_seed: Whole = 0
    """Seed of what --search random or optuna draws."""
    scheduler: Annotated[str, arg(metavar="none|asha|median")] = "none"
    """Which rule stops poor trials early, by the first objective, those of --maximise before those of --minimise."""
    grace_epochs: Count = None
    """Epochs before which no trial is stopped early; default a tenth of all."""
    seeds: Count = None
    """Repeats of every trial, each with a seed of its own, instead of the preset's."""
    max_concurrent: Count = None
    """Trials at the same time; default as many as CPUs and GPUs allow."""
    cpus_per_trial: Whole = 1
    """CPUs, and threads of torch, that a trial gets."""
    gpus_per_trial: Share = None
    """GPUs a trial reserves, may be a fraction; auto: what its memory needs. Default 1 where it uses one, else 0."""
    calibrate: Flag = False
    """Time precisions, of measuring too, and memory layouts once, before any trial, and use the fastest."""
    data_dir: Place = None
    """Where data sets are, or go; default SPECBIAS_DATA_DIR or ~/.cache/specbias."""
    storage_path: Place = None
    """Where trials keep what they have so far; default SPECBIAS_STORAGE_PATH or ray_results here."""
    tracking_uri: Annotated[str | None, arg(metavar="URI", help_behavior_hint="")] = None
    """MLflow's store; default MLFLOW_TRACKING_URI or sqlite:///mlflow.db here."""
    experiment: Name = None
    """MLflow experiment, by default named after study and preset; trials finished in it are reused."""
    records: Annotated[str | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """File of records (.csv): a trial that is in it is not run, one that finishes is put into it."""
    on_finish: Annotated[str | None, arg(metavar="CMD", help_behavior_hint="")] = None
    """Shell command to run in the end, told by SPECBIAS_STATUS and SPECBIAS_SUMMARY how it ended."""
    fresh: Flag = False
    """Run every trial anew, under a new parent run."""
    resume: Annotated[str | None, arg(metavar="SWEEP", help_behavior_hint="")] = None
    """Go on with this sweep, and refuse to begin another; without it, the same command goes on where there is one."""
    accept_changed_code: Flag = False
    """Go on also with trials that other code began: specbias, the study, or the torch of an earlier call."""
    max_failures: Whole = 5
    """How often a trial whose process died (a lost node, a kill, a crash) is taken up again where it was."""
    trial_timeout: Annotated[float, arg(metavar="HOURS")] = 12.0
    """A trial that reports nothing for so long counts as hung: its process is ended, and it is taken up again."""
    time_budget: Annotated[float | None, arg(metavar="HOURS", help_behavior_hint="")] = None
    """After so many hours trials are stopped where they are; --resume goes on. Ends with status 3 if some are left."""
    max_trials: Count = None
    """Begin at most so many trials in this call; ends with status 3 if some are left."""
    block: Annotated[str | None, arg(metavar="K/N", help_behavior_hint="")] = None
    """Run the K-th of N parts of the trials alone, a sweep by itself; --records brings the parts together."""
    price: Annotated[float | None, arg(metavar="USD", help_behavior_hint="")] = None
    """Of an hour of a GPU, or of a CPU core where trials use no GPU: the plan then says what the sweep may cost."""
    dry_run: Flag = False
    """Say how many trials there would be and about how long they take; start nothing."""


def split(text: str, flag: str) -> tuple[str, str]:
    """Return the name and the value of a flag's NAME=VALUE; SettingError where it is none."""
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingError(f"{flag} {text}: expected NAME=VALUE")
    return name, value


def identified(study: Study, options: Options) -> Options:
    """Return the options with each file of the user's own that they name under its identity, read here."""
    parse, settings = study.kind.config_class.parse, study.kind.config_class.own_code

    def named(text: str, flag: str) -> str:
        name, values = split(text, flag)
        if name not in settings:
            return text
        return f"{name}=" + ",".join(str(parse(name, value)) for value in values.split(",") if value)

    return replace(
        options,
        model=parse("model", options.model) if options.model and "model" in settings else options.model,
        set=tuple(named(text, "--set") for text in options.set),
        grid=tuple(named(text, "--grid") for text in options.grid),
    )

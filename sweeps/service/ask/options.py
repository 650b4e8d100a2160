"""Which flags do all sweeps share?"""

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
    """Short for --preset quick: minutes on a laptop, without a download of data."""
    recipe: Name = None
    """How networks are trained: a named set of settings that replaces the preset's."""
    dataset: Name = None
    """Data set, instead of the preset's."""
    model: Name = None
    """Architecture, instead of the preset's."""
    epochs: Count = None
    """Passes over the training images, instead of the preset's."""
    interventions: Annotated[str | None, arg(metavar="A,B", help_behavior_hint="")] = None
    """Which of the preset's interventions to try, by the names of their settings; none: only the baseline."""
    set: Values = ()
    """Change a setting of the baseline; this overrides the preset and all other flags."""
    grid: Grids = ()
    """Try all combinations of these values instead of what the preset tries."""
    range: Ranges = ()
    """Let --search optuna choose a number in this range, on a logarithmic scale with :log; can be used with --grid."""
    search: Annotated[str, arg(metavar="grid|random|optuna")] = "grid"
    """grid: one intervention at a time, or all combinations of --grid. random: each setting drawn from its levels.
    optuna: chosen by the results of earlier trials, from --grid and --range, --interventions, or the study's space."""
    sampler: Annotated[str | None, arg(metavar="tpe|gp|nsga2|random", help_behavior_hint="")] = None
    """How --search optuna chooses; default tpe."""
    maximise: Keys = ()
    """A metric that --search optuna maximises, instead of the study's own objective; may be repeated."""
    minimise: Keys = ()
    """A metric that --search optuna minimises; with several metrics it looks for the best trade-offs (Pareto front)."""
    num_samples: Count = None
    """How many distinct trials --search random or optuna runs, besides teachers; default 12, or all there are."""
    sweep_seed: Whole = 0
    """Seed of --search random or optuna."""
    scheduler: Annotated[str, arg(metavar="none|asha|median")] = "none"
    """Which rule stops poor trials early. It compares the first objective; --maximise comes before --minimise."""
    grace_epochs: Count = None
    """No trial is stopped before this epoch; default a tenth of all epochs."""
    seeds: Count = None
    """How often each trial is repeated, each time with another seed, instead of the preset's number."""
    max_concurrent: Count = None
    """How many trials run at the same time; default as many as CPUs and GPUs allow."""
    cpus_per_trial: Whole = 1
    """CPUs, and torch threads, for each trial."""
    gpus_per_trial: Share = None
    """GPUs for each trial, may be a fraction; auto: measured by memory. Default 1 if trials use a GPU, else 0."""
    calibrate: Flag = False
    """Time precisions (also of measuring) and memory layouts once, before the first trial, and use the fastest."""
    data_dir: Place = None
    """Folder of the data sets; default SPECBIAS_DATA_DIR or ~/.cache/specbias."""
    storage_path: Place = None
    """Where trials save their progress; default SPECBIAS_STORAGE_PATH or ray_results here."""
    tracking_uri: Annotated[str | None, arg(metavar="URI", help_behavior_hint="")] = None
    """MLflow's store; default MLFLOW_TRACKING_URI or sqlite:///mlflow.db here."""
    experiment: Name = None
    """MLflow experiment, named after study and preset by default; its finished trials are reused."""
    records: Annotated[str | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """File of records (.csv): trials in the file are not run again, finished trials are added to it."""
    on_finish: Annotated[str | None, arg(metavar="CMD", help_behavior_hint="")] = None
    """Shell command to run at the end; it gets the outcome in SPECBIAS_STATUS and SPECBIAS_SUMMARY."""
    fresh: Flag = False
    """Run every trial again, under a new parent run."""
    resume: Annotated[str | None, arg(metavar="SWEEP", help_behavior_hint="")] = None
    """Continue this sweep, and refuse to start another. Without this flag the same command continues if it can."""
    accept_changed_code: Flag = False
    """Continue trials even if the code has changed since they began: specbias, the study, or torch."""
    max_failures: Whole = 5
    """How often a trial is resumed after its process died (a lost node, a kill, a crash)."""
    trial_timeout: Annotated[float, arg(metavar="HOURS")] = 12.0
    """A trial that reports nothing for so long counts as hung: its process is killed and the trial is resumed."""
    time_budget: Annotated[float | None, arg(metavar="HOURS", help_behavior_hint="")] = None
    """Stop after so many hours; --resume continues. The exit status is 3 if trials are left."""
    max_trials: Count = None
    """Start at most so many trials in this call. The exit status is 3 if trials are left."""
    block: Annotated[str | None, arg(metavar="K/N", help_behavior_hint="")] = None
    """Run only the K-th of N parts of the trials, as a sweep of its own; --records joins the parts."""
    price: Annotated[float | None, arg(metavar="USD", help_behavior_hint="")] = None
    """Price of a GPU hour, or of a CPU-core hour if trials use no GPU; --dry-run then estimates the cost."""
    dry_run: Flag = False
    """Print the trials and about how long they take; start nothing."""


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

"""How does a sweep script get its exit status? It reads the flags, then prints the plan or runs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import tyro

from specbias.settings import SettingError, check_known
from specbias.settings.output import guard_output
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import Plan, make_plan
from sweeps.service.keep.records import finished_trials
from sweeps.service.machines import preflight, slurm
from sweeps.service.run.interrupts import Interrupts
from sweeps.service.screen import show, show_command
from sweeps.service.study import Study


def main(study: Study, options_class: type[Options] = Options, *, words: int = 1) -> None:
    """Run the study as the command line says after so many words, and exit.

    0: all well; 1: a trial failed; 2: bad input; 3: a budget is used up; 130: interrupted, also by SIGTERM or SIGHUP.
    """
    guard_output()
    options = tyro.cli(
        options_class,
        prog=" ".join([Path(sys.argv[0]).name, *sys.argv[1:words]]),
        description=_description(study),
        args=sys.argv[words:],
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    interrupts = Interrupts().__enter__()  # for good: what ends with this process, as Ray, is not to be interrupted
    try:
        sys.exit(_answer(study, options, interrupts))
    except SettingError as error:
        more = "; python -m sweeps doctor looks at all else" if isinstance(error, preflight.MachineError) else ""
        show(f"error: {error}{more}", sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        interrupts.heeded = False
        show("interrupted", sys.stderr)
        sys.exit(130)


def main_of(studies: Mapping[str, Study], question: str) -> None:
    """Run the study that the first word names as the others say, and exit; without one, list them."""
    guard_output()
    name = sys.argv[1] if sys.argv[1:] else "--help"
    if name in ("-h", "--help"):
        lines = [f"  {name:18}{study.question.splitlines()[0]}" for name, study in studies.items()]
        print("\n".join([f"usage: {Path(sys.argv[0]).name} NAME [OPTIONS]", "", question, *lines]))
        sys.exit(0)
    try:
        check_known(name, studies, "study")
    except SettingError as error:
        show(f"error: {error}", sys.stderr)
        sys.exit(2)
    main(studies[name], words=2)


def _answer(study: Study, options: Options, interrupts: Interrupts) -> int:
    """Do what the command line asks for, and return the exit status."""
    if options.data_dir is not None:  # a plan looks at data in folders
        os.environ["SPECBIAS_DATA_DIR"] = options.data_dir
    if options.dry_run or not os.environ.get("RAY_ADDRESS", "").startswith("ray://"):  # their head has the data
        offer = slurm.partition() if options.dry_run else None
        here = {"cpus": preflight.processors_allowed(), "gpus": preflight.local_gpus()}
        plan = make_plan(study, options, **(offer.all if offer else here))
    if options.dry_run:
        _say_plan(plan, options, offer.node if offer else here)
        if offer:
            _say_job(plan, offer)
        return 0
    from sweeps.service.run.tuner import run_sweep  # ray, mlflow and torch: only now

    return run_sweep(study, options, interrupts)


def _say_plan(plan: Plan, options: Options, machine: dict[str, float]) -> None:
    """Print what would be run, and what is known only when it is; refuse what needs nothing started to be refused."""
    uri = preflight.absolute_tracking_uri(options.tracking_uri)
    preflight.check_places(storage_path=preflight.absolute_storage_path(options.storage_path), tracking_uri=uri)
    lines = [plan.description]
    if options.records:
        there = len(finished_trials(options.records) & {*plan.by_id})
        lines.append(f"{there} of them are in {options.records} and would not be run")
    if not options.fresh:
        lines.append("not looked up: those that are finished in the experiment already, which would be reused")
    if options.resume is not None:
        lines.append(f"not looked up: whether sweep {options.resume} is there to go on with")
    if os.environ.get("RAY_ADDRESS", "local") != "local":
        lines.append("the time is this machine's: what the cluster at RAY_ADDRESS has, it is asked at the start")
    else:
        preflight.check_resources(plan, **machine)
    if options.gpus_per_trial == "auto" and plan.gpus_per_trial:
        lines.append("the time is that of one trial on a GPU: how many share it is measured at the start")
    show("\n".join(lines))


def _say_job(plan: Plan, offer: slurm.Partition) -> None:
    """Print the sbatch command that fits the plan, which is for all of the partition."""
    show(f"the time is that of all of Slurm's {offer}; a job that fits the plan (docs/slurm.md):")
    one, *array = slurm.commands(plan, offer, sys.argv)
    show_command(one)
    for command in array:
        show("the same as a job array, of which each task begins when there is a node for it:")
        show_command(command)


def _description(study: Study) -> str:
    settings = ", ".join(study.kind.config_class().to_dict())
    recipes = f" Recipes: {', '.join(study.kind.recipes)}." if study.kind.recipes else ""
    return (
        f"{study.question}\nPresets: {', '.join(study.presets)}.{recipes}\nSettings for --set and --grid: {settings}."
    )

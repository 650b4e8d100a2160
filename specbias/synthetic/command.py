"""How does an experiment on targets of known frequency run without Ray? A flag per setting, one file of curves."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import tyro

from specbias.settings import SettingError, Settings
from specbias.settings.registry import load, look_up
from specbias.synthetic import TRAINED
from specbias.synthetic.config import CONFIGS

SYNTHETIC = f"""Learn targets of known frequency (Rahaman et al. 2019), all runs together; curves are saved as npz.

  python -m specbias synthetic sinusoids --runs 10 --steps 10000 --amplitudes increasing --output out.npz
  python -m specbias synthetic sinusoids --help

Experiments: {", ".join(CONFIGS)}.
"""


def main(arguments: list[str]) -> None:
    """Run the experiment that the command line names; SettingError, before anything is written, for what cannot be."""
    if arguments and not arguments[0].startswith("-"):
        look_up(CONFIGS, arguments[0], "experiment")
    commands: dict[str, Any] = {kind: _command(config_class) for kind, config_class in CONFIGS.items()}
    chosen = tyro.extras.subcommand_cli_from_dict(
        commands, args=arguments, prog="python -m specbias synthetic", description=SYNTHETIC
    )
    config = CONFIGS[chosen.config.kind](**vars(chosen.config))
    _run(config, chosen.output, chosen.state)


def _command(config_class: type[Settings]) -> type:
    """Return the flags of an experiment: its settings, not yet checked (tyro has words of its own), and the files."""
    # tyro reads the comments beside the fields where this says that the class is written
    place = {"__module__": config_class.__module__, "__qualname__": config_class.__qualname__}
    unchecked = type(config_class.__name__, (config_class,), {"__post_init__": lambda self: None} | place)
    arg, default = tyro.conf.arg, dataclasses.field
    fields: list[Any] = [
        ("config", tyro.conf.OmitArgPrefixes[unchecked]),  # type: ignore[misc, valid-type]
        ("output", Annotated[Path, arg(metavar="FILE.npz", help=OUTPUT)], default(default=Path("out.npz"))),
        ("state", Annotated[Path | None, arg(metavar="DIR", help=STATE, help_behavior_hint="")], default(default=None)),
    ]
    made = dataclasses.make_dataclass("Command", fields)
    made.__doc__ = config_class.__doc__
    return made


OUTPUT = "Where the results go: the curves of all runs."
STATE = "Folder that keeps the runs as they go; called again, the command goes on from there."


def _run(config: Any, output: Path, folder: Path | None) -> None:
    if output.suffix != ".npz" or output.is_dir():
        raise SettingError(f"--output {output}: expected a file that ends in .npz")
    if not output.parent.is_dir() or not os.access(output.parent, os.W_OK):
        raise SettingError(f"--output {output}: there is no folder {output.parent} that can be written")
    if folder is not None and config.kind in TRAINED:
        raise SettingError(f"--state {folder}: {config.kind} is one measurement, there is nothing to go on with")

    import numpy as np  # and torch: only past --help
    from tqdm import tqdm

    run = load(TRAINED.get(config.kind, "specbias.synthetic.run:run_experiment"))
    saved = _last_state(folder) if folder else None
    bar = tqdm(total=config.epochs, unit=" updates", file=sys.stderr, disable=not config.epochs)
    with bar, _said_where(folder):
        for state, measurement in run(config, saved):
            said = {name.removeprefix("synthetic/"): f"{value:.4g}" for name, value in measurement.metrics.items()}
            bar.set_postfix(said, refresh=False)
            bar.update(measurement.step - bar.n)
            if folder and measurement.step < config.epochs:
                _keep(state, folder)
    np.savez_compressed(output, **measurement.arrays)
    if folder:
        _forget(folder)
    print("\n".join(f"{name:24} {list(array.shape)}" for name, array in measurement.arrays.items()))
    print(f"saved: {output}")


@contextlib.contextmanager
def _said_where(folder: Path | None) -> Iterator[None]:
    """Say what an interrupt leaves."""
    try:
        yield
    except KeyboardInterrupt:
        if folder and (states := _states(folder)):
            print(
                f"\nthe runs are kept up to update {max(states)} in {folder}: the same command goes on there",
                file=sys.stderr,
            )
        raise


def _states(folder: Path) -> dict[int, Path]:
    """Return the states that were written to their end, by update."""
    found = (re.fullmatch(r"step_(\d+)", state.name) for state in folder.glob("step_*"))
    return {int(match[1]): folder / match[0] for match in found if match}


def _last_state(folder: Path) -> Path | None:
    """Return the last state in the folder, None if there is none yet; SettingError if none can be kept there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise SettingError(f"--state {folder}: no folder that can be written ({error.strerror})") from None
    states = _states(folder)
    return states[max(states)] if states else None


def _keep(state: Any, folder: Path) -> None:
    """Save the state, whole or not at all, then delete those before it."""
    before, unfinished = _states(folder), folder / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed while it saved
    state.save(unfinished)
    unfinished.rename(folder / f"step_{state.step}")
    for older in before.values():
        shutil.rmtree(older)


def _forget(folder: Path) -> None:
    """Delete the states, and the folder if nothing else is in it."""
    for state in [*_states(folder).values(), folder / "unfinished"]:
        shutil.rmtree(state, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.rmdir()

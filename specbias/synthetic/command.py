"""How is an experiment on targets of known frequency run without Ray? A flag per setting, one file of curves."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import tyro

from specbias.registry import load, look_up
from specbias.settings import SettingError, Settings
from specbias.synthetic import TRAINED
from specbias.synthetic.config import CONFIGS

SYNTHETIC = f"""Learn targets of known frequency (Rahaman et al. 2019), all runs side by side; the curves go to an npz.

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
    source = {
        "__module__": config_class.__module__,
        "__qualname__": config_class.__qualname__,
    }  # of comments
    unchecked = type(config_class.__name__, (config_class,), {"__post_init__": lambda self: None} | source)
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

    import numpy as np  # and torch: only past --help
    from tqdm import tqdm

    run = load(TRAINED.get(config.kind, "specbias.synthetic.run:run_experiment"))
    arrays: dict[str, Any] = {}
    with tqdm(total=config.epochs, unit=" updates", file=sys.stderr) as bar:
        for state, measurement in run(config, _last_state(folder) if folder else None):
            arrays = measurement.arrays
            said = {name.removeprefix("synthetic/"): f"{value:.4g}" for name, value in measurement.metrics.items()}
            bar.set_postfix(said, refresh=False)
            bar.update(measurement.epoch - bar.n)
            if folder and measurement.epoch < config.epochs:
                _keep(state, folder)
    np.savez_compressed(output, **arrays)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(f"{name:24} {list(array.shape)}" for name, array in arrays.items()) + f"\nsaved: {output}")


def _last_state(folder: Path) -> Path | None:
    """Return the folder of the last state that was written to its end, None if there is none yet."""
    whole = [state for state in folder.glob("step_*") if (state / "state.json").exists()]
    return max(whole, key=lambda state: int(state.name.partition("_")[2]), default=None)


def _keep(state: Any, folder: Path) -> None:
    """Save the state, then delete those before it."""
    older = [*folder.glob("step_*")]
    state.save(folder / f"step_{state.step}")
    for before in older:
        shutil.rmtree(before)

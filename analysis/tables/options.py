"""Which records are analysed, and where do the results go? The flags of every analysis script."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import tyro

from specbias.settings.output import guard_output

FORMATS = ("png", "svg", "pdf")
WIDTHS = (4, 40)  # cm
FOLDER = "figures"  # of all results, below the current one


@dataclass(frozen=True)
class Options:
    experiment: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """MLflow experiment that holds the sweep."""
    records: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """Instead of an experiment, a file of records (.csv) that analysis/export.py wrote."""
    sweep: Annotated[str | None, tyro.conf.arg(metavar="ID", help_behavior_hint="")] = None
    """Which sweep, by the beginning of its id; default the latest. Only its finished trials are analysed."""
    study: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """Which study, where a file of records holds the trials of several."""
    tracking_uri: Annotated[str | None, tyro.conf.arg(metavar="URI", help_behavior_hint="")] = None
    """MLflow's store; default MLFLOW_TRACKING_URI or sqlite:///mlflow.db here."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Folder for the figures and their numbers (.json); default figures/NAME, with what was chosen."""
    format: Annotated[str, tyro.conf.arg(metavar="FORMATS")] = "png,svg"
    """Of the figures: png, svg, pdf, with commas. In svg and pdf text is text, and can be edited."""
    width: Annotated[float | None, tyro.conf.arg(metavar="CM", help_behavior_hint="")] = None
    """For a paper: each panel in a file of its own too, so many cm wide; captions are in the .json alone."""
    measure_version: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """By which version of the measure, where a file of records holds paths measured by several."""
    selected: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Analyse also a sample that a search or a scheduler selected."""
    full: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print every table, note and claim, not the answers alone; the .json holds them all either way."""

    @property
    def uri(self) -> str:
        """The store that is read."""
        return self.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats of the figures."""
        return tuple(dict.fromkeys(self.format.split(",")))

    @property
    def folder(self) -> Path:
        """Where the results go."""
        name = self.experiment or (self.records.stem if self.records else "")
        measure = self.measure_version and f"measure-{self.measure_version}"
        chosen = "".join(f"-{part}" for part in (self.study, self.sweep, measure) if part)
        return self.out or Path(FOLDER) / (name.replace("/", "_") + chosen)


Chosen = TypeVar("Chosen", bound=Options)


def read_options(options_class: type[Chosen], description: str | None) -> Chosen:
    """Return the options on a script's command line; --help and mistakes print a message and end the script."""
    guard_output()
    options = tyro.cli(options_class, description=description)
    wrong = [name for name in options.formats if name not in FORMATS]
    if wrong or (options.width is not None and not WIDTHS[0] <= options.width <= WIDTHS[1]):
        said = f"--format {options.format}: {', '.join(FORMATS)}, with commas" if wrong else ""
        print(f"error: {said or f'--width {options.width:g}: {WIDTHS[0]} to {WIDTHS[1]} cm'}", file=sys.stderr)
        sys.exit(2)
    return options

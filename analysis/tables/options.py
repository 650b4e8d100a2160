"""Which flags do all analysis scripts share? Which records to read, and where results go."""

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
    """A file of records (.csv) that analysis/export.py wrote, instead of an experiment."""
    sweep: Annotated[str | None, tyro.conf.arg(metavar="ID", help_behavior_hint="")] = None
    """Which sweep, by the first characters of its id; default the latest. Only finished trials are analysed."""
    study: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """Which study, if a file of records has several."""
    tracking_uri: Annotated[str | None, tyro.conf.arg(metavar="URI", help_behavior_hint="")] = None
    """MLflow's store; default MLFLOW_TRACKING_URI or sqlite:///mlflow.db here."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Folder for figures and numbers (.json); default figures/NAME, with the chosen study and sweep added."""
    format: Annotated[str, tyro.conf.arg(metavar="FORMATS")] = "png,svg"
    """Formats of figures: png, svg, pdf, separated by commas. Text in svg and pdf can be edited."""
    width: Annotated[float | None, tyro.conf.arg(metavar="CM", help_behavior_hint="")] = None
    """For a paper: also save each panel in its own file, this wide. Captions are then only in the .json."""
    measure_version: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Which version of the measure, if the records have paths measured by several."""
    selected: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Analyse trials even if a search or a scheduler selected them by their results."""
    full: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print every table, note and claim, not only the answers. The .json has all of them in any case."""

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

"""Which records are analysed, and where do the results go? What every analysis script is told on its command line."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

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
    """Folder for the figures (.png, .svg) and their numbers (.json); default figures/NAME, with what was chosen."""

    selected: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Analyse also a sample that a search or a scheduler selected."""

    @property
    def uri(self) -> str:
        """The store that is read."""
        return self.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"

    @property
    def folder(self) -> Path:
        """Where the results go."""
        name = self.experiment or (self.records.stem if self.records else "")
        chosen = "".join(f"-{part}" for part in (self.study, self.sweep) if part)
        return self.out or Path(FOLDER) / (name.replace("/", "_") + chosen)

"""Which sweep is analysed, and where do the results go? What every analysis script is told on its command line."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Options:
    experiment: Annotated[str, tyro.conf.arg(metavar="NAME")]
    """MLflow experiment that holds the sweep."""
    sweep: Annotated[str | None, tyro.conf.arg(metavar="ID", help_behavior_hint="")] = None
    """Which sweep, by the beginning of its id; default the latest. Only its finished trials are analysed."""
    tracking_uri: Annotated[str | None, tyro.conf.arg(metavar="URI", help_behavior_hint="")] = None
    """MLflow's store; default MLFLOW_TRACKING_URI or sqlite:///mlflow.db here."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Folder for the figures (.png, .svg) and their numbers (.json); default figures/EXPERIMENT."""

    @property
    def uri(self) -> str:
        """The store that is read."""
        return self.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"

    @property
    def folder(self) -> Path:
        """Where the results go."""
        return self.out or Path("figures") / self.experiment.replace("/", "_")

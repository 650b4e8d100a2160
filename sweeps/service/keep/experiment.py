"""Which experiment of MLflow is a sweep's? It is found or made, and its tags are the claims of the sweep's drivers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from specbias.settings import SettingError
from specbias.trials.record import Tag
from sweeps.service.ask.plan import Plan
from sweeps.service.keep.store import TROUBLES, open_store


class Experiment:
    """The experiment of a sweep. Its tags are the claims of the sweep's drivers, which are written without the lock."""

    def __init__(self, plan: Plan, uri: str) -> None:
        self.uri, self.name, self.prefix = uri, plan.experiment, f"{Tag.DRIVER}.{plan.sweep_id}."
        self.experiment_id, self._times_opened = "", 0
        self.reopen()

    def reopen(self) -> None:
        self.client = open_store(self.uri, times_opened=self._times_opened)
        self._times_opened += 1
        self._file = self._number()

    def open(self) -> str:
        """Return the id of the experiment, which is made if it is not there; SettingError if it is in the trash."""
        found = self.client.get_experiment_by_name(self.name)
        if found is None:
            found = self._make()
        if found.lifecycle_stage == "deleted":
            raise SettingError(f"--experiment {self.name} is in MLflow's trash: restore it, or name another")
        self.experiment_id = found.experiment_id
        return self.experiment_id

    def _make(self) -> Any:
        # MLflow would put artifacts into the working directory: beside the data base they stay with it
        beside = str(Path(self.uri.removeprefix("sqlite:///")).parent / "mlruns" / self.name)
        location: dict[str, Any] = {"artifact_location": beside} if self.uri.startswith("sqlite:") else {}
        try:
            return self.client.get_experiment(self.client.create_experiment(self.name, **location))
        except TROUBLES:
            found = self.client.get_experiment_by_name(self.name)
            if found is None:
                raise
            return found  # which another driver has made

    def is_gone(self) -> bool:
        """Tell whether the data base's file was deleted: what was opened can still be read, as if nothing had been."""
        return self._number() != self._file

    def _number(self) -> int | None:
        try:
            return Path(self.uri.removeprefix("sqlite:///")).stat().st_ino if self.uri.startswith("sqlite:") else None
        except FileNotFoundError:
            return None

    def read(self) -> dict[str, str]:
        tags = self.client.get_experiment(self.experiment_id).tags
        return {key.removeprefix(self.prefix): claim for key, claim in tags.items() if key.startswith(self.prefix)}

    def write(self, token: str, claim: str) -> None:
        self.client.set_experiment_tag(self.experiment_id, self.prefix + token, claim)

    def delete(self, token: str) -> None:
        """Delete a claim, if it is there."""
        if token in self.read():
            self.client.delete_experiment_tag(self.experiment_id, self.prefix + token)

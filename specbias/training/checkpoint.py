"""What must survive a stop? The state of a training, as weights in torch's safe format beside a readable JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from specbias.settings import SettingError
from specbias.settings.config import TrialConfig


@dataclass
class TrainState:
    """A training after `epoch` epochs. No generator is in it: every epoch derives its streams from the seed."""

    config: TrialConfig
    model: nn.Module
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    training_loss: float | None = None  # mean over the last epoch's steps, as trained on
    ended: bool = False  # before the last epoch, where `stop_accuracy` or `stop_loss` was reached
    lowest_noise_fitting: tuple[float, int] | None = None  # of the measured epochs, and the epoch it was at

    @property
    def finished(self) -> bool:
        return self.ended or self.epoch == self.config.epochs

    def save(self, folder: str | Path) -> None:
        """Write weights.pt and state.json (the rest) into `folder`; a training that is over needs no optimiser."""
        weights = {"model": self.model.state_dict()}
        if not self.finished:
            weights["optimizer"] = self.optimizer.state_dict()
        Path(folder).mkdir(parents=True, exist_ok=True)
        torch.save(weights, Path(folder) / "weights.pt")
        record = {"epoch": self.epoch, "trial_id": self.config.trial_id, "settings": self.config.to_dict()}
        record |= {"ended": self.ended, "lowest_noise_fitting": self.lowest_noise_fitting}
        (Path(folder) / "state.json").write_text(json.dumps(record, indent=1))

    def restore(self, folder: str | Path) -> None:
        """Take over what `save` wrote; SettingError if there is nothing, or a trial with other settings."""
        try:
            record = json.loads((Path(folder) / "state.json").read_text())
        except FileNotFoundError:
            raise SettingError(f"{folder}: no trial was saved there") from None
        for version in range(1, self.config.measure_version):
            if record["trial_id"] == self.config.identity(version):
                raise SettingError(
                    f"{folder}: this trial was measured by version {version} of the measure and can't go on with"
                    f" version {self.config.measure_version}: begin it anew, without that folder"
                )
        if record["trial_id"] != self.config.trial_id:
            raise SettingError(f"{folder} is of trial {record['trial_id']}, this is trial {self.config.trial_id}")
        weights = torch.load(Path(folder) / "weights.pt", map_location=self.config.device, weights_only=True)
        self.model.load_state_dict(weights["model"])
        if "optimizer" in weights:
            self.optimizer.load_state_dict(weights["optimizer"])
        self.epoch, self.ended = record["epoch"], record.get("ended", False)
        if lowest := record.get("lowest_noise_fitting"):  # not in records of older versions
            self.lowest_noise_fitting = (lowest[0], lowest[1])

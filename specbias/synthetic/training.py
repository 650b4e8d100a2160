"""How does a batch of runs go from its first update to its last? Task, state, and the loop between two records."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from specbias.settings import SettingError
from specbias.synthetic.config import RunsConfig
from specbias.synthetic.networks import Networks

Values = dict[str, Tensor]
DAMAGE = (json.JSONDecodeError, KeyError, EOFError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile)


def nothing(networks: Networks) -> Values:
    return {}


@dataclass(frozen=True)
class Task:
    """What an experiment is to its runs: samples, targets, and what is taken down.

    Of `record`, `inspect` and `finish` every value has the runs first: (runs, ...).
    """

    inputs: Tensor  # (runs or 1, N, d)
    targets: Tensor  # (runs, N)
    loss: Callable[[Tensor, Tensor], Tensor]  # outputs and targets, (runs, N) each -> (runs,)
    record: Callable[[Networks, Tensor], Values]  # with the outputs (runs, N), at every point of the curves
    inspect: Callable[[Networks], Values] = nothing  # at every measurement
    finish: Callable[[Networks], Values] = nothing  # after the last update
    facts: dict[str, np.ndarray] = field(default_factory=dict)  # what the arrays are over: frequencies, grids


@dataclass
class RunsState:
    """A batch of runs after `step` updates, with the curves up to there: (runs, points, ...) each."""

    config: RunsConfig
    networks: Networks
    optimizer: torch.optim.Optimizer
    step: int = 0
    curves: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, values: Values, steps: str) -> None:
        """Add a point to the curves, at this step of the axis called `steps`."""
        self._append(steps, np.array([self.step]), axis=0)
        for name, value in values.items():
            self._append(name, value.detach().float().cpu().numpy()[:, None], axis=1)

    def _append(self, name: str, point: np.ndarray, *, axis: int) -> None:
        so_far = [self.curves[name]] if name in self.curves else []
        self.curves[name] = np.concatenate([*so_far, point], axis=axis)

    def save(self, folder: str | Path) -> None:
        """Write weights.pt, curves.npz and state.json into `folder`; runs that are over need no optimiser."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        weights = {"model": self.networks.state_dict()}
        if self.step < self.config.steps:
            weights["optimizer"] = self.optimizer.state_dict()
        torch.save(weights, Path(folder) / "weights.pt")
        np.savez_compressed(Path(folder) / "curves.npz", **self.curves)  # type: ignore[arg-type]
        record = {"step": self.step, "trial_id": self.config.trial_id, "settings": self.config.to_dict()}
        (Path(folder) / "state.json").write_text(json.dumps(record, indent=1))

    def restore(self, folder: str | Path) -> None:
        """Take over what `save` wrote; SettingError if there is nothing, nothing whole, or runs with other settings."""
        try:
            record = json.loads((Path(folder) / "state.json").read_text())
            if record["trial_id"] != self.config.trial_id:
                there, here = record["settings"], self.config.to_dict()
                differ = [
                    f"{name}={there.get(name)}, not {here[name]}" for name in here if there.get(name) != here[name]
                ]
                raise SettingError(f"{folder}: runs with other settings ({'; '.join(differ) or record['trial_id']})")
            weights = torch.load(Path(folder) / "weights.pt", map_location=self.config.device, weights_only=True)
            self.networks.load_state_dict(weights["model"])
            if "optimizer" in weights:
                self.optimizer.load_state_dict(weights["optimizer"])
            with np.load(Path(folder) / "curves.npz") as curves:
                self.curves = dict(curves)
        except FileNotFoundError:
            raise SettingError(f"{folder}: no runs were saved there") from None
        except DAMAGE as error:
            raise SettingError(f"{folder}: what was saved there is damaged ({type(error).__name__})") from None
        self.step = record["step"]


def new_state(config: RunsConfig, inputs: int) -> RunsState:
    """Return untrained networks of `inputs` inputs on the device of `config`, with a fresh optimiser."""
    networks = Networks(config, inputs).to(config.device)
    return RunsState(config, networks, _optimizer(config, networks))


def advance(state: RunsState, task: Task, updates: int) -> None:
    """Make so many updates, each on all samples. Losses are summed over runs, which share no parameter."""
    networks, optimizer, clip = state.networks, state.optimizer, state.config.weight_clip
    for _ in range(updates):
        loss = task.loss(networks(task.inputs), task.targets)
        optimizer.zero_grad(set_to_none=True)
        loss.sum().backward()
        optimizer.step()
        if clip:
            with torch.no_grad():
                for parameter in networks.parameters():
                    parameter.clamp_(-clip, clip)
    state.step += updates


def mean_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean over samples of the squared error: (runs, N) twice -> (runs,)."""
    return (outputs - targets).square().mean(dim=-1)


def _optimizer(config: RunsConfig, networks: Networks) -> torch.optim.Optimizer:
    parameters, rate = networks.parameters(), config.learning_rate
    if config.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=rate, fused=True)
    if config.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=rate)
    return torch.optim.SGD(parameters, lr=rate, momentum=0.9 if config.optimizer == "momentum" else 0.0, fused=True)

"""What functions have these networks learned? Measures a list of networks, wherever they were trained.

The list is a CSV file with a row per network. The columns are:
  model         torchvision:NAME, FILE.py:FUNCTION, package.module:FUNCTION, or a name in specbias.models.MODELS
  checkpoint    its file of weights, relative to the CSV file
  any setting of the measurement ("0.5,0.5,0.5" in quotes for three numbers); --set overrides the file
  anything else that describes the networks (width, weight_decay, ...); it becomes a column of the records

  python sweeps/checkpoints.py --models networks.csv --set pairs=20 --experiment my-networks
  python analysis/interventions.py --experiment my-networks      frequency against accuracy, a point per network

Cost on CIFAR-10: 843,134 forward passes per network with the papers' 200 pairs, 93,000 with 20 pairs.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from specbias.settings import SettingError, file_identity
from specbias.settings.measurement import NetworkConfig
from sweeps.kinds.network import NETWORK
from sweeps.service.ask.options import Options
from sweeps.service.study import Preset, Settings, Study


@dataclass(frozen=True)
class ListOptions(Options):
    models: Annotated[str | None, tyro.conf.arg(metavar="FILE.csv", help_behavior_hint="")] = None
    """The networks, a row each; needed."""


@dataclass(frozen=True)
class ListedNetwork(NetworkConfig):
    """A row of the list. Its weights, and not where they lie, are part of its identity; what describes it is flat."""

    not_in_identity = ("checkpoint", "labels", "class_map")  # `weights` and `files` hold what is in them
    weights: str | None = None  # SHA-256 of the file of the weights, 12 digits; of several, one after another
    files: str | None = None  # the same of what the images, labels and class map are read from
    described: str = "{}"  # the list's further columns, as JSON
    epochs = 0  # the only epoch that is measured: no field

    def to_dict(self) -> Settings:
        own = super().to_dict()
        return own | json.loads(own.pop("described"))

    @classmethod
    def from_dict(cls, settings: Any) -> ListedNetwork:
        known = {field.name for field in fields(cls)}
        further = {name: value for name, value in settings.items() if name not in known}
        own = {name: value for name, value in settings.items() if name in known}
        return cls(**({"described": json.dumps(further)} if further else {}) | own)

    def describe(self, names: Iterable[str]) -> str:
        flat = {name: getattr(self, name) for name in names}
        flat |= json.loads(flat.pop("described", "{}"))
        if flat.get("checkpoint"):
            flat["checkpoint"] = Path(flat["checkpoint"]).name
        return " ".join(f"{name}={value}" for name, value in flat.items())


def networks(base: ListedNetwork, options: ListOptions) -> list[Settings]:
    """Return the settings that each row of the list stands for."""
    if options.models is None:
        raise SettingError("--models FILE.csv: name the list of networks, with the columns model and checkpoint")
    try:
        with Path(options.models).expanduser().open(newline="", encoding="utf-8-sig") as file:
            rows = [*csv.DictReader(file, skipinitialspace=True)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingError(f"--models {options.models}: {getattr(error, 'strerror', None) or error}") from None
    if not rows or not {"model", "checkpoint"} <= rows[0].keys():
        found = ", ".join(map(str, rows[0])) if rows else "no rows"
        raise SettingError(
            f"--models {options.models}: expected rows under the columns model and checkpoint, not {found}"
        )
    return [_settings(row, number, options.models) for number, row in enumerate(rows, start=2)]


def _settings(row: dict[Any, Any], number: int, file: str) -> Settings:
    if None in row or None in row.values():
        raise SettingError(f"--models {file}, line {number}: not as many values as columns")
    known = {field.name for field in fields(NetworkConfig)}
    try:
        own = {name: ListedNetwork.parse(name, text) for name, text in row.items() if name in known and text}
    except SettingError as error:
        raise SettingError(f"--models {file}, line {number}: {error}") from None
    for name in ("checkpoint", "labels", "class_map"):
        if name in own:
            own[name] = str((Path(file).expanduser().parent / own[name]).resolve())
    further = {name: _value(text) for name, text in row.items() if name not in known}
    return own | ({"described": json.dumps(further)} if further else {})


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def complete(config: ListedNetwork) -> ListedNetwork:
    """Return the config with the identity of its weights, and of the files that its images are read from."""
    from specbias.data.opened import identity_of
    from specbias.trials.network import weights_of

    try:
        weights = "/".join(file_identity(file) for file in weights_of(config)) or None
    except OSError as error:
        raise SettingError(f"weights of {config.model}: {error.filename}: {error.strerror or error}") from None
    return replace(config, weights=weights, files=identity_of(config))


STUDY = Study(
    name="checkpoints",
    question=__doc__,
    kind=replace(NETWORK, config_class=ListedNetwork, complete=complete),
    presets={"paper": Preset({}, conditions=networks), "quick": Preset({"pairs": 5}, conditions=networks)},
    choose_preset=lambda gpus: "paper",
    columns={
        "generalization/test_accuracy": "accuracy",
        "frequency/within_class": "within",
        "frequency/between_class": "between",
    },
)

if __name__ == "__main__":
    from sweeps.service.command_line import main

    main(STUDY, ListOptions)

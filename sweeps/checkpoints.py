"""What functions have these networks learned? Measures a list of networks, trained anywhere, into one experiment.

The list is a CSV file with a row per network. Its columns are `model` (torchvision:NAME, package.module:factory, or a
name in specbias.models.MODELS), `checkpoint` (its weights, from the file's folder), any setting of the measurement
("0.5,0.5,0.5" in quotes for three numbers; --set wins over the file), and whatever else describes the networks (width,
weight_decay, ...), which becomes a setting of the record and a column of its table.

  python sweeps/checkpoints.py --models networks.csv --set pairs=20 --experiment my-networks
  python analysis/interventions.py --experiment my-networks      frequency against accuracy, a point per network

Cost: with the papers' 200 pairs 843,134 forward passes per network on CIFAR-10, with 20 pairs 93,000.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from specbias.config import NetworkConfig
from specbias.data import DATASETS
from specbias.settings import SettingError, file_identity
from sweeps.service.command_line import Options
from sweeps.service.study import Preset, Settings, Study

PATH_SAMPLES = 75  # on the mean path between two CIFAR-10 images
IMAGES_PER_SECOND = {"cpu": 1000, "cuda": 20_000}  # guessed for a ResNet-18


@dataclass(frozen=True)
class ListOptions(Options):
    models: Annotated[str | None, tyro.conf.arg(metavar="FILE.csv", help_behavior_hint="")] = None
    """The networks, a row each; needed."""


@dataclass(frozen=True)
class ListedNetwork(NetworkConfig):
    """A row of the list. Its weights are part of its identity, and what else describes it is written flat."""

    weights: str | None = None  # SHA-256 of the checkpoint, 12 digits
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

    def said(self, names: Iterable[str]) -> str:
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
    if "checkpoint" in own:
        own["checkpoint"] = str((Path(file).expanduser().parent / own["checkpoint"]).resolve())
    further = {name: _value(text) for name, text in row.items() if name not in known}
    return own | ({"described": json.dumps(further)} if further else {})


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def complete(config: ListedNetwork) -> ListedNetwork:
    """Return the config with the identity of its weights."""
    if config.checkpoint is None:
        return config
    try:
        weights = file_identity(Path(config.checkpoint))
    except OSError as error:
        raise SettingError(f"checkpoint={config.checkpoint}: {error.strerror or error}") from None
    return replace(config, weights=weights)


def prepare(config: ListedNetwork) -> None:
    from specbias.data import load_dataset
    from specbias.selection import Selection

    if not config.dataset.startswith("imagefolder:"):
        load_dataset(config.dataset, Selection(image_size=config.image_size))


class _Measured:
    """The state of a network that is only measured: there is nothing to save."""

    def save(self, folder: str) -> None:
        pass


def run(config: ListedNetwork, checkpoint: str | None) -> Iterator[tuple[Any, Any]]:
    from specbias.measure import Measurement
    from specbias.measure.frequency import REPORTED
    from specbias.network import measure_network

    record, arrays = measure_network(config)
    metrics = {f"generalization/{config.split}_accuracy": record["accuracy"]}
    for kind in ("within_class", "between_class"):
        found = record[kind]
        metrics[f"frequency/{kind}"] = found["high_frequency_share"]
        metrics |= {f"frequency/{kind}/{name}": found[name] for name in REPORTED if found[name] is not None}
        if found["ends_correct"]["n_paths"]:
            metrics[f"frequency/{kind}/ends_correct"] = found["ends_correct"]["high_frequency_share"]
    for part, found in record.get("fourier", {}).items():
        metrics[f"fourier/{part}"] = found["high_frequency_share"]
        metrics[f"fourier/{part}/consistent_distance"] = found["consistent_distance"]
    if "local" in record:
        metrics["local/mean_frequency"] = record["local"]["mean_frequency"]
    if "jacobian_norm" in record:
        metrics["jacobian_norm"] = record["jacobian_norm"]
    yield _Measured(), Measurement(0, metrics, arrays)


def execution(device: str, *, threads: int) -> Settings:
    """Networks are measured in float32: rounding to bf16 is itself a high frequency."""
    return {"device": device, "threads": threads}


def seconds(config: ListedNetwork) -> float:
    """Guess a network's time from the number of images; what network it is is not known yet."""
    facts = DATASETS.get(config.dataset)
    classes = facts.num_classes if facts else 100
    images = classes * (classes + 1) // 2 * config.pairs * PATH_SAMPLES + (facts.sizes[2] if facts else 10_000)
    rate = IMAGES_PER_SECOND[config.device or "cpu"] * (config.threads or 1 if config.device == "cpu" else 1)
    return 5 + images / rate


def calibrate(config: ListedNetwork) -> Settings:
    raise SettingError("--calibrate: there is nothing to choose, networks are measured in float32")


STUDY = Study(
    name="checkpoints",
    question=__doc__,
    config_class=ListedNetwork,
    run=run,
    complete=complete,
    check=lambda config: None,
    prepare=prepare,
    presets={"paper": Preset({}, lambda base: {}, networks), "quick": Preset({"pairs": 5}, lambda base: {}, networks)},
    choose_preset=lambda gpus: "paper",
    analysis="analysis/interventions.py",
    columns={
        "generalization/test_accuracy": "accuracy",
        "frequency/within_class": "within",
        "frequency/between_class": "between",
    },
    seconds=seconds,
    calibrate=calibrate,
    execution=execution,
)

if __name__ == "__main__":
    from sweeps.service.command_line import main

    main(STUDY, ListOptions)

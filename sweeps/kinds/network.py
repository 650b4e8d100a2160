"""How is a network measured as a trial, wherever it was trained?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from specbias.data.datasets import DATASETS
from specbias.pictures import spectra_png
from specbias.settings import SettingError
from specbias.settings.measurement import NetworkConfig
from sweeps.service.study import Kind, Settings

PATH_SAMPLES = 75  # on the mean path between two CIFAR-10 images
IMAGES_PER_SECOND = {"cpu": 1000, "cuda": 20_000}  # guessed for a ResNet-18


def prepare(config: NetworkConfig) -> None:
    from specbias.data import load_dataset
    from specbias.settings.selection import Selection

    if ":" not in config.dataset:
        load_dataset(config.dataset, Selection(image_size=config.image_size))


class _Measured:
    """The state of a network that is only measured: there is nothing to save."""

    def save(self, folder: str) -> None:
        pass


def run(config: NetworkConfig, checkpoint: str | None) -> Iterator[tuple[Any, Any]]:
    from specbias.measurement import Measurement
    from specbias.measurement.path_values import REPORTED
    from specbias.trials.network import measure_network

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


def seconds(config: NetworkConfig) -> float:
    """Guess a network's time from the number of images; what network it is is not known yet."""
    facts = DATASETS.get(config.dataset)
    classes = facts.num_classes if facts else 100
    images = classes * (classes + 1) // 2 * config.pairs * PATH_SAMPLES + (facts.sizes[2] if facts else 10_000)
    rate = IMAGES_PER_SECOND[config.device or "cpu"] * (config.threads or 1 if config.device == "cpu" else 1)
    return 5 + images / rate


def analyses(configs: Sequence[NetworkConfig]) -> list[str]:
    """Return the script that holds frequencies against test accuracy, where that was measured."""
    return ["analysis/interventions.py"] if any(config.split == "test" for config in configs) else []


def calibrate(config: NetworkConfig) -> tuple[Settings, float]:
    raise SettingError("--calibrate: there is nothing to choose, networks are measured in float32")


NETWORK = Kind(
    config_class=NetworkConfig,
    run=run,
    seconds=seconds,
    analyses=analyses,
    calibrate=calibrate,
    prepare=prepare,
    execution=execution,
    picture=spectra_png,
)

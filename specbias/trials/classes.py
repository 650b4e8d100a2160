"""The life of a trial that measures classes: open its network and its data, then one class after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from specbias.data import ByClass, facts_of, normalise, open_classes
from specbias.measurement import Measurement, measuring
from specbias.measurement.class_frequency import choose_class_probes, measure_class
from specbias.measurement.diversity import diversity, features
from specbias.measurement.normalisation import expected_input
from specbias.models import TORCHVISION, build_model
from specbias.models.published import load_published
from specbias.models.weights import load_weights
from specbias.settings import SettingError
from specbias.training.check import saved_record
from specbias.training.execution import use_device
from specbias.trials.class_config import OUTPUTS, ClassConfig, check, trained_before
from specbias.trials.trial import run_trial

SPLITS = {"test": ("test",), "validation": ("validation",), "both": ("test", "validation")}
Measure = Callable[[int], Measurement]  # of one class, by its number


@dataclass(frozen=True)
class ClassState:
    """Which class was measured last: all that must survive a stop."""

    label: int

    def save(self, folder: str | Path) -> None:
        (Path(folder) / "classes.json").write_text(json.dumps({"label": self.label}))


def run_classes(config: ClassConfig, checkpoint: str | Path | None = None) -> Iterator[tuple[Any, Measurement]]:
    """Yield (state, measurement) of each of the trial's classes, or of each epoch to measure of a training.

    A measurement's `epoch` is the class's number. With `checkpoint`, a folder that a yielded state was saved to, it
    goes on after that class. `teacher` is the folder that the network, or that for features, was saved to. Sets
    torch's number of threads and float32 precision. SettingError for what is not there or does not fit.
    """
    if config.part == "training":
        yield from run_trial(config, checkpoint)
        return
    check(config)
    use_device(config.device, threads=config.threads)
    done = -1 if checkpoint is None else json.loads((Path(checkpoint) / "classes.json").read_text())["label"]
    measure = _frequency(config) if config.part == "frequency" else _diversity(config)
    for label in config.labels:
        if label > done:
            yield ClassState(label), measure(label)


def _frequency(config: ClassConfig) -> Measure:
    """Return the measurement of a class's function frequency."""
    classes, network, expected, outputs = open_network(config)

    def measure(label: int) -> Measurement:
        probes = choose_class_probes(
            classes,
            label,
            splits=SPLITS[config.class_splits or "both"],
            pairs=config.class_pairs,
            partners=config.class_partners,
            seed=config.probe_seed,
            outputs=outputs,
        )
        with measuring(network, config) as (predict, exactly):
            metrics, arrays = measure_class(
                lambda images: predict(expected(images)),
                classes,
                probes,
                spacing=config.spacing,
                samples=config.class_samples,
                signal=config.signal,
                band=config.band,
                batch_size=config.measure_batch,
                device=config.device,
                exactly=None if exactly is None else lambda images: exactly(expected(images)),
            )
        return Measurement(label, metrics, arrays)

    return measure


def open_network(config: ClassConfig) -> tuple[ByClass, nn.Module, Callable, tuple[int, ...]]:
    """Return the data, the network, what makes its input of normalised images, and the output of each class."""
    if config.pretrained is None:
        classes = open_classes(config.dataset, config.selection)
        return classes, _trained(config, len(classes.names)), lambda images: images, tuple(range(len(classes.names)))
    name = config.model.removeprefix(TORCHVISION)
    wanted = load_published(name, config.pretrained, config.checkpoint)
    size = config.image_size or wanted.size
    selection = config.selection._replace(image_size=size, resize=round(size * wanted.resize / wanted.size))
    classes = open_classes(config.dataset, selection._replace(interpolation=wanted.interpolation))
    if not classes.outputs:
        raise SettingError(
            f"pretrained={config.pretrained}: where {config.dataset}'s classes are among the network's {OUTPUTS} "
            "outputs is not known; put LOC_synset_mapping.txt or synset_words.txt, with all their ids, beside val/"
        )
    network = wanted.network.to(config.device).to(memory_format=getattr(torch, config.memory_format))
    expected = expected_input(classes.mean, classes.std, wanted.mean, wanted.std, config.device)
    return classes, network, expected, classes.outputs


def _trained(config: ClassConfig, num_classes: int) -> nn.Module:
    """Return the network that was saved to the folder `teacher`, on the trial's device."""
    if config.teacher is None:
        raise SettingError(f"part={config.part}: name the folder that the network was saved to, teacher=FOLDER")
    folder, expected = Path(config.teacher), trained_before(config)
    record, size = saved_record(folder), facts_of(config.dataset, config.selection).image_size
    if expected is None or record["trial_id"] != expected.trial_id:
        raise SettingError(
            f"teacher={folder}: trial {record['trial_id']}, not the one whose network this is to measure"
        )
    trained = ClassConfig.from_dict(record["settings"])
    with torch.random.fork_rng(devices=[]):
        model = build_model(
            trained.model, num_classes=num_classes, image_size=size, width=trained.width, dropout=trained.dropout
        )
    load_weights(model, folder / "weights.pt", setting="teacher")
    return model.to(config.device).to(memory_format=getattr(torch, config.memory_format))


def _diversity(config: ClassConfig) -> Measure:
    """Return the measurement of a class's diversity, in training images, which supply no path."""
    classes = open_classes(config.dataset, config.selection)
    network = None
    if config.feature_model:
        taught = ClassConfig.from_dict(saved_record(Path(str(config.teacher)))["settings"])
        assert taught.classes is not None
        network = _trained(config, taught.classes)

    def measure(label: int) -> Measurement:
        images = classes.images("train", label, config.diversity_images)
        images = normalise(images, classes.mean, classes.std)
        found = {f"diversity/{name}": value for name, value in diversity(images.flatten(1)).items()}
        if network is not None:
            points = features(network, images.to(config.device), batch_size=config.measure_batch).cpu()
            found |= {f"diversity/feature_{name}": value for name, value in diversity(points).items()}
        found |= {f"diversity/{name}": values[label] for name, values in classes.known.items()}
        return Measurement(label, {name: value for name, value in found.items() if value == value}, {})

    return measure

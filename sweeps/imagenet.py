"""Is the function that a network learned of higher frequency on classes that are more diverse inside?

The second half of "Spectral Bias in Practice" (Fridovich-Keil et al., NeurIPS 2022), there on ImageNet: for every class
the frequency of each network's function on paths within it and to other classes, and how diverse its images are, in
pixels and in the features of a network that was taught by other classes. Networks are trained here, or torchvision's
published ones. Each class is a record; the classes of a network are measured side by side in `shards` parts.

  python sweeps/imagenet.py --quick                 3 networks on generated dead leaves, about 3 minutes on 2 cores
  python sweeps/imagenet.py                         3 networks on 50 classes of Tiny ImageNet, about an hour on 2 cores
  python sweeps/imagenet.py --preset published      torchvision's networks on ImageNet's validation images; for GPUs
  python analysis/class_diversity.py --experiment imagenet-quick      the relation, with its controls
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from specbias.class_config import ClassConfig, check, complete, trained_before
from specbias.data import facts_of
from specbias.models import look_up_model
from specbias.recipes import RECIPES
from sweeps import cifar
from sweeps.service.study import Preset, Settings, Study

NETWORKS = [
    {"model": "small_cnn", "width": 32},
    {"model": "resnet18", "width": 24},
]
PUBLISHED = ("resnet50", "resnet101", "vit_b_16", "swin_t", "convnext_tiny", "regnet_y_3_2gf")


def interventions(base: Any) -> dict[str, list]:
    """Other networks than the baseline's, trained the same way."""
    return {"model": NETWORKS}


def quick_interventions(base: Any) -> dict[str, list]:
    """One network that is wider, and one that is regularised."""
    return {"width": [2 * base.width], "cutout": [8]}


def published_interventions(base: Any) -> dict[str, list]:
    """Other published networks."""
    return {"model": [f"torchvision:{name}" for name in PUBLISHED]}


def parts(base: Any, options: Any) -> list[Settings]:
    """Every part of the classes, measured in the network's function and, once for all networks, in the images."""
    shards = range(1, base.shards + 1)
    seen = facts_of(base.dataset, base.selection).sizes[0]  # without training images none
    measured = ("frequency", "diversity") if seen else ("frequency",)
    return [{"part": part, "shard": shard} for part in measured for shard in shards]


def run(config: ClassConfig, checkpoint: str | None) -> Iterator[tuple[Any, Any]]:
    from specbias.classes import run_classes

    return run_classes(config, checkpoint)


def prepare(config: ClassConfig) -> None:
    """Fetch what a trial reads: data, and published weights."""
    if config.part == "training":
        cifar.prepare(config)
    elif config.pretrained is not None and config.shard == 1:
        from specbias.classes import open_network

        open_network(config)


def seconds(config: ClassConfig) -> float:
    """Guess a trial's time: a training's from its operations, a measurement's from the images on its paths."""
    if config.part == "training":
        return cifar.seconds(config)
    if config.part == "diversity":
        return 4 + 0.2 * len(config.labels)
    model = look_up_model(config.model)
    facts = facts_of(config.dataset, config.selection)
    size = (config.image_size or facts.image_size) / 32
    pairs = min(config.class_pairs, sum(facts.probe_supply.values()))
    share = config.width / model.width if config.width and model.width else 1
    images = len(config.labels) * 2 * pairs * (cifar.PATH_SAMPLES * size + config.class_samples)
    rate = cifar.FLOPS[config.device, config.measure_precision or config.precision]
    return 4 + images * 1e6 * model.megaflops * (share * size) ** 2 / (rate * config.threads)


SMALL: Settings = {"part": "frequency", "shards": 2, "probe_pairs": 0}
PRESETS = {
    "published": Preset(
        {"part": "frequency", "shards": 20, "dataset": "imagenet", "class_pairs": 25}
        | {"model": "torchvision:resnet18", "pretrained": "IMAGENET1K_V1"},
        published_interventions,
        parts,
    ),
    "tiny": Preset(
        SMALL
        | {"dataset": "tiny_imagenet", "image_size": 32, "classes": 50, "model": "airbench", "epochs": 20}
        | {"batch_size": 64, "warmup": 0.2, "label_smoothing": 0.1, "cutout": 8}
        | {"feature_model": "airbench", "feature_width": 32, "class_pairs": 24, "class_samples": 64},
        interventions,
        parts,
    ),
    "quick": Preset(
        SMALL
        | {"dataset": "leaves", "model": "small_cnn", "width": 8, "epochs": 15, "batch_size": 50, "flip_crop": 0}
        | {"class_pairs": 10, "class_samples": 50},
        quick_interventions,
        parts,
    ),
}

STUDY = Study(
    name="imagenet",
    question=__doc__,
    config_class=ClassConfig,
    run=run,
    complete=complete,
    check=check,
    prepare=prepare,
    presets=PRESETS,
    choose_preset=lambda gpus: "published" if gpus else "tiny",
    analysis="analysis/class_diversity.py",
    columns={
        "generalization/test_accuracy": "accuracy",
        "generalization/class_accuracy": "of class",
        "frequency/within_class": "within",
        "frequency/between_class": "between",
    },
    seconds=seconds,
    calibrate=lambda config: cifar.calibrate(replace(config, part="training")),
    last_epoch=lambda config: config.last_epoch,
    recipes=RECIPES,
    teacher=trained_before,
)

if __name__ == "__main__":
    from sweeps.service.command_line import main

    main(STUDY)

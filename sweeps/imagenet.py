"""Do the functions of networks have a higher frequency on classes that are more diverse inside?

The second half of "Spectral Bias in Practice" (Fridovich-Keil et al., NeurIPS 2022), which studied ImageNet. For every
class it measures the frequency of each network on paths within the class and to other classes. It also measures how
diverse the images are, in pixels and in the features of a network that was trained on other classes. Networks are
trained here, or are torchvision's published ones. Each class is a record. The classes of a network are measured in
`shards` parts at the same time.

  python sweeps/imagenet.py --quick                 3 networks on generated dead leaves, about 3 minutes on 2 cores
  python sweeps/imagenet.py                         3 networks on 50 classes of Tiny ImageNet, about an hour on 2 cores
  python sweeps/imagenet.py --preset published      torchvision's networks on ImageNet's validation images; for GPUs
  python analysis/class_diversity.py --experiment imagenet-quick      the relation, with its controls
"""

from __future__ import annotations

from typing import Any

from specbias.data import facts_of
from sweeps.kinds.classes import CLASSES
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
    return {"width": [2 * base.width] if base.width else [], "cutout": [8]}


def published_interventions(base: Any) -> dict[str, list]:
    """Other published networks."""
    return {"model": [f"torchvision:{name}" for name in PUBLISHED]}


def parts(base: Any, options: Any) -> list[Settings]:
    """Every part of the classes, measured in the network's function and, once for all networks, in the images."""
    shards = range(1, base.shards + 1)
    seen = facts_of(base.dataset, base.selection).sizes[0]  # without training images none
    measured = ("frequency", "diversity") if seen else ("frequency",)
    return [{"part": part, "shard": shard} for part in measured for shard in shards]


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
    kind=CLASSES,
    presets=PRESETS,
    choose_preset=lambda gpus: "published" if gpus else "tiny",
    columns={
        "generalization/test_accuracy": "accuracy",
        "generalization/class_accuracy": "of class",
        "frequency/within_class/fixed_band": "within",
        "frequency/between_class/fixed_band": "between",
    },
)

if __name__ == "__main__":
    from sweeps.service.command_line import main

    main(STUDY)

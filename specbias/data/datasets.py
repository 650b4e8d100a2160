"""Which data sets are there? Each with its loader, and what is known without opening it: sizes, classes, constants."""

from __future__ import annotations

from typing import NamedTuple

Channels = tuple[float, float, float]


class Dataset(NamedTuple):
    """What can be said of a data set without opening it; `sizes` are the images of train, validation and test."""

    loader: str  # "module:function", called with the data directory -> Data
    sizes: tuple[int, int, int]
    probe_supply: dict[str, int]  # split -> images of its smallest class that supply probes: half (measure.pairs)
    num_classes: int
    image_size: int
    mean: Channels  # of the training images' channels in [0, 1]: what normalised space subtracts
    std: Channels  # and divides by
    extra: str | None = None  # "module:function" of a second test set, called with the directory and its version
    # Of a data set that classes can be chosen from: "module:function", called with the directory and a Selection -> the
    # facts of what is there (those here are of the whole as published); and another, of one in folders, -> ByClass
    look: str | None = None
    by_class: str | None = None
    classes_id: str | None = None  # a hash of the ids of what is there: numbers alone do not say which classes they are


# "Spectral Bias in Practice", released code, to their last digit; there too for CIFAR-100.
CIFAR_MEAN: Channels = (0.49139968, 0.48215841, 0.44653091)
CIFAR_STD: Channels = (0.24703223, 0.24348513, 0.26158784)
# As every published ImageNet network expects them.
IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)
DATASETS = {
    "cifar10": Dataset(
        "specbias.data.cifar10:load_cifar10",
        (45_000, 5_000, 10_000),
        {"validation": 250, "test": 500},
        10,
        32,
        CIFAR_MEAN,
        CIFAR_STD,
        extra="specbias.data.cifar10:load_cifar10_1",
    ),
    "cifar100": Dataset(
        "specbias.data.cifar100:load_cifar100",
        (45_000, 5_000, 10_000),
        {"validation": 25, "test": 50},
        100,
        32,
        CIFAR_MEAN,
        CIFAR_STD,
    ),
    "digits": Dataset(
        "specbias.data.digits:load_digits",
        (992, 203, 602),
        {"validation": 10, "test": 29},
        10,
        32,
        mean=(0.30554,) * 3,
        std=(0.32416,) * 3,
    ),
    "leaves": Dataset(
        "specbias.data.leaves:load_leaves",
        (2_400, 600, 1_200),
        {"validation": 10, "test": 20},
        30,
        32,
        mean=(0.50292, 0.50268, 0.49766),
        std=(0.18080, 0.18088, 0.18057),
        look="specbias.data.leaves:look_at_leaves",
    ),
    "tiny_imagenet": Dataset(
        "specbias.data.imagenet:load_tiny_imagenet",
        (80_000, 20_000, 10_000),
        {"validation": 50, "test": 25},
        200,
        64,
        IMAGENET_MEAN,
        IMAGENET_STD,
        look="specbias.data.imagenet:look_at_tiny_imagenet",
        by_class="specbias.data.imagenet:open_tiny_imagenet",
    ),
    "imagenet": Dataset(
        "specbias.data.imagenet:load_imagenet",
        (1_025_234, 255_933, 50_000),
        {"validation": 73, "test": 25},
        1000,
        224,
        IMAGENET_MEAN,
        IMAGENET_STD,
        look="specbias.data.imagenet:look_at_imagenet",
        by_class="specbias.data.imagenet:open_imagenet",
    ),
}

"""Which images does a trial see? Data(train, validation, test): three disjoint splits, each one uint8 tensor."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from specbias.registry import load, look_up
from specbias.seeds import derive_seed

if TYPE_CHECKING:
    import torch

    from specbias.config import TrialConfig


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


# "Spectral Bias in Practice", released code, to their last digit; there too for CIFAR-100.
CIFAR_MEAN: Channels = (0.49139968, 0.48215841, 0.44653091)
CIFAR_STD: Channels = (0.24703223, 0.24348513, 0.26158784)
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
    ),
}


class Split(NamedTuple):
    """Images (N, 3, H, W) in uint8 and their labels (N,) in int64, on one device."""

    images: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Data:
    """The splits of one data set; `mean` and `std` (3,) are the channel constants of its normalised space."""

    train: Split
    validation: Split
    test: Split
    mean: Channels
    std: Channels
    num_classes: int
    extra: Split | None = None  # a second test set: CIFAR-10.1
    class_names: tuple[str, ...] = ()  # where they have names

    @property
    def splits(self) -> dict[str, Split]:
        """The splits that hold images, by name."""
        found = {name: getattr(self, name) for name in ("train", "validation", "test", "extra")}
        return {name: split for name, split in found.items() if split is not None and len(split.labels)}

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """Return `normalise` of images (B, 3, H, W) with values from 0 to 255, by this data set's constants."""
        return normalise(images, self.mean, self.std)


def normalise(images: torch.Tensor, mean: Channels, std: Channels) -> torch.Tensor:
    """Return (images / 255 - mean) / std in float32, for images (B, 3, H, W) with values from 0 to 255."""
    images = images.float().div(255)
    shift, scale = (images.new_tensor(constants).view(1, 3, 1, 1) for constants in (mean, std))
    return images.sub(shift).div(scale)


def to_pixels(images: torch.Tensor, mean: Channels, std: Channels) -> torch.Tensor:
    """Return normalised images (B, 3, H, W) as uint8, rounded and clipped: undoes `normalise`."""
    shift, scale = (images.new_tensor(constants).view(1, 3, 1, 1) for constants in (mean, std))
    return images.mul(scale).add(shift).mul(255).round().clamp(0, 255).byte()


def load_data(config: TrialConfig) -> Data:
    """Return the data of a trial on its device, the training split cut to `train_size` images.

    The subset is the beginning of an order drawn by `seed`: a smaller set lies inside a larger one, and another seed
    draws other images. With `legacy_split` the validation images join the training split (empty validation split).
    """
    import torch

    facts = look_up(DATASETS, config.dataset, "data set")
    data = load(facts.loader)(data_directory())
    train, validation = data.train, data.validation
    if config.legacy_split:
        train = Split(*(torch.cat(parts) for parts in zip(train, validation, strict=True)))
        validation = Split(*(part[:0] for part in validation))
    if config.train_size is not None:
        generator = torch.Generator().manual_seed(derive_seed(config.seed, "training subset"))
        chosen = torch.randperm(len(train.labels), generator=generator)[: config.train_size].sort().values
        train = Split(*(part[chosen] for part in train))
    splits = {"train": train, "validation": validation, "test": data.test}
    if config.extra_test is not None and facts.extra is not None:
        splits["extra"] = load(facts.extra)(data_directory(), config.extra_test)
    return replace(data, **{name: Split(*(p.to(config.device) for p in split)) for name, split in splits.items()})


def prepare_data(name: str) -> None:
    """Make sure that a data set can be read here, fetching it if it must be; SettingError says how to get it."""
    load(look_up(DATASETS, name, "data set").loader)(data_directory())


def data_directory() -> Path:
    """Return where data sets are looked for: SPECBIAS_DATA_DIR, or ~/.cache/specbias."""
    return Path(os.environ.get("SPECBIAS_DATA_DIR") or "~/.cache/specbias").expanduser()

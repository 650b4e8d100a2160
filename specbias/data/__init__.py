"""Which images does a trial see? Data(train, validation, test): three disjoint splits, each one uint8 tensor."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from specbias.data.datasets import DATASETS, Channels, Dataset
from specbias.settings import SettingError
from specbias.settings.registry import load, look_up
from specbias.settings.seeds import derive_seed
from specbias.settings.selection import Selection

if TYPE_CHECKING:
    import torch

    from specbias.settings.config import TrialConfig


class Split(NamedTuple):
    """Images (N, 3, H, W) in uint8 and their labels (N,) in int64, on one device."""

    images: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Data:
    """The splits of one data set; `mean` and `std` (3,) are the channel constants of its normalised space.

    Arrays and tensors are taken, images with channels first, last or none, labels (N,) or (N, 1); SettingError, one
    line, where images are not uint8, or labels are none of the classes.
    """

    train: Split
    validation: Split
    test: Split
    mean: Channels
    std: Channels
    num_classes: int
    extra: Split | None = None  # a second test set: CIFAR-10.1
    class_names: tuple[str, ...] = ()  # where they have names
    class_ids: tuple[str, ...] = ()  # WordNet's, or a folder's name or number: what a network's outputs are found by
    outputs: tuple[int, ...] = ()  # the place of each class among a network's outputs, where it is given
    rows: dict[str, torch.Tensor] = field(default_factory=dict)  # of a part of a published file: each image's place
    notes: tuple[str, ...] = ()  # how files were understood, in words
    known: dict[str, tuple[float, ...]] = field(default_factory=dict)  # of each class, beforehand: planted diversity

    def __post_init__(self) -> None:
        from specbias.data.conversion import as_split

        for name in ("test", "train", "validation", "extra"):
            if (split := getattr(self, name)) is not None:
                object.__setattr__(
                    self, name, Split(*as_split(split.images, split.labels, name, num_classes=self.num_classes))
                )
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != 3 or not all(0 <= value <= 1 for value in values) or (name == "std" and 0 in values):
                raise SettingError(f"{name}={values}: expected three numbers, of channels from 0 to 1; std above 0")
        for name in ("class_names", "class_ids", "outputs"):
            if (names := getattr(self, name)) and len(names) != self.num_classes:
                raise SettingError(f"{name}: {len(names)} of them, for {self.num_classes} classes")

    @property
    def splits(self) -> dict[str, Split]:
        """The splits that hold images, by name."""
        found = {name: getattr(self, name) for name in ("train", "validation", "test", "extra")}
        return {name: split for name, split in found.items() if split is not None and len(split.labels)}

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """Return `normalise` of images (B, 3, H, W) with values from 0 to 255, by this data set's constants."""
        return normalise(images, self.mean, self.std)


@dataclass(frozen=True)
class ByClass:
    """A data set, one class's images at a time: what is measured class by class need not fit into memory."""

    names: tuple[str, ...]
    ids: tuple[str, ...]  # WordNet's, or the names
    mean: Channels
    std: Channels
    images: Callable[..., torch.Tensor]  # (split, label, most=None) -> (N, 3, H, W) in uint8, on the CPU
    known: dict[str, tuple[float, ...]] = field(default_factory=dict)  # of each class, beforehand: planted, hyponyms
    classes_id: str | None = None  # facts_of's
    outputs: tuple[int, ...] = ()  # the place of each class among the outputs of a network that knows all of ImageNet


def facts_of(name: str, selection: Selection = Selection()) -> Dataset:  # noqa: B008
    """Return what can be said of a data set, or of a selection of one in folders, from a listing of them.

    SettingError for an unknown name, for folders that are not there, and for a selection from what is taken whole.
    """
    facts = look_up(DATASETS, name, "data set")
    if facts.look is not None:
        return load(facts.look)(data_directory(), selection)
    for setting, value in selection._asdict().items():
        if value != Selection._field_defaults[setting]:
            raise SettingError(f"{setting}={value}: {name} is taken whole, as it is; nothing is chosen of it")
    return facts


def load_dataset(name: str, selection: Selection = Selection()) -> Data:  # noqa: B008
    """Return a data set whole, or what is selected of it; SettingError is facts_of's, or says how to get it."""
    facts = facts_of(name, selection)
    chosen = () if facts.look is None else (selection,)
    return load(facts.loader)(data_directory(), *chosen)


def open_classes(name: str, selection: Selection = Selection()) -> ByClass:  # noqa: B008
    """Return a data set, one class's images at a time; SettingError is facts_of's, or the loader's."""
    facts = facts_of(name, selection)
    if facts.by_class is not None:
        return load(facts.by_class)(data_directory(), selection)
    data = load_dataset(name, selection)

    def images(split: str, label: int, most: int | None = None) -> torch.Tensor:
        chosen: Split = getattr(data, split)
        return chosen.images[chosen.labels == label][:most]

    names = data.class_names or tuple(str(label) for label in range(data.num_classes))
    return ByClass(names, names, data.mean, data.std, images, known=data.known, classes_id=facts.classes_id)


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

    facts = facts_of(config.dataset, config.selection)
    data = load_dataset(config.dataset, config.selection)
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
    moved = {name: Split(*(part.to(config.device) for part in split)) for name, split in splits.items()}
    return replace(data, **moved)  # type: ignore[arg-type]


def data_directory() -> Path:
    """Return where data sets are looked for: SPECBIAS_DATA_DIR, or ~/.cache/specbias."""
    return Path(os.environ.get("SPECBIAS_DATA_DIR") or "~/.cache/specbias").expanduser()

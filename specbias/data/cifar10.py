"""CIFAR-10 (Krizhevsky 2009) in torchvision's files, with 5,000 of the training images set aside for validation."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torchvision.datasets import CIFAR10

from specbias.data import Data, Split
from specbias.data.datasets import DATASETS
from specbias.settings import SettingError

VALIDATION = 5_000  # images, equally many of each class


@lru_cache(maxsize=1)
def load_cifar10(directory: Path) -> Data:
    """Return CIFAR-10: 45,000 training, 5,000 validation and 10,000 test images, downloaded if they are not there.

    Validation is the last 500 training images of each class in file order (which is random).
    """
    return read_cifar(CIFAR10, directory)


def read_cifar(kind: type[CIFAR10], directory: Path) -> Data:
    """Return the data set that a class of torchvision reads, the last training images of each class for validation.

    The files are checked against torchvision's md5 sums; SettingError says what was looked for, where, and how to get
    it.
    """
    files = [_open(kind, directory, train=part) for part in (True, False)]
    train, test = (_split(part) for part in files)
    class_names = tuple(files[0].classes)
    held_out = torch.zeros(len(train.labels), dtype=torch.bool)
    for label in range(len(class_names)):
        held_out[(train.labels == label).nonzero().flatten()[-VALIDATION // len(class_names) :]] = True
    return Data(
        train=Split(train.images[~held_out], train.labels[~held_out]),
        validation=Split(train.images[held_out], train.labels[held_out]),
        test=test,
        mean=DATASETS["cifar10"].mean,
        std=DATASETS["cifar10"].std,
        num_classes=len(class_names),
        class_names=class_names,
        rows={"train": (~held_out).nonzero().flatten(), "validation": held_out.nonzero().flatten()},
    )


def load_cifar10_1(directory: Path, version: str) -> Split:
    """Return CIFAR-10.1 (Recht et al. 2018) from its two .npy files: version v4 (2,021 images) or v6 (2,000).

    SettingError says what was looked for, where, and how to get it.
    """
    names = [f"cifar10.1_{version}_{part}.npy" for part in ("data", "labels")]
    try:
        images, labels = (np.load(directory / name, allow_pickle=False) for name in names)
    except (OSError, ValueError) as error:
        raise SettingError(
            f"CIFAR-10.1 {version} is not there: looked for {names[0]} and {names[1]} in {directory} ({error}); "
            "they are in the folder datasets of github.com/modestyachts/CIFAR-10.1"
        ) from None
    if images.shape[1:] != (32, 32, 3) or images.dtype != np.uint8 or len(images) != len(labels):
        raise SettingError(f"{directory / names[0]}: expected uint8 images (N, 32, 32, 3) and as many labels")
    return Split(torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))), torch.from_numpy(labels).long())


def _open(kind: type[CIFAR10], directory: Path, *, train: bool) -> CIFAR10:
    try:
        return kind(str(directory), train=train, download=False)
    except RuntimeError:  # absent, or not the published bytes
        return _download(kind, directory, train=train)


def _split(files: CIFAR10) -> Split:
    images = torch.from_numpy(np.ascontiguousarray(files.data.transpose(0, 3, 1, 2)))
    return Split(images, torch.tensor(files.targets))


def _download(kind: type[CIFAR10], directory: Path, *, train: bool) -> CIFAR10:
    new = not directory.exists()
    try:
        return kind(str(directory), train=train, download=True)
    except (OSError, RuntimeError) as error:
        if new and directory.exists() and not any(directory.iterdir()):
            directory.rmdir()  # torchvision made it before it failed
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SettingError(
            f"{kind.__name__.replace('R', 'R-')} is not there: looked for whole files in "
            f"{directory / kind.base_folder}, and downloading failed ({reason}); fetch {kind.url} on a connected "
            "machine, unpack it in a folder and name that folder with --data-dir or SPECBIAS_DATA_DIR"
        ) from None

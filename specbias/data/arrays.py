"""Images and labels in numpy's files: a pair of .npy, or an .npz with both, as public sets are shipped.

CIFAR-10-C (Hendrycks and Dietterich 2019), CIFAR-10.1 and .2, MedMNIST and Keras' files are such.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from specbias.data import Data, Split
from specbias.data.conversion import as_images
from specbias.data.datasets import IMAGENET_MEAN, IMAGENET_STD
from specbias.data.labels import read_arrays, read_labels, to_labels
from specbias.settings import SettingError

WORDS = {"images": {"images", "image", "imgs", "img", "data", "x"}, "labels": {"labels", "label", "y", "targets"}}
SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
SEVERITIES = 5  # of CIFAR-10-C, one after the other in a file
Found = tuple[Tensor, Tensor, str]  # images, labels, and what there is to say of the labels


def load_npz(file: Path, *, labels: Path | None = None, labels_key: str | None = None) -> Data:
    """Return the images in an .npz, by split where its arrays are named so (test_images, x_train), else as test split.

    Labels are in it too, in the arrays that `labels_key` names, or those of `labels` for its one split. The classes are
    the numbers that occur. SettingError where several arrays may be the images, or the labels, of a split.
    """
    arrays = _open(file)
    parts = _parts([*arrays], file, labels_key=None if labels else labels_key, need_labels=labels is None)
    beside = [part["labels"] for part in parts.values() if labels and len(part) == 2]
    if labels is not None:
        parts = {split: part | {"labels": ""} for split, part in parts.items() if "images" in part}
    whole = {split: part for split, part in parts.items() if len(part) == 2}
    if not whole or (labels is not None and len(whole) > 1):
        raise SettingError(
            f"npz {file}: holds {', '.join(arrays) or 'nothing'}; expected images and labels, or test_images and "
            "test_labels, x_test and y_test (--labels-key names other labels)"
        )
    found: dict[str, Found] = {}
    for split, part in whole.items():
        images = as_images(_array(arrays, part["images"], file), f"npz {file} {part['images']}")
        own = read_labels(labels, labels_key) if labels else to_labels(_array(arrays, part["labels"], file), str(file))
        found[split] = (images, *own)
    data = as_data(found, f"npz {file}")
    return _noted(data, f"labels are those of {labels}, not {', '.join(beside)} in {file}") if beside else data


def load_npy(
    file: Path, *, labels: Path | None = None, labels_key: str | None = None, severity: int | None = None
) -> Data:
    """Return the images in an .npy as the test split, with labels from the file `labels` or from one beside it.

    `severity` takes one of the five fifths of a file of CIFAR-10-C.
    """
    content = read_arrays(file, "npy")
    if isinstance(content, Mapping):
        raise SettingError(f"npy {file}: holds several arrays; give it as npz:FILE")
    images = as_images(content, f"npy {file} images")
    beside = labels or labels_beside(file)
    numbers, said = read_labels(beside, labels_key)
    rows = slice(None) if severity is None else _fifth(len(images), severity, file)
    if len(numbers) == len(images):
        numbers = numbers[rows]
    data = as_data({"test": (images[rows], numbers, said)}, f"npy {file}")
    fifths = numbers[: len(numbers) // SEVERITIES * SEVERITIES].view(SEVERITIES, -1)
    if severity is None and fifths.shape[1] > 1 and len(fifths.unique(dim=0)) == 1:
        mixed = "labels repeat five times, as in CIFAR-10-C: all severities are taken, and paths join the first images"
        data = _noted(data, f"{mixed}; --severity takes one")
    return _noted(data, f"labels are those of {beside}")


def as_data(found: dict[str, Found], name: str, *, class_names: tuple[str, ...] = ()) -> Data:
    """Return images and labels by split as Data; its classes are the numbers that occur, named where names are given.

    SettingError where images and labels do not fit each other, and for labels below 0 or beyond the names.
    """
    for split, (images, labels, _) in found.items():
        if len(images) != len(labels):
            raise SettingError(f"{name} {split}: {len(images)} images and {len(labels)} labels; each image needs one")
    every = torch.cat([labels for _, labels, _ in found.values()])
    numbers = every.unique()
    if not len(numbers):
        raise SettingError(f"{name}: no images in it")
    if numbers[0] < 0 or (class_names and numbers[-1] >= len(class_names)):
        beyond = f", for {len(class_names)} named classes" if class_names else ""
        raise SettingError(f"{name}: labels from {numbers[0]} to {numbers[-1]}{beyond}; expected numbers from 0 on")
    images, labels, _ = next(iter(found.values()))
    none = Split(images[:0], labels[:0])
    splits = {split: Split(part[0], torch.searchsorted(numbers, part[1])) for split, part in found.items()}
    ids = tuple(str(number) for number in numbers.tolist())
    return Data(
        splits.get("train", none),
        splits.get("validation", none),
        splits.get("test", none),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        num_classes=len(ids),
        class_names=tuple(class_names[number] for number in numbers.tolist()) if class_names else ids,
        class_ids=ids,
        notes=tuple(dict.fromkeys(said for *_, said in found.values() if said)),
    )


def _noted(data: Data, note: str) -> Data:
    return replace(data, notes=(*data.notes, note))


def _open(file: Path) -> Mapping[str, np.ndarray]:
    arrays = read_arrays(file, "npz")
    if not isinstance(arrays, Mapping):
        raise SettingError(f"npz {file}: holds one array; give it as npy:FILE with --labels FILE")
    return arrays


def _array(arrays: Mapping[str, Any], key: str, file: Path) -> np.ndarray:
    try:
        return arrays[key]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise SettingError(f"npz {file}: {key} cannot be read ({str(error).splitlines()[0]})") from None


def _parts(names: list[str], file: Path, *, labels_key: str | None, need_labels: bool) -> dict[str, dict[str, str]]:
    """Return the names of the arrays of images and of labels by split; SettingError where several may be one of them.

    `labels_key` is an array of labels, or what is left of the names of several without their splits.
    """
    keyed = {name for name in names if labels_key in (name, _split_and_rest(name)[1])}
    keyed = {labels_key} if labels_key in names else keyed
    if labels_key is not None and not keyed:
        raise SettingError(f"labels_key={labels_key}: npz {file} holds {', '.join(names) or 'nothing'}")
    parts: dict[str, dict[str, str]] = {}
    for name in names:
        split, rest = _split_and_rest(name)
        what = next((what for what, known in WORDS.items() if rest in known), "")
        if labels_key is not None and (what == "labels" or name in keyed):
            what = "labels" if name in keyed else ""
        if not what:
            continue
        other = parts.setdefault(split, {}).setdefault(what, name)
        if other != name and (what == "images" or need_labels):
            cure = (
                "--labels-key names one" if what == "labels" else "no flag chooses: save one of them without the other"
            )
            raise SettingError(f"npz {file}: {other} and {name} may both be the {what} of split {split}; {cure}")
    return parts


def _split_and_rest(name: str) -> tuple[str, str]:
    """Return which split an array is of, by the words in its name, and the other words; without one it is of test."""
    words = name.lower().replace("-", "_").split("_")
    splits = [SPLITS[word] for word in words if word in SPLITS]
    return (splits or ["test"])[0], "_".join(word for word in words if word not in SPLITS)


def labels_beside(file: Path) -> Path:
    """Return the file of labels that belongs to one of images: cifar10.1_v6_data.npy has cifar10.1_v6_labels.npy."""
    stems = [file.stem.replace(word, "labels") for word in ("data", "images") if word in file.stem]
    places = [file.with_name(f"{stem}.npy") for stem in (*stems, "labels")]
    for place in places:
        if place.is_file() and place != file:
            return place
    raise SettingError(f"npy {file}: no {' or '.join(place.name for place in places)} beside it; give --labels FILE")


def _fifth(images: int, severity: int, file: Path) -> slice:
    if images % SEVERITIES:
        raise SettingError(f"severity={severity}: {file} has {images} images, which are not five times as many")
    return slice((severity - 1) * images // SEVERITIES, severity * images // SEVERITIES)

"""ImageNet (Russakovsky et al. 2015) and Tiny ImageNet from their folders, all classes or some, at one size.

Test images are those of val/; for validation the last fifth of each class's training images, by name, is held out.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from specbias.data import ByClass, Data, Split
from specbias.data.datasets import DATASETS, IMAGENET_MEAN, IMAGENET_STD, Dataset
from specbias.data.decode import Decoded, Geometry, decode
from specbias.data.imagenet_folders import Folders, read_folders
from specbias.data.imagenet_ids import IMAGENET_IDS
from specbias.data.listing import Files, are_numbers
from specbias.settings import SettingError
from specbias.settings.seeds import derive_seed
from specbias.settings.selection import Selection

HELD_OUT = 5  # one in so many training images of a class
PLACES = {"tiny_imagenet": "tiny-imagenet-200", "imagenet": "imagenet"}  # below the data directory
PUBLISHED = {"tiny_imagenet": Geometry(64, 64), "imagenet": Geometry(224, 256)}
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Chosen:
    """The classes that were chosen, by their places among all of the folders', and how their images are made."""

    name: str
    folders: Folders
    places: tuple[int, ...]
    geometry: Geometry

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self.folders.ids[place] for place in self.places)

    def files(self, split: str, label: int) -> Files:
        """Return the files of the class `label`, counted among the chosen."""
        place = self.places[label]
        files = self.folders.train[place]
        kept = len(files) - len(files) // HELD_OUT
        return {"train": files[:kept], "validation": files[kept:], "test": self.folders.val[place]}[split]


def choose(directory: Path, selection: Selection, *, name: str) -> Chosen:
    """Return the classes that a selection takes, in the order of their ids; SettingError where there are too few."""
    named = directory / PLACES[name]
    folders = read_folders(named if named.is_dir() or not (directory / "val").is_dir() else directory)
    total, first = len(folders.ids), selection.first_class
    count = total - first if selection.classes is None else selection.classes
    if count < 2 or first + count > total:
        wanted = f"classes={selection.classes or 'all'} from first_class={first} on"
        raise SettingError(f"{wanted}: {folders.root} has {max(total - first, 0)} from there on, and 2 are needed")
    order = np.random.default_rng(derive_seed(selection.class_seed, "classes")).permutation(total)
    places = sorted(order[first : first + count].tolist())
    published = PUBLISHED[name]
    size = selection.image_size or published.size
    resize = selection.resize or round(size * published.resize / published.size)
    if size > resize:
        raise SettingError(f"image_size={size}: more than the {resize} pixels that the shorter side is resized to")
    return Chosen(name, folders, tuple(places), Geometry(size, resize, selection.interpolation))


def look_at(directory: Path, selection: Selection, *, name: str) -> Dataset:
    """Return the facts of what is there: numbers of images and classes by a listing, without opening one."""
    chosen = choose(directory, selection, name=name)
    train, validation, test = (
        [len(chosen.files(split, label)) for label in range(len(chosen.places))] for split in SPLITS
    )
    return DATASETS[name]._replace(
        sizes=(sum(train), sum(validation), sum(test)),
        probe_supply={"validation": min(validation) // 2, "test": min(test) // 2},
        num_classes=len(chosen.places),
        image_size=chosen.geometry.size,
        classes_id=_identity(chosen.folders, chosen.places),
    )


@lru_cache(maxsize=64)
def _identity(folders: Folders, places: tuple[int, ...]) -> str:
    """Return a hash of the ids of classes and of the names of their files: more images are another data set."""
    ids = (folders.ids[place] for place in places)
    names = (os.path.basename(file) for place in places for file in folders.train[place] + folders.val[place])
    return hashlib.sha256("/".join((*ids, *names)).encode()).hexdigest()[:12]


def open_by_class(directory: Path, selection: Selection, *, name: str) -> ByClass:
    """Return the chosen classes, whose images are decoded when they are first asked for."""
    import torch

    chosen = choose(directory, selection, name=name)
    folders, places = chosen.folders, chosen.places

    def images(split: str, label: int, most: int | None = None) -> torch.Tensor:
        [found] = _decode(chosen, [chosen.files(split, label)[:most]], workers=1)
        return torch.from_numpy(found.images)

    return ByClass(
        names=tuple(folders.names[place] for place in places),
        ids=chosen.ids,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        images=images,
        known={"hyponyms": tuple(folders.hyponyms[place] for place in places)} if folders.hyponyms else {},
        classes_id=_identity(folders, places),
        outputs=_outputs(folders, chosen.ids),
    )


def _outputs(folders: Folders, chosen: tuple[str, ...]) -> tuple[int, ...]:
    """Return where the classes are among ImageNet's 1,000 outputs; none where neither ids nor numbers say."""
    if are_numbers(folders.ids) and [*map(int, folders.ids)] == [*range(len(IMAGENET_IDS))]:
        return tuple(int(each) for each in chosen)
    lists = (folders.ids, folders.outputs, IMAGENET_IDS)
    known = next(ids for ids in lists if len(ids) == 1000 and all(re.fullmatch(r"n\d{8}", each) for each in ids))
    place_of = {each: place for place, each in enumerate(known)}
    return tuple(place_of[each] for each in chosen) if {*chosen} <= {*known} else ()


@lru_cache(maxsize=1)
def load(directory: Path, selection: Selection, *, name: str) -> Data:
    """Return the chosen classes' images, all in memory, decoded by as many processes as there are cores if need be.

    What cannot be read is left out, and said on stderr with its path. SettingError where there is no train/.
    """
    import joblib

    chosen = choose(directory, selection, name=name)
    if not any(chosen.folders.train):
        raise SettingError(f"{chosen.folders.root} has no folder train, or an empty one: nothing to train on")
    labels = range(len(chosen.places))
    _refuse_too_many(chosen)
    groups = [chosen.files(split, label) for split in SPLITS for label in labels]
    found = _decode(chosen, groups, workers=joblib.cpu_count())
    train, validation, test = (_joined(found[i * len(labels) : (i + 1) * len(labels)]) for i in range(len(SPLITS)))
    names = tuple(chosen.folders.names[place] for place in chosen.places)
    return Data(
        train,
        validation,
        test,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        num_classes=len(labels),
        class_names=names,
        class_ids=chosen.ids,
    )


def _refuse_too_many(chosen: Chosen) -> None:
    images = sum(len(chosen.files(split, label)) for split in SPLITS for label in range(len(chosen.places)))
    needed, there = images * 3 * chosen.geometry.size**2, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > there:
        said = f"{images} images of {chosen.geometry.size} x {chosen.geometry.size} pixels, to be trained on in memory"
        raise SettingError(f"{said}, take {needed / 1e9:.0f} GB of {there / 1e9:.0f}; take fewer classes or image_size")


def _joined(classes: Sequence[Decoded]) -> Split:
    import torch

    images = [torch.from_numpy(each.images) for each in classes]
    labels = torch.arange(len(images)).repeat_interleave(torch.tensor([len(each) for each in images]))
    return Split(torch.cat(images), labels)


def _decode(chosen: Chosen, groups: Sequence[Files], *, workers: int) -> list[Decoded]:
    found = decode(groups, chosen.geometry, folder=cache_directory() / chosen.name, workers=workers)
    lost = [each for decoded in found for each in decoded.unreadable]
    if lost:
        _say(f"left out: {len(lost)} images that cannot be read, the first {lost[0]}")
    for files, decoded in zip(groups, found, strict=True):
        if len(decoded.images) < min(2, len(files)):
            said = f"{len(decoded.images)} of the {len(files)} images of this class can be read, and a pair needs 2"
            raise SettingError(f"{said}; {decoded.unreadable[0]}")
    return found


@lru_cache
def _say(line: str) -> None:
    """Say a thing once, however often the same class is opened."""
    print(line, file=sys.stderr)


def cache_directory() -> Path:
    """Return where decoded images are kept: SPECBIAS_CACHE_DIR, or ~/.cache/specbias/decoded."""
    return Path(os.environ.get("SPECBIAS_CACHE_DIR") or "~/.cache/specbias/decoded").expanduser()


look_at_imagenet, look_at_tiny_imagenet = (partial(look_at, name=n) for n in ("imagenet", "tiny_imagenet"))
open_imagenet, open_tiny_imagenet = (partial(open_by_class, name=n) for n in ("imagenet", "tiny_imagenet"))
load_imagenet, load_tiny_imagenet = (partial(load, name=n) for n in ("imagenet", "tiny_imagenet"))

"""Which image is of which class? ImageNet's folders, in the ways they are found on disks; no image is opened.

    train/<class>/*.JPEG   or Tiny ImageNet's train/<class>/images/*.JPEG
    val/<class>/*.JPEG     or all in val/ or val/images/, with a file that tells their classes

Both may be in ILSVRC/Data/CLS-LOC/ instead, as Kaggle packs them. A class is named by its WordNet id (n01440764) or
whatever its folder is called. Files that tell classes, in val/ or beside it: Tiny ImageNet's val_annotations.txt,
Kaggle's LOC_val_solution.csv, Caffe's val.txt (numbers from 0, in the order of the ids), and the development kit's
ILSVRC2012_validation_ground_truth.txt with its meta.mat. Names for people: LOC_synset_mapping.txt, synset_words.txt or
words.txt. WordNet's hierarchy: wordnet.is_a.txt. Whatever is hidden, .DS_Store and the like, is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path

from specbias.data.listing import Files, class_folders, image_files, in_order
from specbias.settings import SettingError

KAGGLE = "ILSVRC/Data/CLS-LOC"
KIT = "ILSVRC2012_validation_ground_truth.txt"
LABELS = ("val_annotations.txt", "LOC_val_solution.csv", "val.txt")
NAMES = ("LOC_synset_mapping.txt", "synset_words.txt", "words.txt")  # of 1,000 ids, and words.txt may be of all WordNet
HIERARCHY = "wordnet.is_a.txt"
FEWEST = 2  # images of a class in a split: a pair


@dataclass(frozen=True, eq=False)
class Folders:
    """A data set on disk: its classes in the order of their ids, and the files of each in `train` and `val`."""

    root: Path
    ids: tuple[str, ...]
    names: tuple[str, ...]
    train: tuple[Files, ...]  # of each class; all empty where there is no train/
    val: tuple[Files, ...]
    outputs: tuple[str, ...]  # the ids in the order of a published network's outputs, where a file tells them
    hyponyms: tuple[float, ...]  # of each class in WordNet's hierarchy, where it is given; nan: it is not in there


@lru_cache(maxsize=4)
def read_folders(root: Path) -> Folders:
    """Return what is in the folder; SettingError, with the path, for a missing one, and for a class of one image.

    A class must be in both of train/ and val/; train/ may be missing, to measure a network that was trained elsewhere.
    """
    try:
        train, val = _parts(root)
        words = _words(root)
        ids = tuple(in_order(val))
        return Folders(
            root,
            ids,
            names=tuple(words.get(each, each) for each in ids),
            train=tuple(train.get(each, ()) for each in ids),
            val=tuple(val[each] for each in ids),
            outputs=tuple(sorted(words)),
            hyponyms=_hyponyms(root, ids),
        )
    except OSError as error:
        raise SettingError(f"{error.filename}: it cannot be read ({error.strerror})") from None


def _parts(root: Path) -> tuple[dict[str, Files], dict[str, Files]]:
    """Return class -> files of train/, empty where there is none, and of val/."""
    images = root / KAGGLE if (root / KAGGLE).is_dir() else root
    if not (images / "val").is_dir():
        there = f"{images} has no folder val" if images.is_dir() else f"there is no folder {images}"
        raise SettingError(
            f"{there}: expected train/ and val/ with a folder of images per class (nothing is downloaded, see "
            "docs/imagenet.md); name another place with --data-dir or SPECBIAS_DATA_DIR"
        )
    train = _by_folder(images / "train") if (images / "train").is_dir() else {}
    val = _by_folder(images / "val") or _by_label(images / "val", root, in_order(train))
    for label in sorted(val.keys() ^ (train or val).keys()):
        here, there = ("val", "train") if label in val else ("train", "val")
        raise SettingError(f"{images / here}: {label} is no class in {images / there}; a class must be in both")
    for part, classes in (("train", train), ("val", val)):
        for label, files in classes.items():
            if len(files) < FEWEST:
                found = "1 image" if files else "no image"
                raise SettingError(f"{images / part}: {found} of class {label}, a pair needs {FEWEST}")
    return train, val


def _by_folder(part: Path) -> dict[str, Files]:
    """Return class -> files of a folder per class; Tiny ImageNet's have another inside."""
    names = class_folders(part)
    if names == ["images"]:
        return {}
    inside = {name: part / name / "images" for name in names}
    return {name: image_files(folder if folder.is_dir() else part / name) for name, folder in inside.items()}


def _by_label(val: Path, root: Path, ids: list[str]) -> dict[str, Files]:
    """Return class -> files of one folder with all images, by the file that tells their classes."""
    folder = val / "images" if (val / "images").is_dir() else val
    files = {Path(file).stem: file for file in image_files(folder)}
    if not files:
        raise SettingError(f"{folder}: no images, and no folders of any")
    source, told = _labels((val, root), sorted(files))
    for stem, file in files.items():
        if stem not in told:
            raise SettingError(f"{source}: it does not say what {file} shows")
    labels = {told[stem] for stem in files}
    if not labels <= {*ids} and all(label.isdecimal() for label in labels):
        ids = ids or sorted(_words(root))
        if {*map(int, labels)} != {*range(len(ids))}:
            said = f"its classes are numbers that should go from 0 to one less than the {len(ids)} classes"
            raise SettingError(f"{source}: {said} in train/ or {NAMES[0]}")
        told = {stem: ids[int(told[stem])] for stem in files}
    found: dict[str, Files] = {}
    for stem in sorted(files):
        found[told[stem]] = (*found.get(told[stem], ()), files[stem])
    return found


def _labels(places: tuple[Path, ...], stems: list[str]) -> tuple[Path, dict[str, str]]:
    """Return the file that tells the classes of images, and image (without .JPEG) -> id or number from 0."""
    for place, name in product(places, LABELS):
        if (place / name).is_file():
            lines = (re.split(r"[\s,]+", line.strip()) for line in _lines(place / name))
            return place / name, {Path(line[0]).stem: line[1] for line in lines if len(line) > 1}
    for place in (*places, *(place / "ILSVRC2012_devkit_t12" / "data" for place in places)):
        if (place / KIT).is_file():
            return place / KIT, dict(zip(stems, _kit_labels(place, len(stems)), strict=True))
    raise SettingError(f"{places[0]}: images without folders, and none of {', '.join((*LABELS, KIT))} beside them")


def _kit_labels(place: Path, images: int) -> list[str]:
    """Return the ids of the images in the order of their names, which the development kit gives by its own numbers."""
    from scipy.io import loadmat

    try:
        synsets = loadmat(place / "meta.mat", squeeze_me=True)["synsets"]
        ids = {str(each["ILSVRC2012_ID"]): str(each["WNID"]) for each in synsets}
    except Exception as error:  # the reader raises whatever it stumbles over
        raise SettingError(f"{place / 'meta.mat'}: the numbers in {KIT} mean nothing without it ({error})") from None
    numbers = [line.strip() for line in _lines(place / KIT)]
    if len(numbers) != images:
        raise SettingError(f"{place / KIT}: {len(numbers)} lines, by their order, for {images} images in val/")
    for number in numbers:
        if number not in ids:
            raise SettingError(f"{place / KIT}: meta.mat has no class number {number}")
    return [ids[number] for number in numbers]


def _words(root: Path) -> dict[str, str]:
    for name in NAMES:
        if (root / name).is_file():
            lines = (line.split(maxsplit=1) for line in _lines(root / name))
            return {line[0]: line[1].strip() for line in lines if len(line) > 1}
    return {}


def _hyponyms(root: Path, ids: Iterable[str]) -> tuple[float, ...]:
    """Return how many concepts are below each id in WordNet's hierarchy, lines of a parent and a child."""
    if not (root / HIERARCHY).is_file():
        return ()
    children: dict[str, list[str]] = {}
    lines = (line.split() for line in _lines(root / HIERARCHY))
    for parent, child in (line for line in lines if len(line) == 2):
        children.setdefault(parent, []).append(child)
        children.setdefault(child, [])
    return tuple(float(len(_below(each, children))) if each in children else float("nan") for each in ids)


def _below(concept: str, children: Mapping[str, list[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [concept]
    while waiting:
        new = {*children[waiting.pop()]} - found
        found |= new
        waiting += new
    return found


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").splitlines()

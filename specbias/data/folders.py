"""Which image is of which class? ImageNet's folders, in the ways they are found on disks; no image is opened.

    train/<class>/*.JPEG   or Tiny ImageNet's train/<class>/images/*.JPEG
    val/<class>/*.JPEG     or all in val/ or val/images/, with a file that tells their classes

A class is named by its WordNet id (n01440764) or whatever its folder is called. Files that tell classes, in val/ or
beside it: Tiny ImageNet's val_annotations.txt, Kaggle's LOC_val_solution.csv, Caffe's val.txt (numbers from 0, in the
order of the ids), and the development kit's ILSVRC2012_validation_ground_truth.txt with its meta.mat. Names for people:
words.txt, synset_words.txt or LOC_synset_mapping.txt. WordNet's hierarchy: wordnet.is_a.txt.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from specbias.settings import SettingError

IMAGES = (".jpeg", ".jpg", ".png", ".bmp", ".webp", ".ppm", ".tif", ".tiff")
KIT = "ILSVRC2012_validation_ground_truth.txt"
LABELS = ("val_annotations.txt", "LOC_val_solution.csv", "val.txt")
NAMES = ("words.txt", "synset_words.txt", "LOC_synset_mapping.txt")
HIERARCHY = "wordnet.is_a.txt"
FEWEST = 2  # images of a class in a split: a pair

Files = tuple[Path, ...]


@dataclass(frozen=True)
class Folders:
    """A data set on disk: its classes in the order of their ids, and the files of each in `train` and `val`."""

    root: Path
    ids: tuple[str, ...]
    names: tuple[str, ...]
    train: tuple[Files, ...]  # of each class, by name; all empty where there is no train/
    val: tuple[Files, ...]
    outputs: tuple[str, ...]  # the ids in the order of a published network's outputs, where a file tells them
    hyponyms: tuple[float, ...]  # of each class in WordNet's hierarchy, where it is given


@lru_cache(maxsize=4)
def read_folders(root: Path) -> Folders:
    """Return what is in the folder; SettingError, with the path, for a missing one, and for a class of one image.

    A class must be in both of train/ and val/; train/ may be missing, to measure a network that was trained elsewhere.
    """
    if not (root / "val").is_dir():
        there = f"{root} has no folder val" if root.is_dir() else f"there is no folder {root}"
        raise SettingError(
            f"{there}: expected train/ and val/ with a folder of images per class; name another place with --data-dir "
            "or SPECBIAS_DATA_DIR"
        )
    train = _by_folder(root / "train") if (root / "train").is_dir() else None
    val = _by_folder(root / "val") or _by_label(root, sorted(train or ()))
    for label in sorted(val.keys() ^ (train or val).keys()):
        here, there = ("val", "train") if label in val else ("train", "val")
        raise SettingError(f"{root / here / label}: there is no such class in {root / there}; a class must be in both")
    parts = {"train": train or {}, "val": val}
    for part, classes in parts.items():
        for label, files in classes.items():
            if len(files) < FEWEST:
                found = "1 image" if files else "no image"
                raise SettingError(f"{root / part / label}: {found} of this class, a pair needs {FEWEST}")
    ids = tuple(sorted(val))
    words = _words(root)
    return Folders(
        root,
        ids,
        names=tuple(words.get(each, each) for each in ids),
        train=tuple(tuple((train or {}).get(each, ())) for each in ids),
        val=tuple(tuple(val[each]) for each in ids),
        outputs=tuple(sorted(words)),
        hyponyms=_hyponyms(root, ids),
    )


def _by_folder(part: Path) -> dict[str, list[Path]]:
    """Return class -> files, sorted by name, of a folder per class; Tiny ImageNet's have another inside."""
    found = {}
    with os.scandir(part) as entries:
        folders = sorted(entry.name for entry in entries if entry.is_dir())
    for name in folders:
        inside = part / name / "images"
        found[name] = _files(inside if inside.is_dir() else part / name)
    return {} if [*found] == ["images"] else found


def _files(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(folder / e.name for e in entries if e.name.lower().endswith(IMAGES))


def _by_label(root: Path, ids: list[str]) -> dict[str, list[Path]]:
    """Return class -> files, sorted by name, of one folder with all images, by the file that tells their classes."""
    folder = root / "val" / "images" if (root / "val" / "images").is_dir() else root / "val"
    files = {file.stem: file for file in _files(folder)}
    if not files:
        raise SettingError(f"{folder}: no images, and no folders of any")
    source, told = _labels(root, sorted(files))
    if told and all(label.isdigit() for label in told.values()):
        if not ids or max(int(label) for label in told.values()) >= len(ids):
            raise SettingError(f"{source}: numbers of classes, which train/ with a folder for each must give names to")
        told = {stem: ids[int(label)] for stem, label in told.items()}
    unknown = [file for stem, file in files.items() if stem not in told]
    if unknown:
        raise SettingError(f"{source}: it does not say what {unknown[0]} shows")
    found: dict[str, list[Path]] = {}
    for stem in sorted(files):
        found.setdefault(told[stem], []).append(files[stem])
    return found


def _labels(root: Path, stems: list[str]) -> tuple[Path, dict[str, str]]:
    """Return the file that tells the classes of images, and image (without .JPEG) -> id or number from 0."""
    for place in (root / "val", root):
        for name in LABELS:
            if (place / name).is_file():
                lines = (re.split(r"[\s,]+", line.strip()) for line in (place / name).read_text().splitlines())
                return place / name, {Path(line[0]).stem: line[1] for line in lines if len(line) > 1}
    for place in (root / "val", root, *root.glob("ILSVRC2012_devkit_t12/data")):
        if (place / KIT).is_file():
            return place / KIT, dict(zip(stems, _kit_labels(place), strict=False))
    raise SettingError(f"{root / 'val'}: images without folders, and none of {', '.join((*LABELS, KIT))} beside them")


def _kit_labels(place: Path) -> list[str]:
    from scipy.io import loadmat

    if not (place / "meta.mat").is_file():
        raise SettingError(f"{place / KIT}: its numbers mean something only with the kit's meta.mat beside it")
    synsets = loadmat(place / "meta.mat", squeeze_me=True)["synsets"]
    ids = {int(each["ILSVRC2012_ID"]): str(each["WNID"]) for each in synsets}
    return [ids[int(line)] for line in (place / KIT).read_text().split()]


def _words(root: Path) -> dict[str, str]:
    for name in NAMES:
        if (root / name).is_file():
            lines = (line.split(maxsplit=1) for line in (root / name).read_text().splitlines())
            return {line[0]: line[1].strip() for line in lines if len(line) > 1}
    return {}


def _hyponyms(root: Path, ids: Iterable[str]) -> tuple[float, ...]:
    """Return how many concepts are below each id in WordNet's hierarchy, lines of a parent and a child."""
    if not (root / HIERARCHY).is_file():
        return ()
    children: dict[str, list[str]] = {}
    for line in (root / HIERARCHY).read_text().splitlines():
        parent, _, child = line.partition(" ")
        children.setdefault(parent, []).append(child.strip())
    return tuple(float(len(_below(each, children))) for each in ids)


def _below(concept: str, children: Mapping[str, list[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [concept]
    while waiting:
        new = [child for child in children.get(waiting.pop(), ()) if child not in found]
        found.update(new)
        waiting += new
    return found

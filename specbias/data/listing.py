"""Which folders are classes, in which order, and which files in them are images? The same for every reader."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

Files = tuple[str, ...]  # sorted by name; strings, since ImageNet's are more than a million

IMAGES = (".jpeg", ".jpg", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff")


def is_hidden(name: str) -> bool:
    """Tell what no reader looks at: .DS_Store, .ipynb_checkpoints, macOS' ._x.png and __MACOSX, and the like."""
    return name.startswith(".") or name == "__MACOSX"


def are_numbers(names: Iterable[str]) -> bool:
    """Tell whether all names are whole numbers from 0 on; leading zeros may be."""
    return all(name.isascii() and name.isdecimal() for name in names)


def in_order(names: Iterable[str]) -> list[str]:
    """Return the names of classes in the order of the numbers where all are numbers, else in that of the alphabet."""
    names = sorted(names)
    return sorted(names, key=int) if are_numbers(names) else names


def class_folders(root: str | Path) -> list[str]:
    """Return the names of the folders in `root`, in order; OSError if it cannot be read.

    Without hidden ones, and without links to `root` itself and to what it is in.
    """
    with os.scandir(root) as entries:
        folders = [entry for entry in entries if entry.is_dir() and not is_hidden(entry.name)]
    around = _with_parents(root)
    return in_order(each.name for each in folders if not each.is_symlink() or Path(each).resolve() not in around)


def image_files(folder: str | Path) -> Files:
    """Return the images in a folder, without hidden ones."""
    names = (name for name in os.listdir(folder) if name.lower().endswith(IMAGES) and not is_hidden(name))
    return tuple(f"{folder}/{name}" for name in sorted(names))


def files_below(folder: str | Path) -> tuple[Files, Files]:
    """Return the images in a folder and in the folders in it, in the order of torchvision's ImageFolder, and the rest.

    What links reach a second time, and the folders that `folder` is in, are passed over; so is what is hidden.
    """
    seen = _with_parents(Path(folder).resolve().parent)
    places: dict[str, list[str]] = {}
    for place, inside, files in os.walk(folder, followlinks=True, onerror=_fail):
        real = Path(place).resolve()
        inside[:] = [] if real in seen else [name for name in sorted(inside) if not is_hidden(name)]
        if real not in seen:
            places[place] = files
        seen.add(real)
    images = [file for place in sorted(places) for file in image_files(place)]
    others = [
        f"{place}/{name}"
        for place in sorted(places)
        for name in sorted(places[place])
        if not is_hidden(name) and not name.lower().endswith(IMAGES)
    ]
    return tuple(images), tuple(others)


def _with_parents(folder: str | Path) -> set[Path]:
    real = Path(folder).resolve()
    return {real, *real.parents}


def _fail(error: OSError) -> None:
    raise error

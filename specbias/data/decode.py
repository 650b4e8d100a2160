"""How do files become pixels, once and for all? Decoded by worker processes into one memory-mapped array per class.

The arrays are kept: whoever asks for the same files in the same size, another trial or another process, opens them at
once, and a stop loses no more than the classes being decoded. In memory is what is looked at.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from specbias.settings import SettingError

INTERPOLATIONS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}  # Pillow's numbers


class Geometry(NamedTuple):
    """The shorter side is resized to `resize` pixels, then the centre of `size` x `size` cropped."""

    size: int
    resize: int
    interpolation: str = "bilinear"


class Decoded(NamedTuple):
    """Images (N, 3, size, size) in uint8, memory-mapped, and the files that could not be read and are not in it."""

    images: np.ndarray
    unreadable: tuple[str, ...]


def decode(groups: Sequence[Sequence[Path]], geometry: Geometry, *, folder: Path, workers: int = 1) -> list[Decoded]:
    """Return the images of each group of files, decoded into `folder` by worker processes where they are not there yet.

    Grey, CMYK and palette images become RGB, as torchvision's loader makes them; a file that is no image or is cut off
    is left out and named in `unreadable`. Pixels are those of torchvision's Resize (antialiased) and CenterCrop on
    PIL images. SettingError where `folder` cannot be written.
    """
    places = [folder / f"{_identity(files, geometry)}.npy" for files in groups]
    missing = [(files, place) for files, place in zip(groups, places, strict=True) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if workers == 1 or len(missing) < 2:
            for files, place in missing:
                _decode_group(files, geometry, place)
        else:
            from joblib import Parallel, delayed

            work = Parallel(n_jobs=min(workers, len(missing)), batch_size=1)
            work(delayed(_decode_group)(files, geometry, place) for files, place in missing)
    except OSError as error:
        said = f"{folder}: images cannot be decoded into it ({error})"
        raise SettingError(f"{said}; name another folder with SPECBIAS_CACHE_DIR") from None
    return [_open(place) for place in places]


def read_image(file: Path, geometry: Geometry) -> np.ndarray:
    """Return one image (3, size, size) in uint8; OSError if it cannot be read whole."""
    try:
        with Image.open(file) as image:
            pixels = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise OSError(f"{file}: {error}") from None
    width, height = pixels.size
    short, size = min(width, height), geometry.size
    if short != geometry.resize:
        longer = int(geometry.resize * max(width, height) / short)
        target = (geometry.resize, longer) if width <= height else (longer, geometry.resize)
        pixels = pixels.resize(target, INTERPOLATIONS[geometry.interpolation])
    if pixels.size != (size, size):
        left, top = (round((side - size) / 2.0) for side in pixels.size)
        pixels = pixels.crop((left, top, left + size, top + size))
    return np.asarray(pixels).transpose(2, 0, 1)


def _decode_group(files: Sequence[Path], geometry: Geometry, place: Path) -> None:
    images, unreadable = np.empty((len(files), 3, geometry.size, geometry.size), np.uint8), []
    count = 0
    for file in files:
        try:
            images[count] = read_image(file, geometry)
            count += 1
        except OSError as error:
            unreadable.append(str(error))
    part = place.with_suffix(f".{uuid.uuid4().hex}.part")  # two processes may do the same: the later one replaces
    with part.open("wb") as stream:
        np.save(stream, images[:count])
    if unreadable:
        place.with_suffix(".json").write_text(json.dumps(unreadable, indent=1))
    part.replace(place)


def _open(place: Path) -> Decoded:
    said = place.with_suffix(".json")
    unreadable = tuple(json.loads(said.read_text())) if said.exists() else ()
    # copy on write, and nobody writes: torch wants what could be written
    return Decoded(np.load(place, mmap_mode="c"), unreadable)


def _identity(files: Sequence[Path], geometry: Geometry) -> str:
    """Return what a class's images are kept under: another file, size or date of one is another array."""
    facts = [(str(file), stat.st_size, stat.st_mtime_ns) for file in files for stat in [os.stat(file)]]
    return hashlib.sha256(json.dumps([facts, geometry]).encode()).hexdigest()[:24]

"""How do files become pixels, once and for all? Decoded by worker processes into one memory-mapped array per class.

The arrays are kept: whoever asks for the same files in the same size, another trial or another process, opens them at
once, and a stop loses no more than the classes being decoded. In memory is what is looked at.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from specbias.data.pixels import as_rgb
from specbias.settings import SettingError

INTERPOLATIONS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}  # Pillow's numbers
AS_RGB = 2  # how files become RGB, counted: arrays that were made in an earlier way are not opened
STALE = 3600  # seconds: a part takes moments to write, an older one is of a process that was killed


class Geometry(NamedTuple):
    """The shorter side is resized to `resize` pixels, then the centre of `size` x `size` cropped."""

    size: int
    resize: int
    interpolation: str = "bilinear"


class Decoded(NamedTuple):
    """Images (N, 3, size, size) in uint8, memory-mapped, and the files that could not be read and are not in it."""

    images: np.ndarray
    unreadable: tuple[str, ...]


def decode(groups: Sequence[Sequence[str]], geometry: Geometry, *, folder: Path, workers: int = 1) -> list[Decoded]:
    """Return the images of each group of files, decoded into `folder` by worker processes where they are not there yet.

    What is not RGB becomes it by as_rgb; a file that is no image, or cut off, or of a kind that as_rgb refuses, is left
    out and named in `unreadable`. Pixels are those of torchvision's Resize (antialiased) and CenterCrop on PIL images.
    SettingError for a file that the system does not give, and where `folder` cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        places = [folder / f"{_identity(files, geometry)}.npy" for files in groups]
        missing = [(files, place) for files, place in zip(groups, places, strict=True) if not place.exists()]
        if missing:
            _remove_stale(folder)
        if workers == 1 or len(missing) < 2:
            for files, place in missing:
                _decode_group(files, geometry, place)
        else:
            from joblib import Parallel, delayed

            work = Parallel(n_jobs=min(workers, len(missing)), batch_size=1)
            work(delayed(_decode_group)(files, geometry, place) for files, place in missing)
    except OSError as error:
        said = f"{error.filename or folder}: {error.strerror or error}"
        kept = f"images are decoded into {folder}, or another folder that SPECBIAS_CACHE_DIR names"
        raise SettingError(f"{said}; {kept}") from None
    return [_open(place) for place in places]


def read_image(file: str, geometry: Geometry | None) -> np.ndarray:
    """Return one image (3, size, size) in uint8, or (3, H, W) as it is without geometry.

    ValueError, with the file's name, if it is no image, not whole, or of a kind that as_rgb refuses; OSError if the
    system does not give it.
    """
    with open(file, "rb") as stream:
        return decode_image(stream.read(), geometry, name=file)


def decode_image(content: bytes, geometry: Geometry | None, *, name: str, turned: bool = False) -> np.ndarray:
    """Return what read_image does, of a file's content, `turned` as its EXIF says; ValueErrors begin with the name."""
    try:
        with Image.open(BytesIO(content)) as image:
            upright: Image.Image = ImageOps.exif_transpose(image) if turned else image
            upright.format = image.format  # which a turned one has lost
            pixels = as_rgb(upright)
    except MemoryError:  # says nothing of the file
        raise
    except UnidentifiedImageError:
        raise ValueError(f"{name}: not an image") from None
    except Exception as error:  # Pillow raises whatever it stumbles over where a file is damaged
        reason = str(error).strip() or type(error).__name__
        raise ValueError(f"{name}: {reason.splitlines()[0]}") from None
    if geometry is None:
        return np.asarray(pixels).transpose(2, 0, 1)
    width, height = pixels.size
    longer = int(geometry.resize * max(width, height) / min(width, height))
    target = (geometry.resize, longer) if width <= height else (longer, geometry.resize)
    pixels = pixels.resize(target, INTERPOLATIONS[geometry.interpolation])
    left, top = (round((side - geometry.size) / 2.0) for side in target)
    pixels = pixels.crop((left, top, left + geometry.size, top + geometry.size))
    return np.asarray(pixels).transpose(2, 0, 1)


def _decode_group(files: Sequence[str], geometry: Geometry, place: Path) -> None:
    images, unreadable = np.empty((len(files), 3, geometry.size, geometry.size), np.uint8), []
    count = 0
    for file in files:
        try:
            images[count] = read_image(file, geometry)
            count += 1
        except ValueError as error:
            unreadable.append(str(error))
    if unreadable:
        _write(place.with_suffix(".json"), lambda stream: stream.write(json.dumps(unreadable, indent=1).encode()))
    _write(place, lambda stream: _save(stream, images[:count]))


def _save(stream: BinaryIO, array: np.ndarray) -> None:
    """Write an .npy file; numpy.save does not notice that the disk is full if little is left to write."""
    np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(array))
    stream.write(array.data)


def _write(place: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file that is there whole or not at all; of two processes that do the same the later one replaces."""
    part = place.with_suffix(f"{place.suffix}.{uuid.uuid4().hex}.part")
    try:
        with part.open("wb") as stream:
            write(stream)
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)


def _remove_stale(folder: Path) -> None:
    for part in folder.glob("*.part"):
        with suppress(FileNotFoundError):  # another process may do the same
            if time.time() - part.stat().st_mtime > STALE:
                part.unlink()


def _open(place: Path) -> Decoded:
    said = place.with_suffix(".json")
    unreadable = tuple(json.loads(said.read_text())) if said.exists() else ()
    # copy on write, and nobody writes: torch wants what could be written
    return Decoded(np.load(place, mmap_mode="c"), unreadable)


def _identity(files: Sequence[str], geometry: Geometry) -> str:
    """Return what a class's images are kept under: another file, size or date of one is another array."""
    facts = [(file, stat.st_size, stat.st_mtime_ns) for file in files for stat in [os.stat(file)]]
    return hashlib.sha256(json.dumps([AS_RGB, facts, geometry]).encode()).hexdigest()[:24]

"""Images of one's own: a folder with a folder of files per class, as torchvision's ImageFolder reads it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from specbias.data import Data, Split
from specbias.data.datasets import IMAGENET_MEAN, IMAGENET_STD
from specbias.data.decode import Geometry, read_image
from specbias.data.listing import IMAGES, Files, are_numbers, class_folders, files_below, image_files
from specbias.settings import SettingError, content_identity

SHOWN = 3  # names of files in a note
SPLITS = {"train", "training", "val", "valid", "validation", "test"}


def load_imagefolder(directory: Path, *, image_size: int | None = None) -> Data:
    """Return the folder's images as the test split, classes in the order of in_order; the other splits are empty.

    With `image_size` the shorter side is resized to it and the centre cropped; without, all images must be of one
    size. Normalised space has ImageNet's constants. Raises SettingError where there is no such folder, no image, an
    unreadable one, or several sizes.
    """
    try:
        names = class_folders(directory)
        listed = [files_below(directory / name) for name in names]
        loose = image_files(directory)
    except OSError as error:
        raise SettingError(f"imagefolder {directory}: {error.strerror or error}") from None
    if not names:
        raise SettingError(f"imagefolder {directory}: no folders in it; expected one of images for each class")
    if {name.lower() for name in names} <= SPLITS:
        raise SettingError(f"imagefolder {directory}: holds {', '.join(names)}, not classes; name one of them")
    files = [images for images, _ in listed]
    for name, found in zip(names, files, strict=True):
        if not found:
            raise SettingError(f"imagefolder {directory / name}: no images in it ({' '.join(IMAGES)})")
    images = torch.from_numpy(_read(directory, [file for found in files for file in found], image_size))
    labels = torch.arange(len(names)).repeat_interleave(torch.tensor([len(found) for found in files]))
    none = Split(images[:0], labels[:0])
    others = [file for _, rest in listed for file in rest]
    left_out = (
        *_left_out(directory, others, f"of other kinds than {' '.join(IMAGES)}"),
        *_left_out(directory, loose, "in no class's folder"),
    )
    order = "the order of the numbers" if are_numbers(names) else "alphabetical order"
    return Data(
        none,
        none,
        Split(images, labels),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        num_classes=len(names),
        class_names=tuple(names),
        class_ids=tuple(names),
        notes=(f"classes: {len(names)} folders in {order}, {names[0]} to {names[-1]}", *left_out),
    )


def folder_identity(directory: Path) -> str:
    """Return what follows from the names and sizes of the folder's images: 12 hex digits; OSError if not there."""
    listed = [file for name in class_folders(directory) for file in files_below(directory / name)[0]]
    facts = [f"{Path(file).relative_to(directory)} {Path(file).stat().st_size}" for file in listed]
    return content_identity("\n".join(facts).encode())


def _left_out(directory: Path, files: Sequence[str], why: str) -> Files:
    """Return the note on files that are not read, none where there are none."""
    shown = ", ".join(str(Path(file).relative_to(directory)) for file in files[:SHOWN])
    more = ", ..." if len(files) > SHOWN else ""
    return (f"left out: {len(files)} files {why} ({shown}{more})",) if files else ()


def _read(directory: Path, files: list[str], image_size: int | None) -> np.ndarray:
    geometry = None if image_size is None else Geometry(image_size, image_size)
    try:
        first = read_image(files[0], geometry)
        images = np.empty((len(files), *first.shape), np.uint8)
        for row, file in enumerate(files):
            image = read_image(file, geometry)
            if image.shape != first.shape:
                sizes = " and ".join(f"{each.shape[2]} x {each.shape[1]}" for each in (first, image))
                raise SettingError(
                    f"imagefolder {directory}: images of several sizes; give --image-size ({files[0]}, {file}: {sizes})"
                )
            images[row] = image
    except OSError as error:
        raise SettingError(f"imagefolder {error.filename}: {error.strerror}") from None
    except ValueError as error:  # not an image, or of a kind that is not taken
        raise SettingError(f"imagefolder {error}") from None
    return images

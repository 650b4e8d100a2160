"""Images and labels as people have them in Python: arrays, a torch Dataset, a DataLoader, or the name of a data set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, SequentialSampler

from specbias.data import Data
from specbias.data.arrays import as_data
from specbias.data.conversion import as_images, as_labels
from specbias.data.datasets import Channels
from specbias.settings import SettingError

UNIT: tuple[Channels, Channels] = ((0.0,) * 3, (1.0,) * 3)  # of images from 0 to 1 as they are
BATCH = 256  # items of a Dataset that are taken at once


class Given(NamedTuple):
    """Images and labels as Data, the constants of the images as given (None: uint8), and what they are called.

    The name has the identity of what is in them, so that two measurements can be told to be of other images.
    """

    data: Data
    constants: tuple[Channels, Channels] | None
    name: str


def open_given(
    images: Any, labels: Any, *, constants: tuple[Channels, Channels] | None = None, class_names: Sequence[str] = ()
) -> Given:
    """Return images and labels as the test split of Data, in uint8.

    `images` are an array or tensor with `labels` (N,), or a Dataset or DataLoader that gives both, whose own order is
    taken: that of a shuffled loader would be another each time. uint8 is taken as it is. Floats are what a network was
    trained on: from 0 to 1, or normalised by `constants`, mean and std of three channels; those of a torchvision
    Normalize in the Dataset's `transform` are found. SettingError, one line, for what is neither, and for images and
    labels that do not fit each other.
    """
    kind = type(images).__name__
    if isinstance(images, Dataset | DataLoader):
        if labels is not None:
            raise SettingError(f"labels: the {kind} gives its own; leave them out")
        constants = constants or _normalised_by(images)
        class_names = class_names or _class_names(images)
        images, labels = _collected(images, kind)
    elif labels is None:
        raise SettingError(f"labels: needed with images that are a {kind}")
    images, constants = _as_pixels(images, constants)
    images, labels = as_images(images, "images"), as_labels(labels, "images")
    identity = hashlib.sha256(images.numpy().tobytes() + labels.numpy().tobytes()).hexdigest()[:12]
    data = as_data({"test": (images, labels, "")}, "images", class_names=tuple(class_names))
    return Given(data, constants, f"{len(images)} images ({identity})")


def _as_pixels(
    images: Any, constants: tuple[Channels, Channels] | None
) -> tuple[Any, tuple[Channels, Channels] | None]:
    """Return images in uint8, from floats by their constants, and these; what is no float is left as it is."""
    try:
        given = torch.as_tensor(images)
    except (TypeError, ValueError, RuntimeError):
        return images, constants  # as_images says what it is
    given = given.detach().cpu()
    if not given.is_floating_point():
        return given, constants
    mean, std = constants or UNIT
    if given.ndim == 4 and given.shape[1] not in (1, 3) and given.shape[-1] in (1, 3):
        given = given.permute(0, 3, 1, 2)
    if given.ndim == 3:
        given = given.unsqueeze(1)
    if given.ndim != 4 or given.shape[1] not in (1, 3):
        return given, constants  # the same
    channels = given.shape[1]
    shift, scale = (given.new_tensor(each[:channels]).view(1, channels, 1, 1) for each in (mean, std))
    pixels = given * scale + shift
    low, high = pixels.min().item(), pixels.max().item()
    if not (low >= -0.01 and high <= 1.01):  # NaN is neither
        by = "from 0 to 1" if constants is None else f"normalised by {mean} and {std}"
        raise SettingError(
            f"images: floats that are not {by} (then they go from {low:.3g} to {high:.3g}); give input_mean and "
            "input_std, the constants that they were normalised by, or uint8 from 0 to 255"
        )
    return (255 * pixels).round().clamp(0, 255).byte(), (mean, std)


def _collected(source: Any, kind: str) -> tuple[Tensor, Tensor]:
    """Return all images and labels of a Dataset or DataLoader, in their own order."""
    loader = source if isinstance(source, DataLoader) else DataLoader(source, batch_size=BATCH)
    whole = isinstance(loader.sampler, SequentialSampler | RandomSampler)
    if isinstance(source, DataLoader) and whole and not isinstance(source.dataset, IterableDataset):
        how: dict[str, Any] = {"num_workers": source.num_workers, "collate_fn": source.collate_fn}
        loader = DataLoader(source.dataset, batch_size=source.batch_size or BATCH, **how)
    images, labels = [], []
    try:
        for batch in loader:
            if not isinstance(batch, list | tuple) or len(batch) < 2:
                raise SettingError(f"images: the {kind} gives a {type(batch).__name__}, not images and labels")
            images.append(torch.as_tensor(batch[0]))
            labels.append(torch.as_tensor(batch[1]))
        return torch.cat(images), torch.cat(labels)
    except (TypeError, RuntimeError, ValueError) as error:
        if isinstance(error, SettingError):
            raise
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        hint = "its images must be tensors of one size (transform=ToTensor())"
        raise SettingError(f"images: the {kind} gives nothing that can be measured: {line}; {hint}") from error


def _layers(source: Any) -> Iterator[Any]:
    """Yield a loader's Dataset, and those that it is a part of."""
    while source is not None:
        yield source
        source = getattr(source, "dataset", None)


def _normalised_by(source: Any) -> tuple[Channels, Channels] | None:
    """Return mean and std of the Normalize that a Dataset's transform ends in, None where there is none."""
    for each in _layers(source):
        transform = getattr(each, "transform", None)
        for step in reversed(getattr(transform, "transforms", None) or [transform]):
            if hasattr(step, "mean") and hasattr(step, "std"):
                constants = [tuple(np.ravel(value).astype(float).tolist()) for value in (step.mean, step.std)]
                mean, std = (each * 3 if len(each) == 1 else each for each in constants)
                return (mean, std) if len(mean) == len(std) == 3 else None  # type: ignore[return-value]
    return None


def _class_names(source: Any) -> tuple[str, ...]:
    """Return the names in a Dataset's `classes`, as torchvision's have them."""
    for each in _layers(source):
        names = getattr(each, "classes", None)
        if isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names):
            return tuple(names)
    return ()

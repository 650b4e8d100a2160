"""Which images of digits are there to learn? scikit-learn's or MNIST's, as points; and threes against eights."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from specbias.data import data_directory
from specbias.settings import SettingError
from specbias.settings.registry import look_up

THREE, EIGHT = 3, 8


class Points(NamedTuple):
    """Images as points (N, d), pixels in [0, 1], and targets (N,): -1 for a three, 1 for an eight; both float64."""

    inputs: Tensor
    targets: Tensor


def read_digits(dataset: str) -> tuple[Tensor, Tensor]:
    """Return all images (N, d), pixels in [0, 1] in float64, and labels (N,): MNIST's for training.

    MNIST is fetched if need be; SettingError where it can neither be found nor fetched.
    """
    pixels, labels = look_up(LOADERS, dataset, "data set")()
    return pixels.flatten(1), labels


def load_two_digits(dataset: str) -> Points:
    """Return the threes and eights of a data set's training images, in their order (Rahaman et al. 2019, exp. 3, 4).

    `mnist` has 11,982 in 784 dimensions, whose L2 norms are within about 5 and 14; `digits`, scikit-learn's scans of
    8 x 8, has 357 in 64 dimensions, norms 3.2 to 4.6 with a standard deviation of 0.3: a wave along the norm needs
    about six times the frequency there to make as many periods over the data. The targets are those of the notebooks;
    the paper writes 0 and 1. SettingError where MNIST can neither be found nor fetched.
    """
    pixels, labels = read_digits(dataset)
    chosen = (labels == THREE) | (labels == EIGHT)
    return Points(pixels[chosen], torch.where(labels[chosen] == THREE, -1.0, 1.0).double())


def _digits() -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return torch.from_numpy(bunch.images).double() / 16, torch.from_numpy(bunch.target)


def _mnist() -> tuple[Tensor, Tensor]:
    """Return MNIST's training images, downloaded into `data_directory` if they are not there."""
    from torchvision.datasets import MNIST

    directory = data_directory()
    made = [folder for folder in _folders(directory) if not folder.exists()]
    try:
        files = MNIST(str(directory), train=True, download=True)
    except (OSError, RuntimeError, ValueError, EOFError) as error:  # not to be had, or not what it should be
        for folder in made:
            with suppress(OSError):  # torchvision makes folders before it fails
                folder.rmdir()
        reason = str(error).strip().splitlines()[0].rstrip(":") if str(error).strip() else type(error).__name__
        raise SettingError(
            f"MNIST is not there: looked for whole files in {_folders(directory)[0]}, and downloading failed "
            f"({reason}); put the four .gz files of {MNIST.mirrors[0]} there, or name another folder with "
            "SPECBIAS_DATA_DIR, or take digits as the data set"
        ) from None
    return files.data.double() / 255, files.targets


def _folders(directory: Path) -> list[Path]:
    """Return the folders that torchvision keeps MNIST in, the innermost first."""
    return [directory / "MNIST" / "raw", directory / "MNIST", directory]


LOADERS = {"digits": _digits, "mnist": _mnist}

"""CIFAR-100 (Krizhevsky 2009) in torchvision's files: CIFAR-10's images in 100 other classes, split the same way."""

from functools import lru_cache
from pathlib import Path

from torchvision.datasets import CIFAR100

from specbias.data import Data
from specbias.data.cifar10 import read_cifar


@lru_cache(maxsize=1)
def load_cifar100(directory: Path) -> Data:
    """Return CIFAR-100: 45,000 training, 5,000 validation and 10,000 test images, downloaded if they are not there.

    Validation is the last 50 training images of each class. Normalised space has the channel constants of CIFAR-10, as
    in the code of "Spectral Bias in Practice".
    """
    return read_cifar(CIFAR100, directory)

"""What the tests share: small configs, real data where it is, and one Ray for all sweeps."""

import os
from pathlib import Path

import pytest
import torch

from specbias.config import TrialConfig

os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


@pytest.fixture
def small():
    """Return a function that makes a config of seconds: the digits, a narrow network."""

    def make(**settings) -> TrialConfig:
        defaults = {
            "dataset": "digits",
            "model": "small_cnn",
            "width": 4,
            "epochs": 2,
            "train_size": 100,
            "batch_size": 25,
            "flip_crop": 2,
            "probe_pairs": 1,
        }
        return TrialConfig(**defaults | settings)

    return make


@pytest.fixture(scope="session")
def cifar_directory() -> Path:
    """The folder with CIFAR-10 in torchvision's format, by SPECBIAS_DATA_DIR."""
    return data_folder("cifar-10-batches-py")


@pytest.fixture(scope="session")
def cifar100_directory() -> Path:
    """The folder with CIFAR-100 in torchvision's format, by SPECBIAS_DATA_DIR."""
    return data_folder("cifar-100-python")


@pytest.fixture(scope="session")
def tiny_imagenet_directory() -> Path:
    """The folder that holds tiny-imagenet-200, or a part of its images, by SPECBIAS_DATA_DIR."""
    return data_folder("tiny-imagenet-200")


def data_folder(files: str) -> Path:
    folder = os.environ.get("SPECBIAS_DATA_DIR")
    if not folder or not (Path(folder) / files).is_dir():
        pytest.skip(f"no such data: set SPECBIAS_DATA_DIR to a folder that holds {files}")
    return Path(folder)


@pytest.fixture(autouse=True)
def threads():
    """Give back torch's number of threads: a trial sets it."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def ray_with_two_gpus():
    """A Ray of two CPUs and two GPUs that it is told are there; started anew where another test has ended it."""
    import logging

    import ray

    if not ray.is_initialized():
        alone = {"address": "local", "include_dashboard": False, "logging_level": logging.ERROR, "log_to_driver": False}
        ray.init(num_cpus=2, num_gpus=2, **alone)

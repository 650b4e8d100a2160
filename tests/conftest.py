"""What the tests share: small configs, real data where it is, and one Ray for all sweeps."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from specbias.settings.config import TrialConfig

os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
for name in ("MLFLOW_TRACKING_URI", "SPECBIAS_STORAGE_PATH", "RAY_ADDRESS"):  # nothing of the user's is written to
    os.environ.pop(name, None)
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
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
            "spacing": 3.0,  # some ten samples to a path
        }
        return TrialConfig(**defaults | settings)

    return make


@pytest.fixture
def undrawn(monkeypatch):
    """Measurements are written without pictures, which take seconds."""
    for name in ("plot", "plot_paths"):
        monkeypatch.setattr(f"specbias.results.Result.{name}", lambda self, **how: None)
    monkeypatch.setattr("specbias.portraits.save", lambda figure, file: [])


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


@pytest.fixture(autouse=True)
def environment():
    """Give back the environment: MLflow and Ray set it, and the commands of later tests would inherit it."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A function that puts an empty MLflow data base into a folder and returns its URI: making one takes seconds."""
    from sweeps.service.keep.store import open_store

    made = tmp_path_factory.mktemp("store") / "mlflow.db"
    open_store(f"sqlite:///{made}")

    def put(folder: Path) -> str:
        shutil.copy(made, folder / "mlflow.db")
        return f"sqlite:///{folder}/mlflow.db"

    return put


@pytest.fixture
def store_folder(tmp_path, empty_store) -> Path:
    """The test's folder, with an empty MLflow data base in it."""
    empty_store(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def ray_with_two_gpus():
    """A sweep's Ray, of two CPUs and two GPUs that it is told are there; anew where another test has ended it."""
    import ray

    from sweeps.service.machines.cluster import start_ray

    if not ray.is_initialized():
        start_ray(num_cpus=2, num_gpus=2)

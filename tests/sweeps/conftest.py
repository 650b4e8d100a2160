"""What tests of sweeps share: an empty store, made once."""

import shutil

import pytest

from sweeps.service.tracking import open_store


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A function that puts an empty MLflow data base into a folder and returns its URI: making one takes seconds."""
    made = tmp_path_factory.mktemp("store") / "mlflow.db"
    open_store(f"sqlite:///{made}")

    def put(folder):
        shutil.copy(made, folder / "mlflow.db")
        return f"sqlite:///{folder}/mlflow.db"

    return put

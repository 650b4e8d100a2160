"""How is MLflow's store opened, also by several drivers at once or while it fails? Sweeps import MLflow only here.

A missing store is created once. Whoever opens a store waits as long as waiting may help.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # progress is a table
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # the mirror itself tries again, and for longer
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")  # seconds
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric, Param, Run, RunTag, ViewType  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository  # noqa: E402
from requests import RequestException  # noqa: E402
from sqlalchemy import create_engine, inspect, text  # noqa: E402
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError  # noqa: E402

from specbias.settings import SettingError  # noqa: E402
from sweeps.service.keep.locked_file import lock_file  # noqa: E402
from sweeps.service.keep.retry import Result, Trouble, first_line, insist  # noqa: E402

for library in ("alembic", "sqlalchemy", "urllib3", "psycopg"):  # who tries again says what fails, and that once
    logging.getLogger(library).setLevel(logging.CRITICAL)

__all__ = ["Metric", "MlflowClient", "Param", "Run", "RunTag", "get_artifact_repository"]  # beside what is here

TROUBLES = (MlflowException, SQLAlchemyError, ImportError, RequestException, ConnectionError, TimeoutError)
REFUSED = "authentication failed|access denied|no password supplied|does not exist|unknown database"  # by a data base
MAKING = 600.0  # seconds that another process may take to make a store


def insist_on_opening(attempt: Callable[[], Result], uri: str, *, patience: float) -> Result:
    """Return what an attempt to open something in MLflow gives, made again while that may help.

    SettingError, in one line, where it does not.
    """
    try:
        trouble = Trouble("MLflow does not let the sweep begin")
        return insist(attempt, trouble, patience=patience, hopeless=lambda error: not may_pass(error))
    except TROUBLES as error:
        raise SettingError(f"--tracking-uri {uri}: {first_line(error)}") from None


def may_pass(error: Exception) -> bool:
    """Tell whether an error is one of a server that is away or in trouble, and none of what it was asked."""
    if isinstance(error, MlflowException):
        return error.get_http_status_code() >= 500 and "database schema" not in str(error)
    passing = (OperationalError, InterfaceError, RequestException, ConnectionError, TimeoutError)
    return isinstance(error, passing) and not re.search(REFUSED, str(error), re.IGNORECASE)


def open_store(uri: str, *, times_opened: int = 0) -> MlflowClient:
    """Return a client. A store that is not there is made by the first who comes, and the others wait for it.

    MLflow keeps what it has opened by its name: a file that took the place of another is given another name.
    """
    if uri.startswith("sqlite:///"):
        file = Path(uri.removeprefix("sqlite:///"))
        _make_file(file)
        uri = f"sqlite:///{file.parent}/{'./' * times_opened}{file.name}"
    if not uri.startswith("http"):
        inspect(create_engine(uri))  # MLflow would try for minutes, without a word
    with _alone_in_data_base(uri):
        return MlflowClient(tracking_uri=uri)


def _make_file(file: Path) -> None:
    """Make a data base beside its place, so that it is whole or not there; one that is there is left as it is."""
    if not _has_content(file):
        lock = file.with_name(f".{file.name}.lock")
        with lock_file(lock, patience=MAKING) or nullcontext():
            if not _has_content(file):
                unfinished = file.with_name(f".{file.name}.{os.getpid()}")
                MlflowClient(tracking_uri=f"sqlite:///{unfinished}").search_experiments(max_results=1)
                os.replace(unfinished, file)
            lock.unlink(missing_ok=True)


def _has_content(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


@contextmanager
def _alone_in_data_base(uri: str) -> Iterator[None]:
    """Let one process at a time look for MLflow's tables and make them, which it does in many steps."""
    if not uri.startswith("postgresql"):
        yield
        return
    with create_engine(uri).begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('specbias makes the tables'))"))
        yield


def is_active(client: MlflowClient, run_id: str) -> bool:
    """Tell whether the store has this run, and not in its trash."""
    try:
        return bool(run_id) and client.get_run(run_id).info.lifecycle_stage == "active"
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False


def search_runs(client: MlflowClient, experiment_id: str, query: str, *, deleted: bool = False) -> list[Run]:
    """Return every run that fits, newest first, however many pages they fill."""
    view = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
    page = client.search_runs([experiment_id], query, view)
    runs = list(page)
    while page.token:
        page = client.search_runs([experiment_id], query, view, page_token=page.token)
        runs += page
    return runs

"""Real servers for tests, of this machine's own: a PostgreSQL, and an MLflow server on it that can be killed."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

READY = 120  # seconds that a server has to answer


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for(answers, process, log: Path) -> None:
    """Return when `answers()` raises no more; fail where the process has ended, or after READY seconds."""
    last = time.monotonic() + READY
    while True:
        try:
            return answers()
        except Exception:
            if process.poll() is not None or time.monotonic() > last:
                pytest.fail(f"the server did not start: {log.read_text()[-2000:]}")
            time.sleep(0.2)


class PostgreSQL:
    """A cluster in a temporary folder, on loopback, with one data base and a random password.

    It runs as user postgres where this process is root, which PostgreSQL refuses, and else as who this process is.
    """

    def __init__(self) -> None:
        self.programs = self._programs()
        self.as_user = self._other_user()
        self.folder = Path(tempfile.mkdtemp(prefix="specbias-postgresql-"))
        self.port, self.password = free_port(), secrets.token_urlsafe(12)
        if self.as_user:
            shutil.chown(self.folder, self.as_user["user"], self.as_user["group"])
        (self.folder / "password").write_text(self.password)
        flags = ["-U", "tests", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]
        self._run("initdb", "-D", f"{self.folder}/data", f"--pwfile={self.folder}/password", *flags).wait(READY)
        place = ["-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        self.process = self._run("postgres", "-D", f"{self.folder}/data", *place)
        try:
            wait_for(lambda: self.ask("SELECT 1", base="postgres"), self.process, self.folder / "log")
            self.ask("CREATE DATABASE mlflow", base="postgres")
        except BaseException:
            self.stop()
            raise

    @property
    def uri(self) -> str:
        return f"postgresql://tests:{self.password}@127.0.0.1:{self.port}/mlflow"

    def ask(self, query: str, *, base: str = "mlflow") -> list[tuple]:
        """Return the rows that a query gives, by a connection of its own."""
        import psycopg

        with psycopg.connect(self.uri.replace("/mlflow", f"/{base}"), autocommit=True, connect_timeout=5) as connection:
            found = connection.execute(query)
            return found.fetchall() if found.description else []

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)  # its fast shutdown
        self.process.wait(READY)
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> subprocess.Popen:
        log = (self.folder / "log").open("ab")
        return subprocess.Popen(
            [self.programs / program, *arguments], cwd=self.folder, stdout=log, stderr=log, **self.as_user
        )

    @staticmethod
    def _programs() -> Path:
        places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), *map(Path, os.get_exec_path())]
        found = next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)
        return found or pytest.skip("no PostgreSQL here: its initdb is not found (apt-get install postgresql)")

    @staticmethod
    def _other_user() -> dict:
        if os.geteuid() != 0:
            return {}
        try:
            user = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres to become")
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class MlflowServer:
    """An MLflow server with little around it: one worker, no jobs; artifacts go through it into a folder."""

    def __init__(self, store: str, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "MLFLOW_BACKEND_STORE_URI": store,  # not an argument: those of a process can be seen by all
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it on its port and wait until it answers."""
        place = ["--host", "127.0.0.1", "--port", str(self.port), "--artifacts-destination", f"{self.folder}/artifacts"]
        log = self.folder / "mlflow.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", "--workers", "1", *place],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_for(lambda: urllib.request.urlopen(f"{self.uri}/health", timeout=5).close(), self.process, log)

    def kill(self) -> None:
        """End it and all its processes at once, as a power cut does."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        self.kill()
        self.start()


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL with an empty data base `mlflow`: uri, ask(query)."""
    pytest.importorskip("psycopg")
    server = PostgreSQL()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mlflow_server(postgresql, tmp_path_factory):
    """An MLflow server on `postgresql`, started: uri, kill(), start(), restart()."""
    server = MlflowServer(postgresql.uri, tmp_path_factory.mktemp("mlflow"))
    try:
        server.start()
        yield server
    finally:
        server.kill()

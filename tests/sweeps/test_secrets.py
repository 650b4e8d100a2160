"""A whole sweep whose server has a password, and fails for seconds: few lines, and the password is found nowhere."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.sweeps.mlflow_server import PASSWORD, FailingServer

SCRIPT = Path(__file__).with_name("toy_sweep.py")
AWAY = 20.0  # seconds


def arguments_of_others(pid):
    """The command lines of all processes with the password in it, but that of the one whose user typed it."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            found += [] if place.name == str(pid) else [(place / "cmdline").read_bytes()]
    return [words for words in found if PASSWORD.encode() in words]


@pytest.mark.slow
def test_a_sweep_whose_server_fails_says_little_and_its_password_is_found_nowhere(tmp_path, empty_store, monkeypatch):
    ray = tempfile.mkdtemp(dir="/tmp", prefix="ray-")  # sockets need a short path
    server = FailingServer(empty_store(tmp_path), tmp_path, monkeypatch)
    own = {"RAY_ADDRESS": "local", "RAY_TMPDIR": ray, "PYTHONPATH": str(SCRIPT.parents[2])}
    words = ["--set", "epochs=100", "--tracking-uri", server.uri]
    try:
        sweep = subprocess.Popen(
            [sys.executable, "-u", SCRIPT, *words],
            cwd=tmp_path,
            env={**os.environ, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        text, arguments, away = b"", None, {}
        server.fails = lambda number: time.monotonic() < away.get("until", 0)
        while line := sweep.stdout.readline():
            text += line
            if b" 1/100" in line:
                arguments, away["until"] = arguments_of_others(sweep.pid), time.monotonic() + AWAY
        assert sweep.wait() == 0, text.decode()
        before_its_end = text.partition(b"\n\n")[0].splitlines()
        lines = [line for line in before_its_end if b"/100 " not in line]
        assert b"it is tried again" in text and len(lines) < 8, text.decode()
        assert arguments == []
        assert PASSWORD.encode() not in text
        for folder in (tmp_path, Path(ray)):
            for file in folder.rglob("*"):
                assert not file.is_file() or PASSWORD.encode() not in file.read_bytes(), file
    finally:
        server.stop()
        shutil.rmtree(ray, ignore_errors=True)

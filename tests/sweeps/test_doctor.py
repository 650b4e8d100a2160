"""The doctor: a machine that has all, and each thing that can be amiss, with its cure."""

import http.server
import os
import re
import sys
import threading
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from specbias.data.datasets import DATASETS
from sweeps.__main__ import main
from sweeps.service import checks, doctor
from sweeps.service.machines import preflight


@pytest.fixture
def examine(tmp_path, monkeypatch, capsys):
    """Return a function that calls the doctor in a folder of its own: the exit status, and what -> (state, said)."""
    monkeypatch.chdir(tmp_path)
    for name in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI", "SPECBIAS_STORAGE_PATH", "TMPDIR", "RAY_TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(tmp_path))  # it is put back
    monkeypatch.setattr(os, "cpu_count", lambda: 1)  # whatever the control groups of the machine say

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["sweeps", "doctor", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        lines = [(line[:8].strip(), line[9:24].strip(), line[25:]) for line in capsys.readouterr().out.splitlines()]
        return end.value.code, {what: (state, said) for state, what, said in lines if said}

    return call


@pytest.fixture
def server():
    """Return a function that serves MLflow's version, or not, by a clock that is `off` seconds off; its address."""
    servers = []

    def serve(*, off=0, status=200):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status if self.path == "/version" else 404)
                self.end_headers()
                self.wfile.write(b"3.17.2")

            def date_time_string(self, timestamp=None):
                return formatdate(time.time() + off, usegmt=True)

            def log_message(self, *args):
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield serve
    for each in servers:
        each.shutdown()


def test_a_machine_that_has_all_is_told_so_and_nothing_is_written(examine, tmp_path):
    status, found = examine()
    assert status == 0, found
    assert {state for state, _ in found.values()} <= {"ok", "-"}
    assert {"Python", "packages", "GPU", "CPUs", "Ray's files", "storage", "tracking", "data", "ports"} <= {*found}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "arguments", "what", "said"),
    [
        ({"RAY_ADDRESS": "127.0.0.1:9"}, (), "ports", "nothing answers there .*; start that cluster, or unset RAY_AD"),
        ({"TMPDIR": "/proc/none"}, (), "Ray's files", "/proc/none/ray: cannot be written .*; export TMPDIR=FOLDER"),
        ({}, ("--storage-path", "/proc/none"), "storage", "cannot be written .*; name another place"),
        ({}, ("--tracking-uri", "http://127.0.0.1:9"), "tracking", "no server answers .*; start one, or name another"),
        ({}, ("--tracking-uri", "sqlite:///none/x.db"), "tracking", "there is no folder .*; make it, or name another"),
        ({}, ("--tracking-uri", "sqlite:///text.db"), "tracking", "no store of MLflow's .*; name another"),
    ],
)
def test_what_is_amiss_is_a_problem_with_its_cure(examine, monkeypatch, tmp_path, environment, arguments, what, said):
    (tmp_path / "text.db").write_text("no data base\n" * 100)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    status, found = examine(*arguments)
    problems = {name: text for name, (state, text) in found.items() if state == "problem"}
    assert status == 1 and [*problems] == [what]
    assert re.search(said, problems[what])


def test_a_package_older_than_promised_or_missing_is_named_with_the_command(examine, monkeypatch):
    monkeypatch.setattr(checks, "requires", lambda name: ["numpy>=99", "no-such-package>=1", "scipy>=1"])
    status, found = examine()
    assert status == 1
    assert found["numpy"][1].endswith("; python -m pip install 'numpy>=99'")
    assert found["no-such-package"] == ("problem", "not installed; python -m pip install 'no-such-package>=1'")


def test_a_server_is_asked_whether_it_is_mlflow_and_what_time_it_has(examine, server):
    status, found = examine("--tracking-uri", uri := server(off=3))
    assert (status, found["tracking"]) == (0, ("ok", f"{uri}: MLflow 3.17.2")) and "clocks" not in found
    status, found = examine("--tracking-uri", server(off=-90))
    assert status == 1 and found["clocks"][1].startswith("the server's is -")
    status, found = examine("--tracking-uri", server(status=404))
    assert status == 1 and "no MLflow answers there" in found["tracking"][1]


def test_fewer_cpus_allowed_than_there_are_is_said(examine, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(preflight, "processors_allowed", lambda: 2.0)
    assert examine()[1]["CPUs"] == ("ok", "2, of the 64 there are (affinity, cgroup, Slurm)")


@pytest.mark.parametrize(
    ("own", "files", "allowed"),
    [
        ("0::/job/step\n", {"job/cpu.max": "150000 100000\n", "job/step/cpu.max": "max 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1.0),  # a trial takes one at least
        ("1:cpu,cpuacct:/job\n", {"cpu/job/cpu.cfs_quota_us": "300000", "cpu/job/cpu.cfs_period_us": "100000"}, 3.0),
        ("1:cpu:/job\n", {"cpu/job/cpu.cfs_quota_us": "-1", "cpu/job/cpu.cfs_period_us": "100000"}, 8.0),
        ("", {}, 8.0),
    ],
)
def test_the_cpus_allowed_are_those_of_the_strictest_control_group(tmp_path, monkeypatch, own, files, allowed):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "own").write_text(own)
    assert preflight.processors_allowed(tmp_path, tmp_path / "own") == allowed
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "1")
    assert preflight.processors_allowed(tmp_path, tmp_path / "own") == 1.0


def test_data_sets_are_looked_for_where_their_loaders_do(examine, tmp_path):
    from torchvision.datasets import CIFAR10, CIFAR100

    from specbias.data.imagenet import PLACES

    assert {"cifar10": CIFAR10.base_folder, "cifar100": CIFAR100.base_folder, **PLACES} == checks.FOLDERS
    assert set(DATASETS) - set(checks.FOLDERS) == {"digits", "leaves"}  # which are no files
    (tmp_path / "imagenet").mkdir()
    assert examine("--data-dir", str(tmp_path))[0] == 0


def test_without_a_command_the_studies_are_listed_with_their_questions(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sweeps"])
    main()
    lines = capsys.readouterr().out.splitlines()
    scripts = {path.stem for path in Path(doctor.__file__).parents[1].glob("[!_]*.py")}
    calls = [line.split()[1:3] for line in lines if line.startswith("python ")]
    former = {name for script, name in calls if script.endswith("synthetic.py")}
    assert {Path(script).stem for script, _ in calls} == scripts - former
    assert {"manifold", "spike"} <= former
    assert all(len(line) > 40 for line in lines if line.startswith("python "))
    monkeypatch.setattr(sys, "argv", ["sweeps", "nurse"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert capsys.readouterr().err == "error: python -m sweeps nurse: the one command is doctor\n"

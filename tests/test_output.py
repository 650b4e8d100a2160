"""What commands print: no password, whoever prints it; what nobody reads is no error, and the status is their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
READ = {  # where a command line is read, after guard_output
    "analysis/compare.py",
    "analysis/tables/options.py",
    "analysis/trust.py",
    "specbias/__main__.py",
    "specbias/synthetic/command.py",
    "sweeps/service/command_line.py",
    "sweeps/service/doctor.py",
}
ADDRESS = "http://me:pw9x7q@127.0.0.1:9"


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["sweeps/cifar.py", "--help"], 0),
        (["sweeps/cifar.py", "--preset", "paper", "--dry-run"], 0),
        (["sweeps/cifar.py", "--quick", "--preset", "paper"], 2),
        (["analysis/interventions.py", "--help"], 0),
        (["-m", "specbias", "measure", "--help"], 0),
    ],
)
def test_output_that_nobody_reads_is_no_error(command, status, tmp_path):
    words = [str(ROOT / word) if word.endswith(".py") else word for word in command]
    reader, writer = os.pipe()
    os.close(reader)
    for errors in (subprocess.PIPE, writer):
        done = subprocess.run([sys.executable, *words], cwd=tmp_path, stdout=writer, stderr=errors, text=True)
        assert done.returncode == status, done.stderr
        assert not done.stderr or (status == 2 and done.stderr.count("\n") == 1)
    os.close(writer)


def test_every_command_line_is_read_in_one_of_these_places():
    paths = [path for part in ("specbias", "sweeps", "analysis") for path in (ROOT / part).rglob("*.py")]
    found = {path.relative_to(ROOT).as_posix() for path in paths if re.search(r"tyro\.(cli|extras)", path.read_text())}
    assert found == READ


TELLS_ALL = """
import logging, sys, threading, warnings
from specbias.settings.output import guard_output
guard_output()
uri = sys.stdin.read()
def fail():
    try:
        raise ConnectionError(uri)
    except ConnectionError as error:
        raise ValueError("no") from error
print("printed", uri)
logging.warning("logged %s", uri)
try:
    fail()
except ValueError:
    logging.getLogger("a.library").exception("of a library")
warnings.warn(uri)
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


def test_whoever_prints_it_no_password_leaves_a_guarded_process():
    done = subprocess.run([sys.executable, "-c", TELLS_ALL], input=ADDRESS, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "pw9x7q" not in said
    assert said.count("http://me:***@127.0.0.1:9") == 6 and said.count("ValueError: no") == 3


PRINTS_ON = """
import sys
from specbias.settings.output import guard_output
guard_output()
for _ in range(10_000):
    print("a line")
print("it went on", file=sys.stderr)
"""


def test_where_nobody_reads_a_process_goes_on(tmp_path):
    for ends in (os.pipe(), os.openpty()):
        done = subprocess.Popen([sys.executable, "-c", PRINTS_ON], stdout=ends[1], stderr=subprocess.PIPE, text=True)
        os.close(ends[1])
        os.read(ends[0], 10)
        os.close(ends[0])
        assert done.communicate()[1] == "it went on\n" and done.returncode == 0


def test_where_the_disk_is_full_a_process_goes_on(tmp_path):
    """Its lines are lost, and not what it does."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", PRINTS_ON], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "it went on\n")

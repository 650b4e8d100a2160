"""What the cluster tests share: three machines made of namespaces, and what a person does at the laptop beside them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADDRESSES = ("10.77.0.10", "10.77.0.11", "10.77.0.12")
# What every shell on a machine begins with: no package index, no waiting, and little threads on few cores.
BASHRC = """
export PIP_NO_INDEX=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_BUILD_ISOLATION=0
export AUTOSCALER_UPDATE_INTERVAL_S=1 OMP_NUM_THREADS=1
"""
OWN = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


class Site:
    """Three machines, and a laptop from which commands are given."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.shared, self.addresses = folder, folder / "shared", ADDRESSES
        for name in ("home", "layers", "skeleton", "shared", "tmp"):
            (folder / name).mkdir()
        (folder / "skeleton" / ".bashrc").write_text(BASHRC)
        for name in ("key", "host_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        command = [*OWN, sys.executable, str(Path(__file__).with_name("machines.py")), "site", str(folder), *ADDRESSES]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            self.end()
            raise RuntimeError(f"the machines did not start; see {folder}")
        process = self.process.pid
        self.first = Path(f"/proc/{process}/task/{process}/children").read_text().split()[0]

    def start(self, *command: str, **environment: str) -> subprocess.Popen:
        """Start a command on the laptop, in the project's folder."""
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "SPECBIAS_", "MLFLOW_", "PYTHON"))
        }
        mine = {
            "HOME": str(self.folder / "home"),
            "LOGNAME": "root",
            "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}",
            "TMPDIR": str(self.folder / "tmp"),
            "RAY_TMPDIR": str(self.folder / "tmp"),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_UP_enable_autoscaler_v2": "0",
            "RAY_AUTH_MODE": "token",
            "PYTHONPATH": str(ROOT),
        }
        enter = ["nsenter", "--target", self.first, "--net", "--mount", "--pid", "env", "-C", str(ROOT)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL, "text": True}
        return subprocess.Popen([*enter, *command], env=inherited | mine | environment, **pipes)

    def call(self, *command: str, seconds: float = 300, **environment: str) -> tuple[int, str]:
        """Run a command on the laptop to its end; return its status and all it said."""
        process = self.start(*command, **environment)
        try:
            said, _ = process.communicate(timeout=seconds)
            return process.returncode, said
        except subprocess.TimeoutExpired:
            process.kill()
            raise

    def ssh(self, address: str, command: str) -> tuple[int, str]:
        """Run a command on a machine."""
        trust = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        return self.call("ssh", *trust, "-i", str(self.folder / "key"), f"root@{address}", command)

    def end(self) -> None:
        """Close the machines' standard input: their first process ends, and all else with it."""
        self.process.stdin.close()
        self.process.wait(20)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    missing = [tool for tool in ("sshd", "ssh", "rsync", "ip", "unshare", "nsenter") if not _has(tool)]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"machines made of namespaces need root, and {', '.join(missing) or 'nothing else'}")
    if subprocess.run([*OWN, "ip", "link", "add", "bridge0", "type", "bridge"], capture_output=True).returncode:
        pytest.skip("machines made of namespaces need a root that may make them")
    made = Site(tmp_path_factory.mktemp("site"))
    yield made
    made.end()


def _has(tool: str) -> bool:
    return shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is not None

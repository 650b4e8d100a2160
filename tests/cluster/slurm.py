"""How does a site of machines become a Slurm cluster? By slurmctld on the laptop, slurmd on each machine, and munge.

It differs from one that people use in its waits, as far as its configuration allows, and in its GPUs, which are names.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CONFIG = """
ClusterName=site
SlurmctldHost={laptop}(10.77.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
GresTypes=gpu
SchedulerParameters=sched_interval=5,bf_interval=5,batch_sched_delay=0
SlurmdTimeout=10
ReturnToService=1
"""
PARTITION = "PartitionName=all Nodes=ALL Default=YES State=UP MaxTime=1-00:00:00 OverSubscribe=NO"


class Slurm:
    """The daemons on a site, which end with it, and what a user asks of them."""

    def __init__(self, site: Any) -> None:
        self.site, self.folder = site, site.folder
        self.nodes = {f"machine-{address.rpartition('.')[2]}": address for address in site.addresses}
        path = f"{sys.prefix}/bin:{os.environ['PATH']}:/usr/sbin:/sbin"
        self.environment = {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}
        lines = [
            f"NodeName={name} NodeAddr={address} CPUs=2 RealMemory=1000 Gres=gpu:2"
            for name, address in self.nodes.items()
        ]
        config = CONFIG.format(folder=self.folder, laptop=socket.gethostname())
        (self.folder / "slurm.conf").write_text("\n".join([config, *lines, PARTITION]))
        (self.folder / "gres.conf").write_text("Name=gpu File=/dev/tty[1-2]\n")
        for name in ("munge", "state"):
            (self.folder / name).mkdir()
        key = self.folder / "munge" / "key"
        key.write_bytes(b"known to nobody else, as it is on none of anybody's machines" * 2)
        key.chmod(0o600)
        (self.folder / "munge").chmod(0o755)
        places = {"key-file": key, "socket": key.with_name("socket"), "pid-file": key.with_name("pid")}
        places |= {f"{name}-file": key.with_name(name) for name in ("seed", "log")}
        self("munged", "--force", *(f"--{name}={place}" for name, place in places.items()))
        self("slurmctld")
        for name in self.nodes:
            self.start_node(name)
        self.wait_for(lambda: self("sinfo", "--noheader", "--format=%t %D").split() == ["idle", str(len(self.nodes))])

    def start_node(self, name: str) -> None:
        """Start a machine's slurmd."""
        (self.folder / f"spool-{name}").mkdir(exist_ok=True)
        environment = " ".join(f"{k}='{v}'" for k, v in self.environment.items())
        self.on(name, f"{environment} /usr/sbin/slurmd -N {name}")

    def __call__(self, *command: str, **environment: str) -> str:
        """Run a command on the laptop, and return what it said."""
        status, said = self.site.call(*command, **self.environment | environment)
        assert status == 0, said
        return said

    def wait_for(self, found: Callable, seconds: float = 300) -> Any:
        """Return what is found, once it is."""
        for _ in range(int(seconds / 0.5)):
            if result := found():
                return result
            time.sleep(0.5)
        raise TimeoutError(f"{self('squeue')}{self('sinfo')}")

    def submit(self, name: str, options: str, *sweep: str, **environment: str) -> str:
        """Submit a sweep by the script we ship, in a folder of its own; return the number of the job."""
        folder = self.site.shared / name
        folder.mkdir()
        places = {"SPECBIAS_STORAGE_PATH": f"{folder}/ray", "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
        own = {"SPECBIAS_NODE_DIR": "/run", "OMP_NUM_THREADS": "1"}  # /tmp is one for all machines here
        command = ["sbatch", "--parsable", f"--output={folder}/out", "--cpus-per-task=1", *options.split()]
        return self(*command, "sweeps/slurm.sbatch", *sweep, **places | own | environment).strip()

    def job(self, number: str) -> dict[str, str]:
        """Return what Slurm says of a job, by its own names."""
        return dict(re.findall(r"(\S+?)=(\S*)", self("scontrol", "show", "job", number)))

    def wait_until(self, number: str, state: str) -> dict[str, str]:
        """Return what Slurm says of a job once it is in a state."""
        return self.wait_for(lambda: (job := self.job(number))["JobState"] == state and job)

    def have_it_warned(self, number: str) -> None:
        """Give a running job a time limit of one or two minutes from now; Slurm looks every 30 seconds."""
        hours, minutes, _ = self.job(number)["RunTime"].split(":")
        self("scontrol", "update", f"JobId={number}", f"TimeLimit={60 * int(hours) + int(minutes) + 2}")

    def epoch(self, name: str) -> int:
        """Return the last epoch that any trial of a sweep has in its journal; 0 where none has."""
        journals = (self.site.shared / name).glob("ray/*/trials/*/epoch_*")
        return max((int(journal.name[6:]) for journal in journals), default=0)

    def said(self, name: str) -> str:
        """Return what a job has printed."""
        return (self.site.shared / name / "out").read_text()

    def on(self, node: str, command: str) -> str:
        """Run a command on a machine, in the project's folder."""
        status, said = self.site.ssh(self.nodes[node], f"cd {ROOT} && {command}")
        assert status == 0, said
        return said

    def left(self) -> str:
        """Return what jobs have left on the machines: processes and files, a line each."""
        own = "ps axo args= | grep -vE 'machines.py|sshd|slurmd -N|ps axo|grep'; ls -d /run/specbias* 2> /dev/null"
        return "".join(self.site.ssh(address, own)[1] for address in self.nodes.values())

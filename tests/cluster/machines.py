"""How does one machine become a site of several? Network, mount and process namespaces, with an sshd in each.

Run by the fixture `site`, as the first process of namespaces of its own (root only):

    unshare --net --mount --pid --fork --kill-child --mount-proc python machines.py site FOLDER ADDRESS...

This first process is the laptop, at 10.77.0.1. Every ADDRESS becomes a machine: its own network, processes, shared
memory, /run, /tmp/ray, a home that begins as FOLDER/skeleton, and this Python environment, with what is written to it
kept apart; the rest of the disk is everybody's, so that a folder in FOLDER serves as the network's shared one. Nothing
here has a name outside: once standard input ends, by the test or by its death, the kernel ends and frees all of it.
"""

import contextlib
import hashlib
import os
import select
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

LAPTOP = "10.77.0.1"
SSHD = """
HostKey {key}
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
StrictModes no
PidFile none
MaxSessions 50
MaxStartups 50
"""


def run(command: str, **inputs: Path) -> None:
    """Run a command without a shell; names in braces are words of it that may hold anything."""
    subprocess.run([word.format(**inputs) for word in command.split()], check=True)


def make_site(folder: Path, addresses: list[str]) -> None:
    """Join the machines by a bridge, say "ready" when each answers, and wait for the end of standard input."""
    dress(folder, "laptop")
    for line in ("link add bridge0 type bridge", f"address add {LAPTOP}/24 dev bridge0", "link set bridge0 up"):
        run(f"ip {line}")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")  # what leads out of the site is refused, not swallowed
    for number, address in enumerate(addresses):
        own = ["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
        command = ["unshare", *own, sys.executable, __file__, "machine", str(folder), address]
        log = (folder / f"{address}.log").open("w")
        machine = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True)
        assert machine.stdout and machine.stdout.readline() == "ready\n", f"{address} did not start"
        run(f"ip link add machine{number} type veth peer name eth0 netns {machine.pid}")
        run(f"ip link set machine{number} master bridge0 up")
        for line in (f"address add {address}/24 dev eth0", "link set eth0 up", f"route add default via {LAPTOP}"):
            run(f"nsenter --net --target {machine.pid} ip {line}")
    for address in addresses:
        wait_for(address)
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.2)[0]:
        reap()


def make_machine(folder: Path, address: str) -> None:
    """Give this process's namespaces a disk and an sshd of their own, say "ready", and adopt orphans for ever."""
    socket.sethostname(f"machine-{address.rpartition('.')[2]}")
    dress(folder, socket.gethostname())
    layers = folder / "layers"
    run("mount -t tmpfs tmpfs {layers}", layers=layers)
    for name in ("upper", "work"):
        (layers / name).mkdir()
    here = {"lower": Path(sys.prefix), "layers": layers}
    run("mount -t overlay overlay -o lowerdir={lower},upperdir={layers}/upper,workdir={layers}/work {lower}", **here)
    authorized = Path("~/.ssh/authorized_keys").expanduser()
    authorized.parent.mkdir(mode=0o700)
    authorized.write_text((folder / "key.pub").read_text())
    settings = layers / "sshd_config"
    settings.write_text(SSHD.format(key=folder / "host_key"))
    Path("/run/sshd").mkdir()
    subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", str(settings)])
    print("ready", flush=True)
    while True:
        reap()
        time.sleep(0.2)


def dress(folder: Path, name: str) -> None:
    """Give this mount namespace its own home, /run, /dev/shm and Ray's places, and an /etc that knows no outside."""
    home = folder / "home"  # the same path everywhere, as for a user of many machines
    run("mount -t tmpfs tmpfs {home}", home=home)
    shutil.copytree(folder / "skeleton", home, dirs_exist_ok=True)
    os.environ["HOME"] = str(home)
    users = [line for line in Path("/etc/passwd").read_text().splitlines() if not line.startswith("root:")]
    etc = {
        "passwd": "\n".join([f"root:x:0:0:root:{home}:/bin/bash", *users]),
        "hosts": f"127.0.0.1 localhost {name}",
        "resolv.conf": "",
    }
    for file, text in etc.items():
        own = home / f".{file}"
        own.write_text(text + "\n")
        run("mount --bind {own} {there}", own=own, there=Path("/etc", file).resolve())
    sockets = f"/tmp/ray_ssh_{hashlib.sha256(b'root').hexdigest()[:10]}"  # of `ray up`'s connections
    for place in ("/run", "/tmp/ray", sockets, "/dev/shm"):
        Path(place).mkdir(exist_ok=True)
        run(f"mount -t tmpfs tmpfs {place}")
    run("ip link set lo up")


def wait_for(address: str) -> None:
    """Return once a machine's sshd takes connections."""
    for _ in range(100):
        try:
            return socket.create_connection((address, 22), timeout=1).close()
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"{address}: no sshd after 10 s")


def reap() -> None:
    """Collect what has ended: the first process of a namespace inherits the others' orphans."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    if sys.argv[1] == "site":
        make_site(Path(sys.argv[2]), sys.argv[3:])
    else:
        make_machine(Path(sys.argv[2]), sys.argv[3])

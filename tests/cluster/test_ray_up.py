"""`ray up` for real: the file we ship for machines of one's own, a sweep on three of them, and one of them lost."""

import importlib.metadata
import json
import re
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

pytestmark = pytest.mark.slow
SHIPPED = Path(__file__).parents[2] / "cluster.onprem.yaml"
SWEEP = "python sweeps/cifar.py --quick --set width=4 --set probe_pairs=1"
TRIED = "mixup,cutout,label_smoothing"
EPOCHS, MEASURED = 8, [0, 1, 2, 5, 8]


class Cluster:
    """What `ray up` made of a site."""

    def __init__(self, site) -> None:
        self.site, self.file = site, site.folder / "cluster.yaml"
        self.head, *self.workers = site.addresses
        self.file.write_text(filled_in(SHIPPED.read_text(), site))
        self.began = time.monotonic()
        self.ray("get-auth-token", "--generate")
        self.ray("up", "-y", "--no-config-cache", str(self.file))
        self.lap("ray up")

    def ray(self, *arguments: str) -> str:
        status, said = self.site.call("ray", *arguments)
        assert status == 0, said[-3000:]
        return said

    def exec(self, command: str):
        """Start a command on the head as a user does, in the project's folder."""
        return self.site.start("ray", "exec", str(self.file), f"cd ~/specbias && {command}")

    def lap(self, what: str) -> None:
        print(f"{time.monotonic() - self.began:6.1f} s  {what}", file=sys.__stderr__)


def filled_in(text: str, site) -> str:
    """Return the shipped file with what it asks a user to fill in, and this environment's versions."""
    values = dict(zip(re.findall(r"192\.0\.2\.\d+", text), site.addresses, strict=True))
    values |= {
        "ssh_user: ubuntu": "ssh_user: root",
        "~/.ssh/id_ed25519": str(site.folder / "key"),
        "/shared/specbias": str(site.shared),
        "~/specbias-venv": sys.prefix,
    }
    for pinned, name in re.findall(r"((\w+)(?:\[[\w,]+\])?==[\d.]+)", text):
        values[pinned] = f"{pinned.partition('==')[0]}=={importlib.metadata.version(name).partition('+')[0]}"
    values["'2.60.0'"] = f"'{importlib.metadata.version('ray')}'"
    for placeholder, value in values.items():
        assert placeholder in text
        text = text.replace(placeholder, value)
    return text


@pytest.fixture(scope="module")
def cluster(site):
    made = Cluster(site)
    yield made
    made.ray("down", "-y", str(made.file))
    made.lap("ray down")
    _, left = site.ssh(made.head, "pgrep -x gcs_server")
    assert not left


@pytest.fixture
def wait_for():
    def wait(found, seconds=300):  # beside other tests all takes longer
        for _ in range(int(seconds / 0.5)):
            if result := found():
                return result
            time.sleep(0.5)
        raise TimeoutError(found)

    return wait


def test_storage_that_is_not_shared_is_refused_in_a_line(cluster, wait_for):
    def nodes_up():
        said = cluster.ray("exec", str(cluster.file), "ray list nodes --filter state=ALIVE 2>/dev/null")
        return said.count(" ALIVE ") == 3

    for worker in cluster.workers:  # which takes a tenth of the time of asking Ray
        wait_for(lambda worker=worker: cluster.site.ssh(worker, "pgrep -x raylet")[0] == 0)
    wait_for(nodes_up)
    cluster.lap("three nodes")
    process = cluster.exec(f"{SWEEP} --interventions mixup --storage-path ~/ray_results")
    said, _ = process.communicate(timeout=300)
    cluster.lap("storage refused")
    assert process.returncode != 0
    unfolded = re.sub(r"\r?\n {4}", " ", said)  # it is a terminal
    (line,) = [line for line in unfolded.splitlines() if line.startswith("error:")]
    assert re.search(
        r"--storage-path .*/home/ray_results: node 10\.77\.0\.1[12] does not share it .* at the same", line
    )
    assert not list(cluster.site.shared.iterdir())


def test_a_sweep_on_two_nodes_survives_the_loss_of_one(cluster, wait_for):
    victim = cluster.workers[1]
    host = f"machine-{victim.rpartition('.')[2]}"
    process = cluster.exec(f"{SWEEP} --interventions {TRIED} --epochs {EPOCHS}")

    def on_victim():
        for record in cluster.site.shared.glob("ray/*/trials/*/epoch_0002/record.json"):
            if owner(record.parents[1])["facts"]["hardware.host"] == host:
                return record.parents[1]
        return None

    lost = wait_for(on_victim)
    hosts = {owner(trial)["facts"]["hardware.host"] for trial in lost.parent.iterdir()}
    assert len(hosts) == 2
    assert cluster.site.ssh(victim, "kill -9 $(pgrep -x raylet)")[0] == 0
    cluster.lap("a node lost")
    said, _ = process.communicate(timeout=400)
    cluster.lap("sweep finished")
    assert process.returncode == 0, said[-3000:]
    assert "\n4 finished" in said.replace("\r", "")

    cluster.ray("exec", str(cluster.file), f"cp ~/mlflow.db {cluster.site.shared}")
    client = MlflowClient(f"sqlite:///{cluster.site.shared}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("cifar-quick").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * 5
    trials = {run.data.tags["specbias.trial_id"]: run for run in runs if "mlflow.parentRunId" in run.data.tags}
    assert len(trials) == 4
    for run in trials.values():
        history = client.get_metric_history(run.info.run_id, "generalization/test_accuracy")
        assert sorted(point.step for point in history) == MEASURED
    assert trials[lost.name].data.tags["specbias.attempts"] == "2"
    assert trials[lost.name].data.tags["hardware.host"] == (hosts - {host}).pop()


def owner(trial: Path) -> dict:
    """Return a trial's latest attempt, by its journal."""
    return json.loads((trial / "owner.json").read_text())


@pytest.fixture
def client_port(cluster):
    """The head's port for clients, on the laptop's own loopback as well."""
    trust = ["-i", str(cluster.site.folder / "key"), "-o", "StrictHostKeyChecking=no"]
    forward = cluster.site.start("ssh", "-N", *trust, "-L", "10001:127.0.0.1:10001", f"root@{cluster.head}")
    time.sleep(2)
    yield "ray://127.0.0.1:10001"
    forward.terminate()
    forward.wait(10)


def drive(cluster, address, command, interrupt=None):
    """Run a sweep on the laptop as a client of the cluster; interrupt it at its first line that fits, if any should."""
    number = cluster.site.folder / "number"
    command = f"echo $$ > {number}; exec env --default-signal=INT {command}"
    for _ in range(2):  # a busy head may need longer than the 30 s that Ray gives a client's server to start
        process, said = cluster.site.start("bash", "-c", command, RAY_ADDRESS=address), ""
        for line in process.stdout:
            said += line
            if interrupt and re.match(interrupt, line):
                cluster.site.call("kill", "-INT", number.read_text().strip())
        if "Initialization failure from server" not in said:
            break
    return process.wait(10), said


def test_a_laptop_drives_the_head_and_is_told_what_it_says_and_how_it_ended(cluster, client_port):
    status, said = drive(cluster, client_port, f"{SWEEP} --interventions {TRIED} --epochs {EPOCHS}")
    cluster.lap("the same sweep from the laptop")
    assert status == 0, said[-3000:]
    assert "4 of them are finished already and reused" in said  # by the head's MLflow


@pytest.mark.nightly
def test_ctrl_c_on_the_laptop_interrupts_the_driver_on_the_head(cluster, client_port):
    status, said = drive(cluster, client_port, f"{SWEEP} --interventions none --epochs 60", r"baseline +1/60 ")
    cluster.lap("interrupted from the laptop")
    assert status == 130, said
    assert "1 interrupted" in said and "To go on where this ended:" in said

"""Does a sweep lose or double anything when its processes are killed, its files damaged? Compares with a quiet one.

  python tests/chaos/chaos.py --seeds 20       a line per seed; some minutes each on 2 cores
  python tests/chaos/chaos.py --first 3        seed 3 alone
  python tests/chaos/chaos.py --short          of half the trials and epochs, as CI does

A cluster of three nodes on this machine (a head without CPUs and two of one each) runs eight trials, four of them
taught by the others. At random moments a trial's process, a whole node or the driver is killed with SIGKILL, the driver
is interrupted, or files of the journals are damaged, while the driver runs or when it has been killed; nodes come back,
the driver with --resume. A rival driver is begun while one runs, or twins at the same moment once it has been killed:
one of the two is to be refused. In the end MLflow must hold one finished run per trial and the very table, bit for
bit, of a sweep that nobody disturbed.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pandas as pd
from mlflow import MlflowClient
from ray.cluster_utils import Cluster

from analysis.tables.records import load_records

ROOT = Path(__file__).parents[2]
SWEEP = ["--quick", "--experiment", "chaos", "--max-failures", "50"]
SWEEP += ["--grid", "generation=0,1", "--grid", "mixup=0,0.4"]
for setting in ("train_size=400", "width=8", "probe_pairs=2"):
    SWEEP += ["--set", setting]
LONG = ["--grid", "cutout=0,4", "--set", "epochs=6", "--set", "measurement_epochs=0,1,2,3,4,5"]
SHORT = ["--set", "epochs=3", "--set", "measurement_epochs=0,1,2"]
LIMIT = 600  # seconds for one seed


class Nodes:
    """A head without CPUs, and two nodes with one each, of which any may be killed."""

    def __init__(self):
        # no dashboard; a dead node is noticed within seconds
        checks = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 1000}
        checks |= {"health_check_timeout_ms": 1000, "health_check_failure_threshold": 3}
        small = {"object_store_memory": 100_000_000}
        head = {"num_cpus": 0, "_system_config": checks, **small}
        self.cluster = Cluster(True, head_node_args=head)
        self.workers = [self.cluster.add_node(num_cpus=1, **small) for _ in range(2)]
        self.small = small
        Path("/tmp/ray/ray_current_cluster").unlink(missing_ok=True)  # others on this machine are not to join it

    def kill(self, choose):
        """Kill the raylet of a node as a lost machine would, and have another take its place."""
        node = self.workers.pop(choose.randrange(len(self.workers)))
        self.cluster.remove_node(node, allow_graceful=False)
        self.workers.append(self.cluster.add_node(num_cpus=1, **self.small))

    def trial_processes(self):
        """The processes of trials that run now: children of our own raylets."""
        raylets = {process.process.pid for node in self.workers for process in node.all_processes["raylet"]}
        found = []
        for entry in Path("/proc").iterdir():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent in raylets and "ray::ImplicitFunc" in (entry / "cmdline").read_text():
                    found.append(int(entry.name))
            except (OSError, ValueError, IndexError):
                continue
        return sorted(found)


def start(folder, address, *more):
    """Start the sweep's driver, its words going to a file."""
    command = [sys.executable, "-u", str(ROOT / "sweeps" / "cifar.py"), *SWEEP, *more]
    command += ["--tracking-uri", f"sqlite:///{folder}/mlflow.db", "--storage-path", str(folder / "ray")]
    log = (folder / "driver.log").open("a")
    own = {"start_new_session": True, "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    return subprocess.Popen(
        command, cwd=folder, env={**os.environ, "RAY_ADDRESS": address}, stdout=log, stderr=log, **own
    )


def disturb(folder, nodes, seed, sweep_id):
    """Run the sweep and kill in its way until it has finished; return what was done and the last exit status."""
    choose, done, started = random.Random(seed), Counter(), time.monotonic()
    left = choose.randint(3, 5)
    driver = start(folder, nodes.cluster.address)
    while time.monotonic() - started < LIMIT:
        try:
            status = driver.wait(choose.uniform(4, 14) if left else LIMIT)
        except subprocess.TimeoutExpired:
            status = None
        if status is None and left:
            left -= 1
            events = ["trial", "trial", "node", "driver", "interrupt", "damage", "damage to the dead", "rival", "twins"]
            event = choose.choice(events)
            victims = nodes.trial_processes()
            if event == "trial" and victims:
                os.kill(choose.choice(victims), signal.SIGKILL)
            elif event == "node":
                nodes.kill(choose)
            elif event in ("driver", "interrupt"):
                driver.send_signal(signal.SIGKILL if event == "driver" else signal.SIGINT)
            elif event.startswith("damage"):
                if event == "damage to the dead":
                    driver.kill()
                    driver.wait()
                damage(folder / "ray", choose)
            elif event == "rival":
                driver = one_left(driver, start(folder, nodes.cluster.address))
            elif event == "twins":
                driver.kill()
                driver.wait()
                driver = one_left(*(start(folder, nodes.cluster.address) for _ in range(2)))
            done[event if event != "trial" or victims else "nothing"] += 1
        elif status in (-signal.SIGKILL, -signal.SIGINT, 130):
            driver = start(folder, nodes.cluster.address, "--resume", sweep_id)
        elif status == 2 and "error: --resume" in (folder / "driver.log").read_text().splitlines()[-1]:
            driver = start(folder, nodes.cluster.address)  # it was killed before it had begun
        else:
            return done, status
    driver.kill()
    return done, driver.wait()


def one_left(*drivers):
    """Return the one of two drivers that is left when the other is refused, or has done it all."""
    while all(driver.poll() is None for driver in drivers):
        time.sleep(0.1)
    first, other = sorted(drivers, key=lambda driver: driver.poll() is None)
    if first.returncode != 2:
        other.wait(LIMIT)
    return other if first.returncode == 2 else first


def damage(storage, choose):
    """Flip a bit of some files of the journals, cut them, zero them, put something else there, or delete them."""
    files = sorted(file for file in storage.glob("*/trials/**/*") if file.is_file())
    for file in choose.sample(files, min(len(files), choose.randint(1, 4))):
        kind, place = choose.choice(["flip", "cut", "zero", "odd", "delete"]), choose.random()
        try:
            content = bytearray(file.read_bytes())
            at = int(place * len(content))
            if kind == "delete":
                file.unlink()
            elif kind == "flip" and content:
                content[at] ^= 1 << choose.randrange(8)
                file.write_bytes(content)
            else:
                file.write_bytes({"cut": content[:at], "zero": bytes(len(content))}.get(kind, b"5"))
        except FileNotFoundError:
            continue  # its trial has been copied meanwhile


def check(folder, quiet, status):
    """Return what is wrong with what MLflow holds: nothing, it is to be hoped."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("chaos")
    if status or experiment is None:
        return [f"status {status}"]
    runs = client.search_runs([experiment.experiment_id])
    trials = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    wrong = []
    if len(runs) - len(trials) != 1 or {run.info.status for run in runs} != {"FINISHED"}:
        wrong.append(f"runs {Counter(run.info.status for run in runs)}")
    if Counter(run.data.tags["specbias.trial_id"] for run in trials) != Counter(set(quiet["trial_id"])):
        wrong.append("not one run per trial")
    for run in trials:
        for key in run.data.metrics:
            steps = [metric.step for metric in client.get_metric_history(run.info.run_id, key)]
            if len(steps) != len(set(steps)):
                wrong.append(f"{run.info.run_name} {key}: an epoch twice")
    try:
        pd.testing.assert_frame_equal(table(folder), quiet, check_exact=True)
    except AssertionError as error:
        wrong.append("another table: " + " ".join(str(error).split())[:300])
    if (folder / "ray").exists() and any((folder / "ray").iterdir()):
        wrong.append("journals are left")
    return wrong


def table(folder):
    found = load_records("chaos", tracking_uri=f"sqlite:///{folder}/mlflow.db").table
    return found.drop(columns="run_id").sort_values(["trial_id", "epoch"], ignore_index=True)


def run_seed(folder, nodes, seed, quiet):
    """Disturb one sweep, compare, print a line; return whether all was well."""
    folder.mkdir()
    started = time.monotonic()
    done, status = disturb(folder, nodes, seed, quiet["sweep_id"][0])
    wrong = check(folder, quiet, status) if done else ["it ended before anything was disturbed"]
    said = ", ".join(f"{count} {event}" for event, count in sorted(done.items()))
    print(f"seed {seed}: {said}; {time.monotonic() - started:.0f} s; {'; '.join(wrong) or 'the same'}", flush=True)
    if wrong:
        print((folder / "driver.log").read_text(), file=sys.stderr, flush=True)
    return not wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="how many, from the first on")
    parser.add_argument("--short", action="store_true", help="half the trials and epochs")
    options = parser.parse_args()
    SWEEP.extend(SHORT if options.short else LONG)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        nodes, folder = Nodes(), Path(name)
        try:
            (folder / "quiet").mkdir()
            started = time.monotonic()
            if start(folder / "quiet", nodes.cluster.address).wait(LIMIT):
                sys.exit((folder / "quiet" / "driver.log").read_text())
            quiet = table(folder / "quiet")
            assert quiet["trial_id"].nunique() == (4 if options.short else 8)
            print(f"undisturbed: {len(quiet)} rows, {time.monotonic() - started:.0f} s", flush=True)
            seeds = range(options.first, options.first + options.seeds)
            well = [run_seed(folder / str(seed), nodes, seed, quiet) for seed in seeds]
        finally:
            nodes.cluster.shutdown()
    sys.exit(0 if all(well) else 1)


if __name__ == "__main__":
    main()

"""What each node must have, asked of a toy cluster of two; and a Ray that is not there or lets nobody in."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
from ray.cluster_utils import Cluster

from specbias.settings import SettingError
from sweeps.service.machines import nodes
from sweeps.service.machines.environment import Environment

SCRIPT = Path(__file__).parents[2] / "sweeps" / "cifar.py"


def sweep(folder, **environment):
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", **environment}
    command = [sys.executable, str(SCRIPT), "--quick", "--storage-path", str(folder / "ray")]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("address", ["127.0.0.1:9", pytest.param("ray://127.0.0.1:9", marks=pytest.mark.slow)])
def test_a_cluster_that_does_not_answer_is_said_in_a_line_and_at_once(tmp_path, address):
    done = sweep(tmp_path, RAY_ADDRESS=address)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: RAY_ADDRESS={address}: nothing answers there (")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def two_nodes():
    """A head that runs no trial and a node that does, in this process."""
    if ray.is_initialized():
        ray.shutdown()
    small = {"object_store_memory": 80_000_000, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
    cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


PLAN = SimpleNamespace(expected=("one", "another"), cpus_per_trial=1, gpus_per_trial=0)


def check(folder, prepare=lambda config: None, folders=None):
    environment = Environment(folders=folders or {})
    nodes.check_nodes(PLAN, storage_path=str(folder / "ray"), prepare=prepare, environment=environment)


@pytest.mark.slow
def test_data_are_prepared_for_every_trial_on_the_nodes_that_run_trials_alone(two_nodes, tmp_path):
    def prepare(config):
        note = f"{os.environ['PLACE']} {config} {ray.get_runtime_context().get_node_id()}\n"
        with open(tmp_path / "prepared", "a") as file:
            file.write(note)

    check(tmp_path, prepare, {"PLACE": "there"})
    (worker,) = (node["NodeID"] for node in nodes.alive() if "CPU" in node["Resources"])
    assert (tmp_path / "prepared").read_text() == f"there one {worker}\nthere another {worker}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["prepared"]  # no file of ours is left


@pytest.mark.slow
def test_data_that_a_node_cannot_get_are_refused_with_its_name(two_nodes, tmp_path):
    def prepare(config):
        raise SettingError("no such data; fetch them")

    with pytest.raises(SettingError, match=r"^node [\d.]+: no such data; fetch them$"):
        check(tmp_path, prepare)


@pytest.mark.slow
def test_a_node_of_other_versions_or_other_code_is_refused(two_nodes, tmp_path, monkeypatch):
    own = nodes._versions()
    for package, other in (("python", "3.9"), ("torch", "2.9.0"), ("specbias", "0.1.0 (of yesterday)")):
        monkeypatch.setattr(nodes, "_versions", lambda changed={package: other}: own | changed)
        with pytest.raises(SettingError) as refused:
            check(tmp_path)
        assert f": {package} {own[package]}, and the driver has {other}; install the same" in str(refused.value)


@pytest.mark.slow
def test_storage_that_a_node_cannot_read_is_refused(two_nodes, tmp_path, monkeypatch):
    monkeypatch.setattr(nodes, "marker", lambda path: nodes.contextlib.nullcontext(f"{path}/elsewhere"))
    with pytest.raises(SettingError, match=r"/ray: node [\d.]+ does not share it \(.*No such file.*\); name a folder"):
        check(tmp_path)


def test_what_the_driver_writes_is_read_where_it_is_and_removed(tmp_path):
    storage = tmp_path / "not" / "yet"
    with nodes.marker(str(storage)) as marker:
        assert Path(marker).parent == tmp_path  # nothing is made for a sweep that may be refused
        assert nodes._look(marker) == (nodes._versions(), "")
        assert "No such file" in nodes._look(f"{marker}x")[1]
    assert list(tmp_path.iterdir()) == []
    with (
        pytest.raises(SettingError, match="--storage-path nowhere://x: cannot be written"),
        nodes.marker("nowhere://x"),
    ):
        pass


def test_a_cluster_scaled_to_none_has_what_its_file_allows(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    there = [{"Alive": True, "Resources": {"memory": 1e9}}, {"Alive": False, "Resources": {"CPU": 9.0}}]
    monkeypatch.setattr(ray, "nodes", lambda: there)
    assert nodes.capacity() == nodes.largest() == {"cpus": 0.0, "gpus": 0.0}
    (tmp_path / "ray_bootstrap_config.yaml").write_text(
        "available_node_types:\n"
        "  head: {resources: {CPU: 0}, max_workers: 0}\n"
        "  small: {resources: {CPU: 4, GPU: 1}, max_workers: 8}\n"
        "  large: {resources: {CPU: 8, GPU: 4}, max_workers: 1}\n"
    )
    assert nodes.capacity() == {"cpus": 40.0, "gpus": 12.0}
    assert nodes.largest() == {"cpus": 8.0, "gpus": 4.0}
    there += 2 * [{"Alive": True, "Resources": {"CPU": 4.0, "GPU": 1.0}}]
    assert nodes.capacity() == {"cpus": 8.0, "gpus": 2.0}
    assert nodes.largest() == {"cpus": 4.0, "gpus": 1.0}

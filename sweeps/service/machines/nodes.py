"""What does the cluster have, and does each node have what a trial needs? Checked before any trial."""

from __future__ import annotations

import contextlib
import hashlib
import platform
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ray
import yaml
from pyarrow import fs
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import specbias
from specbias.settings import SettingError
from sweeps.service.machines.environment import Environment
from sweeps.service.screen import show

SAME = "install the same on every node, and call `ray up` again where that copied the code"
RESOURCES = {"cpus": "CPU", "gpus": "GPU"}  # and what Ray calls them
GIVEN_UP = 60  # seconds within which Ray says of a node that does not answer that it is lost
ANSWER = 300  # seconds a node has to answer in: fetching data takes longer, and has no limit


def capacity() -> dict[str, float]:
    """Return the CPUs and GPUs that all trials together can have."""
    kinds = _kinds()
    return {name: float(sum(kind.get(key, 0) * count for kind, count in kinds)) for name, key in RESOURCES.items()}


def largest() -> dict[str, float]:
    """Return the most CPUs, and the most GPUs, that there are on one node: no trial can have more."""
    kinds = _kinds()
    return {name: float(max((kind.get(key, 0) for kind, _ in kinds), default=0)) for name, key in RESOURCES.items()}


def _kinds() -> list[tuple[Mapping[str, float], int]]:
    """Return the resources of the nodes that there are; or of those `ray up`'s autoscaler may start, and how many.

    The latter where the head runs no trials and no worker is up yet.
    """
    there = [(node["Resources"], 1) for node in alive()]
    file = Path("~/ray_bootstrap_config.yaml").expanduser()
    if any(resources.get("CPU") for resources, _ in there) or not file.exists():
        return there
    kinds = yaml.safe_load(file.read_text())["available_node_types"].values()
    return [(kind.get("resources", {}), kind.get("max_workers", 0)) for kind in kinds if kind.get("max_workers", 0)]


def check_nodes(plan: Any, *, storage_path: str, prepare: Callable, environment: Environment) -> list[str]:
    """Refuse a cluster with a node that lacks what a trial needs; on a machine alone, only prepare the data.

    Returns what preparing found that a person should know, each once.

    What is looked at on every node: storage that it shares, versions equal to the driver's; and on those that can run
    trials, with `environment`, prepare(config) of every trial. Where there is none of those yet, wait for one.
    """
    nodes = alive()
    if len(nodes) == 1 and "CPU" in nodes[0]["Resources"]:
        return environment.call(_prepare, plan.expected, prepare)
    if not any("CPU" in node["Resources"] for node in nodes):
        show("no node is up that runs trials: waiting for the autoscaler to start one")
        ray.get(ray.remote(num_cpus=plan.cpus_per_trial, num_gpus=plan.gpus_per_trial)(_versions).remote())
        nodes = alive()
    own = _versions()
    with marker(storage_path) as file:
        for name, (versions, unread) in _on(nodes, ANSWER, _look, file):
            for package, theirs in versions.items():
                if theirs != own[package]:
                    raise SettingError(f"node {name}: {package} {theirs}, and the driver has {own[package]}; {SAME}")
            if unread:
                raise SettingError(
                    f"--storage-path {storage_path}: node {name} does not share it ({unread}); name a folder that "
                    "every node sees at the same path, or s3://..."
                )
    workers = [node for node in nodes if "CPU" in node["Resources"]]
    found: dict[str, None] = {}
    for group in (workers[:1], workers[1:]):  # the first may fetch data into a folder that all share
        for _, notes in _on(group, None, Environment.call, environment, _prepare, plan.expected, prepare):
            found |= dict.fromkeys(notes)
    return [*found]


def alive() -> list[dict[str, Any]]:
    """Return Ray's entries of the nodes that are up."""
    return [node for node in ray.nodes() if node["Alive"]]


def on_node(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of ray.remote that put a task or an actor on a node, beside whatever runs there."""
    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)}


def _on(nodes: Iterable[dict], seconds: float | None, function: Callable, *arguments: Any) -> Iterator[tuple[str, Any]]:
    """Call a function on each of the nodes at the same time and yield the names of those that live, and its results."""
    calls = []
    for node in nodes:
        task = ray.remote(**on_node(node), max_calls=1, max_retries=0)(function)
        calls.append((node["NodeID"], node["NodeManagerAddress"], task.remote(*arguments)))
    for node_id, name, call in calls:
        try:
            yield name, ray.get(call, timeout=seconds)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, SettingError):
                raise SettingError(f"node {name}: {error.cause}") from None
            if "No module named" in str(error):
                missing = str(error).rpartition("No module named")[2].splitlines()[0].strip()
                raise SettingError(f"node {name}: {missing} is not installed there; {SAME}") from None
            raise
        except ray.exceptions.RayError as error:
            if _is_lost(node_id):  # meanwhile, as nodes are
                continue
            reason = str(error).splitlines()[0]
            raise SettingError(f"node {name} does not answer ({reason}); see `ray status`, and try again") from None


def _is_lost(node_id: str) -> bool:
    """Tell whether a node that does not answer is gone; Ray takes its time to say so."""
    for _ in range(GIVEN_UP):
        if node_id not in {node["NodeID"] for node in alive()}:
            return True
        time.sleep(1)
    return False


def _look(marker: str) -> tuple[dict[str, str], str]:
    """Return a node's versions, and why it cannot read the driver's file; runs there."""
    filesystem, path = fs.FileSystem.from_uri(marker)
    try:
        filesystem.open_input_stream(path).close()
    except OSError as error:
        return _versions(), str(error).splitlines()[0]
    return _versions(), ""


def _prepare(configs: Iterable[Any], prepare: Callable) -> list[str]:
    """Prepare every trial, and return what is to be known of them, each once."""
    return list(dict.fromkeys(note for config in configs if (note := prepare(config))))


def _versions() -> dict[str, str]:
    """Return the versions that must be the same everywhere; specbias's own by its files as well."""
    versions = {name: version(name).partition("+")[0] for name in ("ray", "torch", "numpy")}  # not CUDA's or the CPU's
    sources = sorted(Path(specbias.__file__).parent.rglob("*.py")) + sorted(Path(__file__).parents[1].rglob("*.py"))
    files = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:8]
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python, **versions, "specbias": f"{version('specbias')} ({files})"}


@contextlib.contextmanager
def marker(storage_path: str) -> Iterator[str]:
    """Write a small file where checkpoints will go, or into the nearest folder above that exists; remove it after."""
    folder = storage_path
    if "://" not in storage_path:
        folder = str(next(path for path in (Path(storage_path), *Path(storage_path).parents) if path.is_dir()))
    marker = f"{folder.rstrip('/')}/.specbias-{uuid.uuid4().hex}"
    try:
        filesystem, path = fs.FileSystem.from_uri(marker)
        filesystem.open_output_stream(path).close()
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise SettingError(f"--storage-path {storage_path}: cannot be written ({reason}); name another place") from None
    try:
        yield marker
    finally:
        filesystem.delete_file(path)

"""What Ray makes of the cluster files we ship, before it calls anybody: complete, closed, pinned, and equal."""

import json
import re
from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[2]
FILES = sorted(ROOT.glob("cluster*.yaml"))
COMMANDS = ("setup_commands", "head_setup_commands", "head_start_ray_commands", "worker_start_ray_commands")


def prepared(path):
    """Return the file as Ray completes it from the provider's defaults, once it is found valid."""
    config = prepare_config(yaml.safe_load(path.read_text()))
    validate_config(config)
    return config


@pytest.fixture(params=FILES, ids=lambda path: path.name)
def config(request):
    return prepared(request.param)


def commands(config, *parts):
    return "\n".join(command for part in parts or COMMANDS for command in config[part])


def test_there_is_a_file_for_aws_and_one_for_machines_of_ones_own():
    assert [path.name for path in FILES] == ["cluster.onprem.yaml", "cluster.yaml"]


def test_nothing_is_left_to_defaults_that_install_nightly_wheels_or_open_the_dashboard(config):
    text = json.dumps(config)
    assert "ray-wheels" not in text and "0.0.0.0" not in text
    assert "--dashboard-host=127.0.0.1" in commands(config, "head_start_ray_commands")
    for part in ("setup_commands", "head_start_ray_commands", "worker_start_ray_commands"):
        assert config[part]


def test_the_head_runs_no_trial(config):
    start = next(line for line in config["head_start_ray_commands"] if "ray start" in line)
    assert "--num-cpus=0" in start and "--num-gpus=0" in start
    head = config["available_node_types"][config["head_node_type"]]
    assert not any(head["resources"].values())


def test_every_node_has_the_versions_that_are_pinned_and_is_asked_for_them(config):
    setup = commands(config, "setup_commands")
    pinned = dict(re.findall(r"(\w+)(?:\[[\w,]+\])?==([\d.]+)", setup))
    assert set(pinned) == {"ray", "torch", "torchvision", "numpy"}
    assert f"assert ray.__version__ == '{pinned['ray']}'" in setup
    assert "pip install" not in commands(config, "worker_start_ray_commands")


def test_who_has_no_token_is_not_let_in(config):
    assert config["file_mounts"]["~/.ray/auth_token"].endswith("/.ray/auth_token")
    assert "export RAY_AUTH_MODE=token" in commands(config, "setup_commands")
    assert "chmod 600 ~/.ray/auth_token" in config["setup_commands"]


def test_a_machine_that_is_gone_is_noticed_in_seconds(config):
    start = commands(config, "head_start_ray_commands")
    period, timeout, failures = (
        int(re.search(rf"RAY_health_check_{name}=(\d+)", start)[1])
        for name in ("period_ms", "timeout_ms", "failure_threshold")
    )
    assert (period + timeout) * failures <= 30_000


def test_limits_that_cannot_be_raised_do_not_keep_ray_from_starting(config):
    for line in commands(config).splitlines():
        assert not re.search(r"ulimit[^;]*&&", line)


def test_what_both_files_have_is_written_alike():
    aws, onprem = (prepared(ROOT / name) for name in ("cluster.yaml", "cluster.onprem.yaml"))
    assert aws["file_mounts"] == onprem["file_mounts"]
    assert aws["worker_start_ray_commands"] == onprem["worker_start_ray_commands"]
    assert aws["head_start_ray_commands"][:2] == onprem["head_start_ray_commands"]
    for line in onprem["setup_commands"]:
        assert "printf" in line or line in aws["setup_commands"]


def test_aws_workers_are_spot_machines_of_several_types_and_zones_from_none():
    config = prepared(ROOT / "cluster.yaml")
    types = dict(config["available_node_types"])
    head = types.pop(config["head_node_type"])["node_config"]
    assert "InstanceMarketOptions" not in head
    assert len({kind["node_config"]["InstanceType"] for kind in types.values()}) == len(types) >= 2
    for kind in types.values():
        assert kind["min_workers"] == 0 and kind["max_workers"] > 0 and kind["resources"]["GPU"] > 0
        assert kind["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
        assert kind["node_config"]["ImageId"] == head["ImageId"]
    assert len(config["provider"]["availability_zone"].split(",")) >= 2
    assert config["provider"]["cache_stopped_nodes"] is False
    assert config["idle_timeout_minutes"] <= 15


def test_aws_machines_are_in_a_security_group_of_the_users_own():
    """Where a type names none, Ray makes one that lets in ssh from everywhere, whatever rules are added."""
    config = prepared(ROOT / "cluster.yaml")
    for kind in config["available_node_types"].values():
        assert kind["node_config"]["SecurityGroupIds"] == ["sg-00000000000000000"]
    assert "security_group" not in config["provider"]


def test_mlflow_listens_on_loopback_with_postgresql_and_s3_and_no_password():
    config = prepared(ROOT / "cluster.yaml")
    (server,) = [line for line in config["head_start_ray_commands"] if "mlflow server" in line]
    assert "--host 127.0.0.1 --port 5000" in server
    assert "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false" in server and "--workers 1" in server
    assert "postgresql:///mlflow?host=/var/run/postgresql" in server  # the socket: no host, no user, no password
    assert "--artifacts-destination s3://" in server
    assert "export MLFLOW_TRACKING_URI=http://127.0.0.1:5000" in commands(config, "setup_commands")
    assert "password" not in commands(config).lower()
    for line in commands(config).split("\n"):
        assert "apt-get" not in line or "-o DPkg::Lock::Timeout=" in line

"""The Ray that a sweep starts on its machine: where it listens, and where its files are."""

import ipaddress
import os
import time

import pytest
import ray

from specbias.settings import SettingError
from sweeps.service.machines import preflight

TABLE = ("gcs_server", "raylet", "ray::DashboardAgent", "ray::RuntimeEnvAgent")  # of docs/security.md


def listening():
    """Process -> the addresses it listens at, of this one and all that it has started, and those these have."""
    import psutil  # Ray brings it along

    this = psutil.Process()
    found = {}
    for process in (this, *this.children(recursive=True)):
        try:
            sockets = process.net_connections("inet")
            found[process.pid, process.name()] = {each.laddr.ip for each in sockets if each.status == "LISTEN"}
        except psutil.Error:  # it has ended
            continue
    return found


@pytest.mark.slow
def test_a_local_ray_listens_on_the_loopback_alone(ray_with_two_gpus):
    @ray.remote(num_cpus=0)
    def work():
        return os.getpid()

    worker, until = ray.get(work.remote()), time.monotonic() + 60
    while time.monotonic() < until:  # agents take their time to begin
        found = listening()
        if {name for (_, name), addresses in found.items() if addresses} >= set(TABLE):
            break
        time.sleep(0.5)
    assert {name for (_, name), addresses in found.items() if addresses} >= set(TABLE)
    assert any(addresses for (pid, _), addresses in found.items() if pid == worker)
    for process, addresses in found.items():
        for address in addresses:
            assert ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback, process


def test_rays_files_are_in_tmpdir_or_where_that_is_too_long_for_its_sockets_in_tmp(monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.delenv("TMPDIR", raising=False)
    assert preflight.temporary_folder() == "/tmp/ray"
    longest = "/" + (preflight.LONGEST - 1) * "x"
    monkeypatch.setenv("TMPDIR", longest)
    assert preflight.temporary_folder() == f"{longest}/ray"
    assert len(f"{longest}/ray/session_2026-11-30_08-36-17_337896_4194303/sockets/plasma_store") == 107
    monkeypatch.setenv("TMPDIR", longest + "x")
    assert preflight.temporary_folder() == "/tmp/ray"
    monkeypatch.setattr(os, "access", lambda path, mode: path != "/tmp")
    with pytest.raises(SettingError, match=f"TMPDIR={longest}x: Ray's sockets .* at most 39 bytes; export a shorter"):
        preflight.temporary_folder()

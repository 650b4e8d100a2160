"""Which Ray does a sweep run on, and on which machine its driver? This one, or a cluster and its head."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

import ray

from specbias.settings import SettingError
from sweeps.service.nodes import alive, on_node


def join_ray() -> bool:
    """Join the cluster of RAY_ADDRESS, or the one that runs on this machine, else start Ray; False if it was joined.

    RAY_ADDRESS=local starts one whatever runs here.

    Raises SettingError if there is no such cluster, it does not let us in, or Ray does not start.
    """
    if ray.is_initialized():
        return False
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    address = os.environ.get("RAY_ADDRESS")
    if address in (None, "", "local"):
        options["include_dashboard"] = False
    else:
        _refuse_silence(address)
    try:
        context: Any = ray.init(**options)
    except Exception as error:  # of many classes, most with a page of text
        lines = (str(error).strip() or type(error).__name__).splitlines()
        reason = " ".join(" ".join(lines if "mismatch" in lines[0] else dict.fromkeys((lines[0], lines[-1]))).split())
        if isinstance(error, ConnectionError):  # without an address too: this machine may be the head of a cluster
            raise SettingError(
                f"{f'RAY_ADDRESS={address}' if address else 'the Ray of this machine'} does not let us in ({reason}); "
                "see `ray status`, and that both have the same token (RAY_AUTH_MODE, ~/.ray/auth_token)"
            ) from None
        raise SettingError(f"Ray does not start here ({reason}); see /tmp/ray/session_latest/logs") from None
    if not (address or context.address_info["session_dir"].endswith(f"_{os.getpid()}")):  # who began it
        print(
            f"on the Ray that runs already, {len(alive())} nodes; RAY_ADDRESS=local starts one of its own", flush=True
        )
    return True


def _refuse_silence(address: str) -> None:
    """Refuse an address where nothing listens: Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except OSError as error:
            raise SettingError(
                f"RAY_ADDRESS={address}: nothing answers there ({error}); start that cluster, or unset RAY_ADDRESS"
            ) from None


def drive_on_head(run_sweep: Callable, *arguments: Any) -> int:
    """Call run_sweep(*arguments) on the head of the cluster we are a client of; return its exit status.

    What it prints is shown here, what it refuses is refused here, and Ctrl-C interrupts it there.
    """
    there = on_node(next(node for node in alive() if "node:__internal_head__" in node["Resources"]))
    said: Any = ray.remote(**there)(Said).remote()  # type: ignore[union-attr]
    run = ray.remote(**there, max_calls=1, max_retries=0)(_drive).remote(said, sys.argv, run_sweep, *arguments)
    while True:
        try:
            done, _ = ray.wait([run], timeout=0.5)
            print(ray.get(said.take.remote()), end="", flush=True)
            if done:
                return ray.get(run)
        except KeyboardInterrupt:
            ray.cancel(run, recursive=False)
        except ray.exceptions.TaskCancelledError:
            return 130
        except ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, SettingError) else error from None


class Said:
    """What the driver on the head has printed and nobody has shown yet; an actor there."""

    def __init__(self) -> None:
        self.text = ""

    def add(self, text: str) -> None:
        self.text += text

    def take(self) -> str:
        text, self.text = self.text, ""
        return text


class Teller:
    """A standard output that ends in a `Said`."""

    def __init__(self, said: Any) -> None:
        self.said = said

    def write(self, text: str) -> None:
        ray.get(self.said.add.remote(text))

    def flush(self) -> None:
        """Nothing is held back."""


def _drive(said: Any, argv: list[str], run_sweep: Callable, *arguments: Any) -> int:
    """Run the sweep with the user's command line, and say here what it prints; runs on the head."""
    sys.argv = argv
    with contextlib.redirect_stdout(Teller(said)):  # type: ignore[type-var]
        return run_sweep(*arguments)

"""Which Ray does a sweep use, and where does its driver run? This machine, or a cluster and its head."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants, services

from specbias.settings import SettingError
from specbias.settings.masking import masked
from sweeps.service.machines import preflight
from sweeps.service.machines.nodes import alive, on_node
from sweeps.service.screen import show, width

QUIET: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}


def join_ray() -> bool:
    """Join the cluster of RAY_ADDRESS, or the one that runs on this machine, else start Ray; False if it was joined.

    RAY_ADDRESS=local starts one whatever runs here. What is started listens on this machine's loopback alone.

    Raises SettingError if there is no such cluster, it does not let us in, or Ray does not start.
    """
    if ray.is_initialized():
        return False
    address = os.environ.get("RAY_ADDRESS")
    if address not in (None, "", "local"):
        preflight.check_address(address)
    # Ray's processes inherit what is blocked: they outlive the terminal, as they do Ctrl-C, until the driver ends them;
    # and the end of a Slurm job, which is sent to all its processes
    outlived = {signal.SIGHUP, signal.SIGTERM} if "SLURM_JOB_ID" in os.environ else {signal.SIGHUP}
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, outlived)
    try:
        if services.get_ray_address_from_environment(address, None) in (None, "local"):  # type: ignore[arg-type]
            start_ray()
            return True
        ray.init(**QUIET)
    except SettingError:
        raise
    except Exception as error:  # of many classes, most with a page of text
        lines = (str(error).strip() or type(error).__name__).splitlines()
        reason = " ".join(" ".join(lines if "mismatch" in lines[0] else dict.fromkeys((lines[0], lines[-1]))).split())
        if isinstance(error, ConnectionError):  # without an address too: this machine may be the head of a cluster
            raise SettingError(
                f"{f'RAY_ADDRESS={address}' if address else 'the Ray of this machine'} does not let us in ({reason}); "
                "see `ray status`, and that both have the same token (RAY_AUTH_MODE, ~/.ray/auth_token)"
            ) from None
        logs = f"{preflight.temporary_folder()}/session_latest/logs"
        raise preflight.MachineError(f"Ray does not start here ({reason}); see {logs}") from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
    if not address:
        show(f"on the Ray that runs already, {len(alive())} nodes; RAY_ADDRESS=local starts one of its own")
    return True


def start_ray(**options: Any) -> None:
    """Start a Ray of this process's own, that listens on 127.0.0.1 alone, with the CPUs it may; options: ray.init's.

    So it does by itself on macOS and Windows, where no cluster can be, by a switch that it reads when it is imported.
    """
    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"  # for its agents and workers
    ray_constants.ENABLE_RAY_CLUSTER = False
    options = {"num_cpus": int(preflight.processors_allowed()), **options}
    ray.init(address="local", include_dashboard=False, _temp_dir=preflight.temporary_folder(), **QUIET, **options)
    with contextlib.suppress(OSError):  # Ray makes it as readable as any file; none where its mode asks for none
        Path("~/.ray/auth_token").expanduser().chmod(0o600)


def drive_on_head(run_sweep: Callable, *arguments: Any) -> int:
    """Call run_sweep(*arguments) on the head of the cluster we are a client of; return its exit status.

    What it prints is shown here, what it refuses is refused here, and Ctrl-C interrupts it there.
    """
    there = on_node(next(node for node in alive() if "node:__internal_head__" in node["Resources"]))
    output: Any = ray.remote(**there)(Output).remote()  # type: ignore[union-attr]
    run = ray.remote(**there, max_calls=1, max_retries=0)(_drive).remote(
        output, sys.argv, width(), run_sweep, *arguments
    )
    while True:
        try:
            done, _ = ray.wait([run], timeout=0.5)
            print(ray.get(output.take.remote()), end="", flush=True)
            if done:
                return ray.get(run)
        except KeyboardInterrupt:
            ray.cancel(run, recursive=False)
        except ray.exceptions.TaskCancelledError:
            return 130
        except ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, SettingError) else error from None


class Output:
    """The output of the driver on the head that is not shown yet; an actor there."""

    def __init__(self) -> None:
        self.text = ""

    def add(self, text: str) -> None:
        self.text += text

    def take(self) -> str:
        text, self.text = self.text, ""
        return text


class OutputStream:
    """A standard output that adds what is written, without passwords, to an `Output`."""

    def __init__(self, output: Any, columns: int | None) -> None:
        self.output, self.columns = output, columns

    def isatty(self) -> bool:
        """Tell whether a terminal shows it in the end."""
        return self.columns is not None

    def write(self, text: str) -> None:
        ray.get(self.output.add.remote(masked(text)))

    def flush(self) -> None:
        """Nothing is held back."""


def _drive(output: Any, argv: list[str], columns: int | None, run_sweep: Callable, *arguments: Any) -> int:
    """Run the sweep on the head with the user's command line, and send what it prints to `output`."""
    sys.argv = argv
    os.environ["COLUMNS"] = str(columns or "")  # of the terminal that shows it
    stream: Any = OutputStream(output, columns)
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        return run_sweep(*arguments)

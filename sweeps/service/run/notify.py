"""Who gets a message when the sweep is over? The user's command, whose failure changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess

from specbias.settings.masking import masked
from sweeps.service.screen import show

LIMIT = 60.0  # seconds


def notify(
    command: str,
    *,
    status: int,
    summary: str,
    experiment: str,
    sweep_id: str,
    parent_run: str,
    limit: float = LIMIT,
) -> None:
    """Run a shell command that is told by its environment how the sweep ended; what it prints is seen.

    SPECBIAS_STATUS is the exit status, SPECBIAS_SUMMARY a line for people, SPECBIAS_EXPERIMENT, SPECBIAS_SWEEP and
    SPECBIAS_RUN say where the results are. It has `limit` seconds. Never raises: what goes wrong is said in one line.
    """
    told = {
        "SPECBIAS_STATUS": str(status),
        "SPECBIAS_SUMMARY": masked(summary),
        "SPECBIAS_EXPERIMENT": experiment,
        "SPECBIAS_SWEEP": sweep_id,
        "SPECBIAS_RUN": parent_run,
    }
    try:
        said = _run(command, {**os.environ, **told}, limit)
    except (OSError, ValueError) as error:
        said = str(error).splitlines()[0]
    if said:
        show(f"--on-finish failed: {said}; the sweep's results are not touched by that")


def _run(command: str, environment: dict[str, str], limit: float) -> str:
    """Return "" where the command went well, else what went wrong."""
    # a group of its own: a time-out ends all it started, and a Ctrl-C at the terminal does not
    with subprocess.Popen(
        command, shell=True, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return f"it took more than {limit:g} s"
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return f"it ended with status {status}" if status else ""

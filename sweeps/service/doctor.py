"""Can this machine run a sweep? The command that runs all checks (checks.py) and prints a line for each.

It starts nothing and asks only this machine. A sweep itself asks the other nodes of a cluster.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import tyro

from specbias.settings import SettingError
from specbias.settings.output import guard_output
from sweeps.service.checks import CHECKS, PROBLEM, Places


def doctor(arguments: Sequence[str]) -> int:
    """Print the table, a line as soon as it is known, and return the exit status."""
    guard_output()
    places = tyro.cli(Places, args=arguments, prog="python -m sweeps doctor")
    if places.data_dir is not None:
        os.environ["SPECBIAS_DATA_DIR"] = places.data_dir
    problems = 0
    for what, look in CHECKS.items():
        try:
            for finding in look(places):
                print(f"{finding.state:8} {finding.what:15} {finding.message}", flush=True)
                problems += finding.state == PROBLEM
        except SettingError as error:
            print(f"{PROBLEM:8} {what:15} {error}", flush=True)
            problems += 1
    print(f"\n{problems} problem{'s' * (problems != 1)}" if problems else "\nall a sweep needs is here")
    return int(problems > 0)

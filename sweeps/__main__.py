"""Which studies are there, and can this machine run them?

python -m sweeps            lists the studies
python -m sweeps doctor     checks what a sweep needs on this machine, and says how to fix each problem
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from sweeps.service.doctor import doctor
from sweeps.service.study import Study


def main() -> None:
    """List the studies, or examine the machine. Exit status: 0, 1 with a problem, 2 for bad input."""
    match sys.argv[1:]:
        case ["doctor", *arguments]:
            sys.exit(doctor(arguments))
        case [] | ["-h"] | ["--help"]:
            print(listing())
        case [other, *_]:
            print(f"error: python -m sweeps {other}: the one command is doctor", file=sys.stderr)
            sys.exit(2)


def studies() -> dict[str, Study]:
    """Return the studies by the command that runs each: a script, and where that has several, a name."""
    found: dict[str, Study] = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        script, module = f"python {os.path.relpath(path)}", importlib.import_module(f"sweeps.{path.stem}")
        own = {script: module.STUDY} if hasattr(module, "STUDY") else {}  # neither: the former name of a study
        several = {f"{script} {name}": study for name, study in getattr(module, "STUDIES", {}).items()}
        for command, study in (own | several).items():
            if study not in found.values():  # a script of its own comes first
                found[command] = study
    return found


def listing() -> str:
    """Return a line per study, how it is called and its question, and what they have in common."""
    lines = [f"{command:43} {study.question.splitlines()[0]}" for command, study in studies().items()]
    common = "Each takes --quick, --dry-run and --help. Can this machine run them? python -m sweeps doctor"
    return "\n".join(["usage: python -m sweeps [doctor]", "", *lines, "", common])


if __name__ == "__main__":
    main()

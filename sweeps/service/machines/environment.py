"""What does a trial need in its process? Folders, and the user's own code."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from specbias.settings import own_code


class Environment(NamedTuple):
    """What the driver has, for the workers: they run elsewhere, in other folders."""

    folders: Mapping[str, str] = {}  # environment variable -> absolute path
    files: Mapping[str, bytes] = {}  # specbias.settings.own_code.files

    def enter(self) -> None:
        """Have it all in this process too."""
        os.environ.update(self.folders)
        own_code.add(self.files)

    def call(self, function: Callable, *arguments: Any) -> Any:
        """Enter, then call the function."""
        self.enter()
        return function(*arguments)


def folders_of(data_dir: str | None) -> dict[str, str]:
    """Return where data and caches are: where the user says, else as the variables of this process are."""
    found = {name: os.environ.get(name) for name in ("SPECBIAS_DATA_DIR", "SPECBIAS_CACHE_DIR")}
    found["SPECBIAS_DATA_DIR"] = data_dir or found["SPECBIAS_DATA_DIR"]
    return {name: str(Path(path).expanduser().resolve()) for name, path in found.items() if path}

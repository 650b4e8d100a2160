"""A process that has a sweep's lock and writes a line every 20 ms, until it is killed or has lost it.

  python tests/sweeps/hold.py CLAIMS FILE OUTPUT [MACHINE]

CLAIMS is a folder in the place of a store, FILE the lock's on the storage. Where a MACHINE is named it is as if it ran
there, and a second of silence was long.
"""

import contextlib
import os
import sys
import time
from pathlib import Path

from specbias.settings import SettingError
from sweeps.service.keep import lock as lock_module
from sweeps.service.keep.lock import Guarded, Lock


class Board:
    """Claims in a folder, a file for each."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)

    def read(self):
        found = {}
        for file in self.folder.glob("[!.]*"):
            with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                found[file.name] = file.read_text()
        return found

    def write(self, token, claim):
        (self.folder / f".{token}").write_text(claim)
        os.replace(self.folder / f".{token}", self.folder / token)

    def delete(self, token):
        (self.folder / token).unlink(missing_ok=True)


def main():
    claims, file, output, *machine = sys.argv[1:]
    if machine:
        lock_module.kernel, lock_module.SILENT, lock_module.BEAT = lambda: machine[0], 1.0, 0.2
    with Path(output).open("a", buffering=1) as lines:
        try:
            with Lock(Board(claims), file) as held:
                guarded = Guarded(lines, held)
                while True:
                    guarded.write("a line\n")
                    time.sleep(0.02)
        except SettingError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()

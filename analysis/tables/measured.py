"""What does a file of a measurement hold? The arrays of an .npz, and a short name for each of several files."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.tables.table import RecordError


def read_measurement(file: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz of `python -m specbias measure`, or of a trial's run; RecordError if it is none."""
    beside = file.parent / f"{file.stem}.npz"
    cure = f"; its arrays are in {beside}" if beside != file and beside.is_file() else ""
    try:
        arrays = np.load(file)
        if not isinstance(arrays, np.lib.npyio.NpzFile):
            raise ValueError("one array")
        with arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise RecordError(f"{file}: {why or f'no whole .npz file of a measurement{cure}'}") from None


def names_of(files: Sequence[Path]) -> list[str]:
    """Return a name for each file: its own without the ending, or the whole path where two are called alike."""
    stems = [file.stem for file in files]
    return stems if len(set(stems)) == len(stems) else [str(file) for file in files]

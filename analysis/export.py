"""How do I get the table? Writes a sweep's records as CSV: a row per trial and epoch, with all settings and metrics.

The other scripts read the file with --records.

  python analysis/export.py --experiment cifar-quick --out records.csv
  python analysis/export.py --experiment cifar-quick --out records.csv --arrays     also records.npz, for the
                                      scripts that need the values of each path: decompose.py, spectra.py
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from analysis.tables.options import Options, read_options


@dataclass(frozen=True)
class ExportOptions(Options):
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """File to write; default records.csv here."""
    arrays: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Also write the arrays to an .npz beside it: of each trial the last epoch, of the baseline's first trial all."""


def main() -> None:
    """Write the table and print what is in it."""
    options = read_options(ExportOptions, __doc__)
    from analysis.findings import header  # pandas and mlflow only past --help
    from analysis.tables.arrays import write_arrays
    from analysis.tables.records import open_records
    from analysis.tables.records_file import write_records
    from analysis.tables.table import RecordError

    file = options.out or Path("records.csv")
    if file.suffix == ".npz":
        print(f"error: --out {file}: .npz is for the arrays; name a .csv file", file=sys.stderr)
        sys.exit(2)
    try:
        records = open_records(options)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_records(records, file)
        beside = file.with_suffix(".npz")
        measurements = write_arrays(records, beside) if options.arrays else 0
    except (RecordError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    rows, settings, metrics = len(records.table), len(records.settings), len(records.metrics)
    print("\n".join(header(records)))
    print(f"{file}: {rows} rows (trial, epoch), {settings} settings, {metrics} metrics")
    if measurements:
        print(f"{beside}: the arrays of {measurements} measurements, {beside.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

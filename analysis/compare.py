"""Do networks differ? Compares measured networks with the first one, path by path if they share paths.

It reads the files of `python -m specbias measure`, and shows spectra on one axis and differences with 95% intervals,
also class by class.

  python -m specbias measure --model M --checkpoint a.pt --output a.json      (then b.pt, b.json)
  python analysis/compare.py a.npz b.npz
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from specbias.settings import SettingError
from specbias.settings.output import guard_output


@dataclass(frozen=True)
class CompareOptions:
    files: tyro.conf.Positional[Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE")]]
    """Measured networks, .npz or .json; the others are compared with the first."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("figures/compare")
    """Folder for the figure and the numbers."""
    width: Annotated[float, tyro.conf.arg(metavar="CM")] = 17.5
    """Width of the figure; below 12 cm its panels are stacked."""


def main() -> None:
    """Print the differences, save them as JSON with the figure."""
    guard_output()
    options = tyro.cli(CompareOptions, description=__doc__)
    from analysis.findings import plain
    from specbias.comparison import compare
    from specbias.portraits import save

    try:
        found = compare(*options.files)
        options.out.mkdir(parents=True, exist_ok=True)
        files = save(found.plot(width=options.width), options.out / "compare.png")
        files.append(options.out / "compare.json")
        files[-1].write_text(json.dumps(plain({"differences": found.to_frame(), "notes": found.notes}), indent=1))
    except SettingError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"error: --out {options.out}: {error.strerror or error}", file=sys.stderr)
        sys.exit(2)
    print(found, "", *(f"saved: {file}" for file in files), sep="\n")


if __name__ == "__main__":
    main()

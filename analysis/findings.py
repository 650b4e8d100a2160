"""What does an analysis give, and where does it go? Claims, tables and figures: printed, saved and attached."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.inference.claim import Claim, as_text
from analysis.tables.options import Options
from analysis.tables.table import RecordError, Records


@dataclass
class Findings:
    """The results of an analysis."""

    claims: list[Claim] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)  # name of the file -> matplotlib's figure
    captions: dict[str, str] = field(default_factory=dict)  # name of the file -> n, interval and data set
    tables: list[str] = field(default_factory=list)  # for people
    notes: list[str] = field(default_factory=list)  # what was left out and why; how the claims were judged
    numbers: dict[str, Any] = field(default_factory=dict)  # for JSON


def publish(name: str, analyse: Callable[[Records], Findings], options: Options) -> None:
    """Print what `analyse` finds in the records, save it as NAME.json with its figures, attach it to the sweep.

    What cannot be done is one line and status 2.
    """
    from analysis.tables.records import attach, open_records  # mlflow only past --help

    with one_line():
        records = open_records(options)
        found = analyse(records)
        paths = write(name, found, options.folder, about=origin(records), source=where(records))
    attached = attach(records, paths)
    print(as_lines(header(records), found, paths, also=", and attached to the parent run" if attached else ""))


@contextmanager
def one_line() -> Iterator[None]:
    """End the script with one line and status 2 where something cannot be done, with 130 on an interrupt."""
    try:
        yield
    except (RecordError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted: nothing was saved or attached", file=sys.stderr)
        sys.exit(130)


def write(name: str, found: Findings, folder: Path, *, about: dict[str, Any], source: str) -> list[Path]:
    """Save the figures, whose captions end with their source, and NAME.json, which is about that; return the paths."""
    from analysis.figures import save

    folder.mkdir(parents=True, exist_ok=True)
    drawn = [
        path
        for key, figure in found.figures.items()
        for path in save(figure, folder, key, caption=f"{found.captions.get(key, '')} {source}")
    ]
    file = folder / f"{name}.json"
    file.write_text(json.dumps(about | as_json(found), indent=1, allow_nan=False))
    return [*drawn, file]


def as_lines(header: list[str], found: Findings, paths: list[Path], *, also: str = "") -> str:
    """Return what a script prints: what it is of, notes, tables, claims, and where all of it was saved."""
    lines = [*header, *found.notes, *("\n" + table for table in found.tables)]
    lines += [as_text(found.claims)] if found.claims else []
    return "\n".join([*lines, f"\nsaved{also}:", *(f"  {path}" for path in paths)])


def where(records: Records) -> str:
    """Return where a figure's data are from, the end of its caption."""
    return f"{records.source}, sweep {records.sweep_id}." if records.sweep_id else f"{records.source}."


def header(records: Records) -> list[str]:
    """Return the lines on the records that come first: where they are from, how many trials, and what was left out."""
    sweep = f", sweep {records.sweep_id}" if records.sweep_id else ""
    study = f" of {records.study}" if records.study else ""
    what = "at their last epoch"
    if "part" in records.last:
        what = "of " + ", ".join(f"part={part} ({count})" for part, count in Counter(records.last["part"]).items())
    lines = [f"{records.source}{sweep}{study}: {len(records.last)} trials {what}"]
    if len(versions := records.measure_versions.unique()):
        lines.append(f"paths measured by version {', '.join(map(str, versions))} of the measure (docs/measurements.md)")
    if records.other_sweeps:
        lines.append(f"other sweeps here, for --sweep: {', '.join(records.other_sweeps)}")
    if records.left_out:
        lines.append("left out: " + ", ".join(f"{count} {why}" for why, count in records.left_out.items()))
    return lines


def origin(records: Records) -> dict[str, Any]:
    """Return the entry of the JSON on the records; its `trials` lead from a point of a figure to its run in MLflow."""
    trials = records.last[["trial_id", "run_id", "label", "intervention", "epoch"]]
    named = {"source": records.source, "sweep_id": records.sweep_id, "study": records.study}
    return named | {"left_out": records.left_out, "trials": plain(trials)}


def as_json(found: Findings) -> dict[str, Any]:
    """Return what the JSON file holds of the findings."""
    claims = [claim.as_dict() for claim in found.claims]
    return {"claims": claims, "captions": found.captions, "notes": found.notes, **plain(found.numbers)}


def plain(value: Any) -> Any:
    """Return a result for JSON, which has no NaN, no infinity, no arrays and no names that are not text."""
    if isinstance(value, pd.DataFrame):
        return [plain(row) for row in value.to_dict("records")]
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, dict):
        return {_name(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, np.ndarray, pd.Series)):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _name(key: Any) -> str:
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)

"""What does an analysis give, and where does it go? Claims, tables and figures: printed, saved and attached."""

from __future__ import annotations

import json
import math
import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.inference.claim import Claim, as_text
from analysis.options import Options
from analysis.table import RecordError, Records


@dataclass
class Findings:
    """What an analysis found."""

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
    from analysis.figures import save  # matplotlib and mlflow only past --help
    from analysis.records import attach, open_records

    try:
        records = open_records(options)
        found = analyse(records)
        options.folder.mkdir(parents=True, exist_ok=True)
        paths = [
            path
            for key, figure in found.figures.items()
            for path in save(figure, options.folder, key, caption=f"{found.captions.get(key, '')} {where(records)}")
        ]
        paths.append(options.folder / f"{name}.json")
        paths[-1].write_text(json.dumps(as_json(records, found), indent=1, allow_nan=False))
    except (RecordError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted: nothing was saved or attached", file=sys.stderr)
        sys.exit(130)
    attached = attach(records, paths)
    lines = [*header(records), *found.notes, *("\n" + table for table in found.tables)]
    lines += [as_text(found.claims)] if found.claims else []
    lines += [f"\nsaved{', and attached to the parent run' if attached else ''}:", *(f"  {path}" for path in paths)]
    say(lines)


def say(lines: list[str]) -> None:
    """Print the lines; where nobody reads on, as with `| head`, the rest goes nowhere."""
    try:
        print("\n".join(lines), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def where(records: Records) -> str:
    """Return where a figure's data are from, the end of its caption."""
    return f"{records.source}, sweep {records.sweep_id}." if records.sweep_id else f"{records.source}."


def header(records: Records) -> list[str]:
    """Return what is said of the records first: where they are from, how many trials, and what was left out."""
    sweep = f", sweep {records.sweep_id}" if records.sweep_id else ""
    study = f" of {records.study}" if records.study else ""
    what = "at their last epoch"
    if "part" in records.last:
        what = "of " + ", ".join(f"part={part} ({count})" for part, count in Counter(records.last["part"]).items())
    lines = [f"{records.source}{sweep}{study}: {len(records.last)} trials {what}"]
    if records.other_sweeps:
        lines.append(f"other sweeps here, for --sweep: {', '.join(records.other_sweeps)}")
    if records.left_out:
        lines.append("left out: " + ", ".join(f"{count} {why}" for why, count in records.left_out.items()))
    return lines


def as_json(records: Records, found: Findings) -> dict[str, Any]:
    """Return what the JSON file holds; its `trials` lead from a point of a figure to its run in MLflow."""
    trials = records.last[["trial_id", "run_id", "label", "intervention", "epoch"]]
    return {
        "source": records.source,
        "sweep_id": records.sweep_id,
        "study": records.study,
        "claims": [claim.as_dict() for claim in found.claims],
        "captions": found.captions,
        "notes": found.notes,
        "left_out": records.left_out,
        "trials": plain(trials),
        **plain(found.numbers),
    }


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

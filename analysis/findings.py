"""What are the results of a script? Claims, tables and figures, which are printed, saved and attached to the run."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.inference.claim import Claim, as_text, counted, in_words, leading
from analysis.tables.options import Options
from analysis.tables.table import RecordError, Records

WARNINGS = 4  # of what to be careful about that are printed without --full
# Beginnings of lines on the records that are printed without --full too
MISLEADING = ("left out", "measured in several", "older trials")
ANSWERS = 6  # and of answers
LONGEST = 300  # characters of a note that is printed without --full


@dataclass
class Findings:
    """The results of an analysis."""

    claims: list[Claim] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)  # to what was asked, a line each; where none are made, the claims'
    all_answered: bool = False  # whether the answers are of all claims, in other words
    careful: list[str] = field(default_factory=list)  # what these data may mislead about
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
        paths = write(name, found, options, about=origin(records), source=where(records))
    attached = attach(records, paths)
    also = ", and attached to the parent run" if attached else ""
    print(printed(header(records), found, paths, also=also, full=options.full))


def publish_files(name: str, analyse: Callable[[Sequence[Path]], Findings], options: Any) -> None:
    """Print and save what `analyse` finds in `options.files`, which are named instead of a sweep."""
    with one_line():
        given = [each for each in ("experiment", "records", "sweep", "study", "trial") if getattr(options, each)]
        if given:
            raise RecordError(f"--{given[0]} and files: one of the two")
        found, source = analyse(options.files), ", ".join(map(str, options.files))
        paths = write(name, found, options, about={"source": source}, source=f"{source}.")
    print(printed([source], found, paths, full=options.full))


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


def write(name: str, findings: Findings, options: Options, *, about: dict[str, Any], source: str) -> list[Path]:
    """Save the figures, whose captions end with their source, and NAME.json, which is about that; return the paths."""
    from analysis.figures import save

    folder = options.folder
    look: dict[str, Any] = {"formats": options.formats, "width": options.width}
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [
        path
        for key, figure in findings.figures.items()
        for path in save(figure, folder, key, caption=f"{findings.captions.get(key, '')} {source}", **look)
    ]
    file = folder / f"{name}.json"
    file.write_text(json.dumps(about | as_json(findings), indent=1, allow_nan=False))
    return [*drawn, file]


def printed(header: list[str], findings: Findings, paths: list[Path], *, also: str = "", full: bool) -> str:
    """Return what a script prints: the answers, or in full all it has to say."""
    return (as_lines if full else as_answers)(header, findings, paths, also=also)


def as_answers(header: list[str], findings: Findings, paths: list[Path], *, also: str = "") -> str:
    """Return what a script prints first: what it is of, the answers, what to be careful about, where all of it is."""
    said = answers_of(findings)
    lines = [header[0], "", *said[:ANSWERS]]
    lines += [f"and {len(said) - ANSWERS} more"] * (len(said) > ANSWERS)
    if careful := careful_of(header, findings):
        more = [f"and {len(careful) - WARNINGS} more"] * (len(careful) > WARNINGS)
        shown = [line if len(line) <= LONGEST else f"{line[:LONGEST]}..." for line in careful[:WARNINGS]]
        lines += ["", "be careful:", *(f"  {line}" for line in [*shown, *more])]
    drawn = {path.stem: path for path in reversed(paths) if path.stem in findings.figures}  # in its first format
    lines += ["", *(f"figure: {drawn[name]}" for name in findings.figures), f"numbers: {paths[-1]}{also}"]
    return "\n".join([*lines, "every table, note and claim: the same command with --full"])


def answers_of(findings: Findings) -> list[str]:
    """Return the answers to what was asked, a line each."""
    if findings.answers:
        return findings.answers
    if findings.claims:
        return [in_words(claim, f"{claim.trials}: {claim.name}") for claim in leading(findings.claims, ANSWERS)]
    return ["no claim is made of these trials: look at the figure, or at the tables with --full"]


def careful_of(header: list[str], findings: Findings) -> list[str]:
    """Return what to be careful about: what misleads, what other ways of asking say, and what was left out."""
    told = leading(findings.claims, 0 if findings.answers else ANSWERS)
    left = [claim for claim in findings.claims if claim not in told]
    others = [claim for claim in left if in_words(claim, claim.name) not in findings.answers]
    others = [] if findings.all_answered else others
    asked = [f"other ways of asking: {counted(others)}"] * bool(others)
    why = findings.notes if not findings.answers and not findings.claims else []
    return [*findings.careful, *asked, *why, *(line for line in header if line.startswith(MISLEADING))]


def as_lines(header: list[str], findings: Findings, paths: list[Path], *, also: str = "") -> str:
    """Return all that a script has to say: what it is of, notes, tables, claims, and where all of it was saved."""
    lines = [
        *header,
        *findings.answers,
        *findings.notes,
        *findings.careful,
        *("\n" + table for table in findings.tables),
    ]
    lines += [as_text(findings.claims)] if findings.claims else []
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
    precisions = records.last.get("measure_precision", pd.Series(dtype=str)).value_counts()
    if len(precisions) > 1:
        each = ", ".join(f"{name} ({count})" for name, count in precisions.items())
        lines.append(f"measured in several precisions, whose rounding differs: {each}")
    if records.defaulted:
        lines.append(f"older trials lack these settings, and have their defaults: {', '.join(records.defaulted)}")
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


def as_json(findings: Findings) -> dict[str, Any]:
    """Return what the JSON file holds of the findings."""
    claims = [claim.as_dict() for claim in findings.claims]
    said = {
        "answers": answers_of(findings),
        "captions": findings.captions,
        "notes": [*findings.notes, *findings.careful],
    }
    return {"claims": claims, **said, **plain(findings.numbers)}


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

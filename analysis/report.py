"""What did the sweep show? One page in one file, which works offline: answers and figures first, then details.

It runs every analysis that the sweep's trials allow. The page is attached to the sweep's parent run, where MLflow's
artifact viewer shows it.

  python analysis/report.py --experiment cifar-quick
"""

from __future__ import annotations

import base64
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.tables.options import Options, read_options
from specbias.settings.masking import masked

if TYPE_CHECKING:
    from analysis.findings import Findings
    from analysis.tables.table import Records

ANALYSES = (
    "interventions",
    "measures",
    "spectra",
    "decompose",
    "noise_fitting",
    "image_frequency",
    "training_curves",
    "class_diversity",
    "importance",
)
LARGEST = 4_000_000  # bytes of a table that the page carries
PANEL = 11.0  # cm: the width of a panel
DPI = 110
AXES = ("generalization/test_accuracy", "frequency/within_class", "frequency/between_class", "noise_fitting/min")


def page_of(records: Records) -> tuple[str, dict[str, Findings], list[tuple[str, str]]]:
    """Return the page, the results of each analysis, and which could not be done and why."""
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    from analysis.tables.table import RecordError

    found, not_done = run_analyses(records)
    try:
        trained = records.of_part("training")
    except RecordError:  # a sweep of networks that were there before: its rows are classes, and no epochs
        trained = None
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    content = _facts(records, trained) | _interactive(trained)
    script = Path(__file__).with_name("trials.js").read_text()
    sections = [_section(name, each, records) for name, each in found.items()]
    claims = [claim for each in found.values() for claim in each.claims]
    page = environment.get_template("report.html").render(
        **content, script=Markup(script), sections=sections, claims=claims, not_done=not_done
    )
    return page, found, not_done


def run_analyses(records: Records) -> tuple[dict[str, Findings], list[tuple[str, str]]]:
    """Return what each analysis finds, by its name, and of those that cannot be done why not."""
    from analysis.studies import STUDIES
    from specbias.settings.registry import load

    found, not_done = {}, []
    for name in ("synthetic",) if records.study in STUDIES else ANALYSES:
        analyse: Callable[[Records], Findings] = load(f"analysis.{name}:{name}")
        try:
            found[name] = analyse(records)
        except ValueError as error:  # RecordError is one; a page is not lost for an analysis
            not_done.append((name, str(error).splitlines()[0]))
    return found, not_done


def _facts(records: Records, trained: Records | None) -> dict[str, Any]:
    from analysis.findings import header

    shown = [] if trained is None else ["label", "trial_id", "run_id", "epoch", *trained.varied, *trained.metrics]
    rows = [] if trained is None else trained.last[shown].itertuples(index=False)
    table = records.table.to_csv(index=False).encode()
    outcomes = {name: sum(trial["outcome"] == name for trial in records.trials) for name in _outcomes(records)}
    return {
        "title": f"{records.study or records.source} {records.sweep_id}".strip(),
        "summary": ". ".join(header(records)) + ".",
        "question": records.about.get("mlflow.note.content", "").partition("\n\n[")[0],  # then a link to the trials
        "outcomes": ", ".join(f"{count} {name}" for name, count in outcomes.items()) or f"{len(records.last)} trials",
        "failures": [trial for trial in records.trials if trial["outcome"] != "finished"],
        "columns": shown,
        "rows": [[_cell_text(value) for value in row] for row in rows],
        "listed": "All trials"
        if trained is not None and len(trained.last) == len(records.last)
        else "Trained networks",
        "table": base64.b64encode(table).decode() if len(table) <= LARGEST else "",
        "table_rows": len(records.table),
        "varied": ", ".join(records.varied),
        "about": sorted((name, masked(text)) for name, text in records.about.items() if name != "mlflow.note.content"),
    }


def _outcomes(records: Records) -> list[str]:
    return list(dict.fromkeys(trial["outcome"] for trial in records.trials))


def _interactive(trained: Records | None) -> dict[str, Any]:
    """Return the trials as points that the page draws, with a menu of metrics; a sweep of one trial or metric has none.

    Finite values alone: JSON has no others.
    """
    from analysis.figures.labels import label
    from analysis.figures.look import styles

    if trained is None:
        return {"trials": None}
    last = trained.last
    there = [name for name in trained.metrics if np.isfinite(last[name].astype(float)).any()]
    if len(last) < 2 or len(there) < 2:
        return {"trials": None}
    metrics = list(dict.fromkeys([*(name for name in AXES if name in there), *there]))
    points = [
        {
            "group": row["intervention"],
            "text": f"{row['label']}, trial {row['trial_id']}, run {row['run_id']}",
            "values": {name: float(row[name]) if np.isfinite(row[name]) else None for name in metrics},
        }
        for _, row in last.iterrows()
    ]
    titles = {name: label(name).replace("\n", " ") for name in metrics}
    colours = {name: look.colour for name, look in styles(last["intervention"]).items()}
    x, y = metrics[:2]
    return {"trials": {"metrics": metrics, "x": x, "y": y, "titles": titles, "colours": colours, "points": points}}


def _section(name: str, found: Findings, records: Records) -> dict[str, Any]:
    from analysis.figures.look import SINGLE, panel_count
    from analysis.findings import answers_of, careful_of, header
    from analysis.inference.claim import cells

    names = ("name", "value", "interval", "n", "criterion", "verdict", "note")
    claims = [dict(zip(names, cells(claim), strict=True)) | {"trials": claim.trials} for claim in found.claims]
    figures = [
        {"name": key, "caption": found.captions.get(key, ""), "images": _pngs(figure, panel_count(figure) <= SINGLE)}
        for key, figure in found.figures.items()
    ]
    said = {"answers": answers_of(found), "careful": careful_of(header(records), found), "notes": found.notes}
    title = name.replace("_", " ").capitalize()
    return {"title": title, "claims": claims, "figures": figures, "tables": found.tables, **said}


def _pngs(figure: Any, alone: bool) -> list[str]:
    """Return a figure as pictures in base64: whole, or its panels alone, which can be read on a telephone."""
    from analysis.figures import save

    with tempfile.TemporaryDirectory() as folder:
        whole, *panels = save(figure, Path(folder), "figure", formats=["png"], width=PANEL if alone else None, dpi=DPI)
        return [base64.b64encode(each.read_bytes()).decode() for each in (panels or [whole])]


def _cell_text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Write report.html and the claims as report.json, and attach both to the sweep's parent run."""
    options = read_options(Options, __doc__)
    import json

    from analysis.findings import header  # pandas, matplotlib and mlflow only past --help
    from analysis.inference.claim import counted
    from analysis.tables.records import attach, open_records
    from analysis.tables.table import RecordError

    try:
        records = open_records(options)
        page, found, not_done = page_of(records)
        options.folder.mkdir(parents=True, exist_ok=True)
        paths = [options.folder / "report.html", options.folder / "report.json"]
        paths[0].write_text(page)
        claims = {name: [claim.as_dict() for claim in each.claims] for name, each in found.items()}
        paths[1].write_text(json.dumps(claims, indent=1, allow_nan=False))
    except (RecordError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted: nothing was saved or attached", file=sys.stderr)
        sys.exit(130)
    lines = header(records)
    for name, each in found.items():
        lines.append(f"  {name}: {counted(each.claims) or 'no claims'}")
    lines += [f"  {name}: not done ({why})" for name, why in not_done]
    attached = attach(records, paths)
    lines += [f"saved{', and attached to the parent run' if attached else ''}:", *(f"  {path}" for path in paths)]
    print("\n".join(lines))


if __name__ == "__main__":
    main()

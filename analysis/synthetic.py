"""Do networks learn low frequencies first? The figures and claims of "On the Spectral Bias of Neural Networks".

For one sweep of a study on targets of known frequency: its figures (Rahaman et al., ICML 2019), and for each claim the
number with its 95% interval over runs, and whether the claim held.

  python analysis/synthetic.py --experiment sinusoids-quick
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pandas as pd
import tyro

from analysis.options import Options
from analysis.studies import STUDIES


def main() -> None:
    """Print claims and tables, save figures and numbers, and attach them to the sweep's parent run."""
    options = tyro.cli(Options, description=__doc__)
    from analysis.figures import save  # matplotlib and mlflow only past --help
    from analysis.inference.claim import RULE, as_text
    from analysis.records import RecordError, attach, load_records
    from analysis.studies.trial import Findings, StudyError
    from specbias.registry import load

    uri, folder = options.uri, options.folder
    try:
        records = load_records(options.experiment, tracking_uri=uri, sweep=options.sweep)
        study = records.table["study"].iloc[0]
        if study not in STUDIES:
            raise RecordError(f"{options.experiment!r} is a sweep of {study!r}; this analyses: {', '.join(STUDIES)}")
        trials = load_trials(records.table, uri)
        found: Findings = load(STUDIES[study])(trials)
        folder.mkdir(parents=True, exist_ok=True)
    except (RecordError, StudyError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)

    print(f"{options.experiment}, sweep {records.sweep_id} of {study}: {len(trials)} trials")
    if records.other_sweeps:
        print(f"other sweeps here, for --sweep: {', '.join(records.other_sweeps)}")
    if records.left_out:
        print("left out: " + ", ".join(f"{count} {why}" for why, count in records.left_out.items()))
    for table in found.tables:
        print("\n" + table)
    if found.claims:
        print(as_text(found.claims) + f"\n\n95% bootstrap intervals over runs. {RULE}")

    paths = [path for name, figure in found.figures.items() for path in save(figure, folder, name)]
    paths.append(folder / "synthetic.json")
    content = {"sweep_id": records.sweep_id, "study": study, "claims": [claim.as_dict() for claim in found.claims]}
    content |= {"numbers": found.numbers, "left_out": records.left_out}
    paths[-1].write_text(json.dumps(content, indent=1, allow_nan=False))
    attach(records.parent_run_id, paths, tracking_uri=uri)
    print("\nsaved, and attached to the parent run:\n" + "\n".join(f"  {path}" for path in paths))


def load_trials(table: pd.DataFrame, uri: str) -> list[Any]:
    """Return the Trials of a sweep's records, each with its settings and the arrays of its last measurement."""
    from analysis.records import load_arrays
    from analysis.studies.trial import Trial

    last = table.sort_values("epoch").groupby("trial_id", sort=False).tail(1).set_index("trial_id")
    fixed = {"run_id", "label", "study", "intervention", "search", "epoch"}
    trials = []
    for trial_id in table["trial_id"].unique():  # the sweep's order
        row = last.loc[trial_id].to_dict()
        settings = {name: value for name, value in row.items() if "/" not in name and name not in fixed}
        trials.append(Trial(row["label"], settings, load_arrays(row["run_id"], tracking_uri=uri)))
    return trials


if __name__ == "__main__":
    main()

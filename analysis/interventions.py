"""Does what raises test accuracy raise the frequency between classes and lower it within them?

Claim 2 of "Spectral Bias in Practice" (NeurIPS 2022), for the trials of one sweep: rank correlations of test accuracy
with within-class and between-class function frequency, over all trials and per intervention, and the figure.

  python analysis/interventions.py --experiment cifar-quick
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass

import pandas as pd
import tyro

from analysis.inference import Association, kendall_tau, spearman
from analysis.options import Options

ACCURACY = "generalization/test_accuracy"
KINDS = ("frequency/within_class", "frequency/between_class")
FEWEST = 5  # trials: below that a rank correlation says nothing


@dataclass(frozen=True)
class Row:
    """The associations of one group of trials; None where the group is too small."""

    trials: str
    n: int
    spearman: dict[str, Association] | None
    kendall: dict[str, Association] | None


def associations(last: pd.DataFrame) -> list[Row]:
    """Return a Row for all trials and one per intervention, that intervention's trials with the baseline's.

    `last` has a row per trial (its last epoch) with the columns trial_id, intervention and the three metrics. The
    resampling unit is the trial. Fewer than 5 distinct trials get no coefficient.
    """
    groups = {"all": last}
    baseline = last["intervention"] == "baseline"
    for name in sorted(set(last["intervention"]) - {"baseline"}):
        groups[name] = last[(last["intervention"] == name) | baseline]
    rows = []
    for name, group in groups.items():
        n = group["trial_id"].nunique()
        if n < FEWEST:
            rows.append(Row(name, n, None, None))
            continue
        found = [
            {kind: measure(group[ACCURACY].to_numpy(), group[kind].to_numpy()) for kind in KINDS}
            for measure in (spearman, kendall_tau)
        ]
        rows.append(Row(name, n, *found))
    return rows


def as_text(rows: list[Row]) -> str:
    """Return the rows as a table for people: coefficient and 95% interval."""
    lines = [
        f"{'':24} {'':>6}  {'within-class frequency':^47}  {'between-class frequency':^47}".rstrip(),
        f"{'trials':24} {'n':>6}" + f"  {'Spearman':^23} {'Kendall tau-b':^23}" * 2,
    ]
    for row in rows:
        if row.spearman is None or row.kendall is None:
            lines.append(f"{row.trials:24} {row.n:6}  too few ({FEWEST} needed)")
            continue
        cells = (said for kind in KINDS for said in (_said(row.spearman[kind]), _said(row.kendall[kind])))
        lines.append(f"{row.trials:24} {row.n:6}  " + " ".join(f"{cell:^23}" for cell in cells))
    return "\n".join(line.rstrip() for line in lines)


def _said(found: Association) -> str:
    if math.isnan(found.statistic):
        return "undefined (constant)"
    low, high = found.interval
    return f"{found.statistic:+.2f} [{low:+.2f}, {high:+.2f}]"


def main() -> None:
    """Print the table, save the figure and its numbers, and attach them to the sweep's parent run."""
    options = tyro.cli(Options, description=__doc__)
    from analysis.figures import interventions_figure, save  # matplotlib and mlflow only past --help
    from analysis.records import RecordError, attach, load_records

    uri, folder = options.uri, options.folder
    try:
        records = load_records(options.experiment, tracking_uri=uri, sweep=options.sweep)
        folder.mkdir(parents=True, exist_ok=True)
    except (RecordError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    if missing := [metric for metric in (ACCURACY, *KINDS) if metric not in records.metrics]:
        print(f"error: the trials of {options.experiment} have no {', '.join(missing)}", file=sys.stderr)
        sys.exit(2)
    last = records.table.sort_values("epoch").groupby("trial_id").tail(1)
    rows = associations(last)
    print(f"{options.experiment}, sweep {records.sweep_id}: {len(last)} trials at their last epoch")
    print("test accuracy with function frequency; 95% bootstrap intervals over trials; an intervention's trials are")
    print("taken with the baseline's")
    if records.other_sweeps:
        print(f"other sweeps here, for --sweep: {', '.join(records.other_sweeps)}")
    if records.left_out:
        print("left out: " + ", ".join(f"{count} {why}" for why, count in records.left_out.items()))
    print("\n" + as_text(rows) + "\n")

    paths = save(interventions_figure(records.table), folder, "interventions")
    paths.append(folder / "interventions.json")
    content = {"sweep_id": records.sweep_id, **_as_json(rows, last), "left_out": records.left_out}
    paths[-1].write_text(json.dumps(content, indent=1, allow_nan=False))
    attach(records.parent_run_id, paths, tracking_uri=uri)
    print("saved, and attached to the parent run:\n" + "\n".join(f"  {path}" for path in paths))


def _as_json(rows: list[Row], last: pd.DataFrame) -> dict:
    def numbers(found: Association) -> dict:
        values = (found.statistic, *found.interval)
        statistic, *interval = (value if math.isfinite(value) else None for value in values)  # JSON has no NaN
        return {"statistic": statistic, "interval": interval}

    named = [
        {"trials": row.trials, "n": row.n}
        | {
            f"{method}/{kind}": numbers(found[kind])
            for method, found in (("spearman", row.spearman), ("kendall_tau_b", row.kendall))
            if found is not None
            for kind in KINDS
        }
        for row in rows
    ]
    columns = ["trial_id", "label", "intervention", "epoch", ACCURACY, *KINDS]
    return {"associations": named, "trials": last[columns].to_dict("records")}


if __name__ == "__main__":
    main()

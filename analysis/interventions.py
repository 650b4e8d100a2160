"""Does what raises test accuracy raise the frequency between classes and lower it within them?

Claim 2 of "Spectral Bias in Practice" (NeurIPS 2022), for the trials of one sweep: rank correlations of test accuracy
with within-class and between-class function frequency, over all trials and per intervention, and the figure.

  python analysis/interventions.py --experiment cifar-quick
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import tyro

from analysis.inference import Association, kendall_tau, spearman
from analysis.options import Options

if TYPE_CHECKING:
    from analysis.findings import Findings
    from analysis.table import Records

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


def interventions(records: Records) -> Findings:
    """Return the associations, overall and per intervention, and the figure."""
    from analysis.figures import interventions_figure
    from analysis.findings import Findings

    records.need(ACCURACY, *KINDS)
    rows = associations(records.last)
    figure = interventions_figure(records.table)
    return Findings(tables=[as_text(rows)], figures={"interventions": figure}, numbers={"associations": rows})


def main() -> None:
    """Print the table, save the figure and its numbers, and attach them to the sweep's parent run."""
    options = tyro.cli(Options, description=__doc__)
    from analysis.findings import publish  # matplotlib and mlflow only past --help

    publish("interventions", interventions, options)


if __name__ == "__main__":
    main()

"""Which of many measures go with a target? Rank correlations, with the share of false discoveries held down."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from analysis.inference.rank import permutation_p, spearman
from analysis.inference.resampling import unit_means
from analysis.inference.rows import demand_columns

FEWEST = 5  # finite values that a measure must have


def associate_all(
    table: pd.DataFrame, measures: Sequence[str], *, target: str, family: str, cluster: str
) -> pd.DataFrame:
    """Return a row per measure: measure, rho, low, high (95%, over clusters), rho_within, p, q, n, left_out.

    rho_within is the correlation of the means of clusters within families, p of that, the target permuted within them,
    and q Benjamini and Hochberg's of p over all measures given: declare them before looking. Both may be sure of
    opposite signs. Measures with fewer than 5 finite values have no row. ValueError for a column that is not there or
    holds no numbers, and for a cluster of several families.
    """
    demand_columns(table, numbers=[*measures, target], others=[family, cluster])
    rows = []
    for name in measures:
        if np.isfinite(table[name].astype(float)).sum() < FEWEST:
            continue
        found = spearman(table[target], table[name], clusters=table[cluster])
        means = unit_means(table, [target, name], family=family, cluster=cluster)
        within = spearman(means[target], means[name], blocks=means[family])
        p = permutation_p(means[target], means[name], blocks=means[family])
        rows.append((name, found.statistic, *found.interval, within.statistic, p, np.nan, found.n, found.left_out))
    columns = ["measure", "rho", "low", "high", "rho_within", "p", "q", "n", "left_out"]
    found = pd.DataFrame(rows, columns=columns)
    defined = found["p"].notna()
    if defined.any():
        found.loc[defined, "q"] = false_discovery_control(found.loc[defined, "p"])
    return found


def as_text(associations: pd.DataFrame, target: str) -> str:
    """Return the measures for people, the strongest first."""
    width = max([len(target) + 5, *associations["measure"].str.len()])
    lines = [f"{target + ' with:':{width}}  {'Spearman':^22} {'within':>7} {'p':>9} {'q':>7}  n"]
    for row in associations.sort_values("rho", key=abs, ascending=False).itertuples():
        ends = "no interval" if np.isnan(row.low) else f"[{row.low:+.2f}, {row.high:+.2f}]"
        coefficient = "undefined" if np.isnan(row.rho) else f"{row.rho:+.2f} {ends}"
        within = "-" if np.isnan(row.rho_within) else f"{row.rho_within:+.2f}"
        p, q = ("-" if np.isnan(value) else f"{value:.3g}" for value in (row.p, row.q))
        lines.append(f"{row.measure:{width}}  {coefficient:^22} {within:>7} {p:>9} {q:>7}  {row.n}")
    return "\n".join(lines)

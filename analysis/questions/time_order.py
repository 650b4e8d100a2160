"""In which order does a network learn frequencies? Does its frequency rise from one measured epoch to the next?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis.questions.by_intervention import ACCURACY, KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd

    from analysis.inference.claim import Claim
    from analysis.tables.table import Records

WITHIN, BETWEEN = KINDS
RISING = (BETWEEN, f"{BETWEEN}/mirror", WITHIN)  # whose order in time is looked at; claimed of the first two
LEAST = 3  # measurements of a network in training, epoch 0 is none, whose order says anything


def curves_table(records: Records) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows with both frequencies and test accuracy, of a setting and seed the first trial's; and notes."""
    from analysis.tables.conditions import BASELINE, seeds_of, setting_names
    from analysis.tables.table import RecordError

    there = records.table[[ACCURACY, *KINDS]].notna().all(axis=1)
    table = records.table[there].copy()
    if table.empty:
        raise RecordError(f"no epoch of {records.source} has all of {ACCURACY}, {', '.join(KINDS)}")
    table["setting"] = table["trial_id"].map(setting_names(records))
    table["seed"] = table["trial_id"].map(seeds_of(records))
    named = (table["intervention"].fillna("") != "") & (table["setting"] != BASELINE)
    table["intervention"] = table["intervention"].where(named, table["setting"])
    trials = table.drop_duplicates("trial_id")
    again = trials.loc[trials.duplicated(["setting", "seed"]), "trial_id"]
    left_out = (
        ((~there).sum(), f" of {len(there)} rows without both frequencies and test accuracy"),
        (len(records.last) - len(trials), " trials without any such row"),
        (len(again), " trials that repeat the setting and seed of another"),
    )
    notes = [f"left out: {count}{why}" for count, why in left_out if count]
    return table[~table["trial_id"].isin(again)], notes


def time_orders(table: pd.DataFrame) -> list[dict]:
    """Return a row per trial: the rank correlation of each frequency with epoch, over measured epochs but epoch 0.

    None where it was measured at fewer than 3 of those, or the frequency is constant.
    """
    from analysis.inference.learning_time import rank_correlation

    rows, names = [], ["trial_id", "setting", "seed"]
    for trial, curve in table.sort_values("epoch").groupby(names, sort=False):
        row: dict = dict(zip(names, trial, strict=True))
        trained = curve[curve["epoch"] > 0]
        for kind in RISING:
            after = trained.dropna(subset=[kind]) if kind in curve else curve.iloc[:0]
            rho = rank_correlation(after["epoch"].to_numpy(), after[kind].to_numpy()) if len(after) >= LEAST else None
            row[kind] = None if rho is None or rho != rho else rho
        rows.append(row | {"epochs": len(trained)})
    settings = list(dict.fromkeys(table["setting"]))
    return sorted(rows, key=lambda row: (settings.index(row["setting"]), row["seed"]))


def rising_claims(orders: list[dict]) -> tuple[list[Claim], list[str]]:
    """Return the claim that between-class frequency rises in most settings, for each form of it; and what is left out.

    A setting counts once, with the sign of the mean of its seeds' correlations: trials of one setting are alike, so
    that ten seeds of four settings are four numbers and not forty. Of 5 settings or fewer it decides nothing.
    """
    import numpy as np
    import pandas as pd

    from analysis.inference.claim import ROUNDING, judge

    table = pd.DataFrame(orders).astype(dict.fromkeys(RISING, float))
    claims, notes = [], []
    for kind in RISING:
        means = table.groupby("setting", sort=False)[kind].mean()
        up = (means[means.abs() > ROUNDING] > 0).to_numpy()
        if lost := int(table[kind].isna().sum()):
            notes.append(f"{kind}: {lost} of {len(table)} trials have no order in time (too few epochs, or constant)")
        if lost := len(means) - len(up):
            notes.append(f"{kind}: left out: {lost} of {len(means)} settings, whose mean correlation is 0 or undefined")
        if len(up):
            name = f"share of settings in which {kind} rises with epoch"
            least, note = None if kind == WITHIN else 0.5, f"{up.sum()} of {len(up)}"
            over: dict[str, Any] = {"trials": "over settings", "of": "settings", "interval": binomial}
            claims.append(judge(name, np.mean, up, at_least=least, note=note, **over))
    return claims, notes


def binomial(statistic: Callable[..., float], signs: np.ndarray) -> tuple[float, float]:
    """Return the exact (Clopper-Pearson) 95% interval of a share, of settings that are drawn on their own."""
    from scipy.stats import binomtest

    found = binomtest(int(signs.sum()), len(signs)).proportion_ci(0.95, method="exact")
    return float(found.low), float(found.high)


def orders_text(orders: list[dict]) -> str:
    """Return each trial's order in time as a table for people."""
    names = [f"{row['setting']}, seed {row['seed']}" for row in orders]
    width = max(map(len, names))
    lines = [
        "Spearman's correlation of frequency with epoch, over the measured epochs but epoch 0",
        "  (of each trial; the claims count a setting once, with the sign of the mean over its seeds)",
        f"  {'trial':{width}}  epochs  {'between':>8}  {'mirrored':>8}  {'within':>8}",
    ]
    for name, row in zip(names, orders, strict=True):
        cells = ("-" if row[kind] is None else f"{row[kind]:+.2f}" for kind in RISING)
        lines.append(f"  {name:{width}}  {row['epochs']:6}  " + "  ".join(f"{cell:>8}" for cell in cells))
    return "\n".join(lines)

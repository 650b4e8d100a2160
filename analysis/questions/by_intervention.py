"""What did each intervention do to accuracy and to both frequencies, and do they go together among its levels?"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from analysis.inference import Association
    from analysis.tables.table import Records

ACCURACY = "generalization/test_accuracy"
LOSS = "generalization/train_loss"
KINDS = {"frequency/within_class": False, "frequency/between_class": True}  # whether it is to rise with accuracy
FEWEST = 5  # settings: below that a rank correlation says nothing
MOST = 100  # settings with a line each
AUGMENTATIONS = (  # one kind of intervention, of which each name has few levels
    *("mixup", "cutmix", "image_frequency", "autoaugment", "randaugment", "augmix", "gaussian_noise"),
    *("flip_crop", "cutout"),
)


def sound_trials(records: Records) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the last rows with their `unit`, and those of finite accuracy and frequencies; RecordError if none."""
    import numpy as np

    from analysis.tables.conditions import BASELINE
    from analysis.tables.table import RecordError

    records.need(ACCURACY, *KINDS)
    records.refuse_selected()
    last = records.last.assign(unit=records.units)
    baseline_first = last.sort_values("intervention", key=lambda names: names != BASELINE, kind="stable")
    last["intervention"] = last["unit"].map(baseline_first.groupby("unit")["intervention"].first())  # one per unit
    sound = last[np.isfinite(last[[ACCURACY, *KINDS]]).all(axis=1)]
    if sound.empty:
        raise RecordError(f"no trial of {records.source} has a finite accuracy and frequency")
    return last, sound


def effects(records: Records, sound: pd.DataFrame) -> pd.DataFrame:
    """Return a row per setting, the baseline first: seeds, mean of accuracy and frequencies, and their change.

    The change is from the baseline's trials of the same seeds, `pairs` of them, with its standard error over these; NaN
    where there are none, or fewer than two. No rows without a baseline, or of more than 100 settings.
    """
    import pandas as pd

    from analysis.tables.conditions import BASELINE, seeds_of, setting_names

    names, seeds, columns = setting_names(records), seeds_of(records), [ACCURACY, *KINDS]
    table = sound.assign(setting=sound["trial_id"].map(names), seed=sound["trial_id"].map(seeds))
    table = table.drop_duplicates(["setting", "seed"]).set_index(["setting", "seed"])[columns]
    rows: list[dict] = []
    if BASELINE not in table.index or table.index.get_level_values("setting").nunique() > MOST:
        return pd.DataFrame(rows)
    known = table.loc[BASELINE]
    for setting, own in table.groupby("setting", sort=False):
        own = own.droplevel("setting")
        change = (own - known).dropna()
        error = change.sem() if len(change) > 1 else change.sem() * math.nan
        parts = {"": own.mean(), "/change": change.mean(), "/standard_error": error}
        rows.append({f"{name}{part}": values[name] for name in columns for part, values in parts.items()})
        rows[-1] = {"setting": setting, "seeds": len(own), "pairs": len(change)} | rows[-1]
    return pd.DataFrame(sorted(rows, key=lambda row: (row["setting"] != BASELINE, _in_order(row["setting"]))))


def _in_order(setting: str) -> list[str | float]:
    """Return what settings are sorted by: their text, and the numbers in it as numbers."""
    parts = re.split(r"(\d+(?:\.\d+)?)", setting)
    return [float(part) if i % 2 else part for i, part in enumerate(parts)]


def effects_text(rows: pd.DataFrame) -> str:
    """Return the effects as a table for people, or why there is none."""
    from analysis.tables.conditions import BASELINE

    if rows.empty:
        return f"no table of what each setting changes: there is no baseline, or more than {MOST} settings"
    width = max(map(len, rows["setting"]))
    heads = [f"{name:^29}" for name in ("test accuracy", "within-class frequency", "between-class frequency")]
    lines = [
        "mean over seeds, and change from the baseline of the same seeds, with its standard error over these pairs"
        " (of two it is a rough guess)",
        f"{'setting':{width}}  seeds  pairs  {'  '.join(heads)}".rstrip(),
    ]
    for _, row in rows.iterrows():
        cells = []
        for name in (ACCURACY, *KINDS):
            change, error = row[f"{name}/change"], row[f"{name}/standard_error"]
            known = row["setting"] != BASELINE and change == change
            more = f"{change:+.4f}" + (f" \u00b1 {error:.4f}" if error == error else "") if known else ""
            cells.append(f"{row[name]:8.4f}  {more:19}")
        lines.append(f"{row['setting']:{width}}  {row['seeds']:5}  {row['pairs']:5}  {'  '.join(cells)}".rstrip())
    return "\n".join(lines)


@dataclass(frozen=True)
class Row:
    """The associations of one group of trials; None where the group is too small."""

    trials: str
    n: int
    units: int
    spearman: dict[str, Association] | None
    kendall: dict[str, Association] | None


def associations(last: pd.DataFrame) -> list[Row]:
    """Return a Row for all trials and one per intervention, that intervention's trials with the baseline's.

    Augmentations of several names have one more Row, together. `last` has a row per trial (its last epoch) with the
    columns unit, intervention and the three metrics. Fewer than 5 units get no coefficient.
    """
    from analysis.inference import kendall_tau, spearman

    groups = {"all": last}
    baseline = last["intervention"] == "baseline"
    for name in sorted(set(last["intervention"]) - {"baseline", ""}):
        groups[name] = last[(last["intervention"] == name) | baseline]
    if len(augmented := [name for name in groups if name in AUGMENTATIONS]) > 1:
        groups["augmentation, all"] = last[last["intervention"].isin(augmented) | baseline]
    rows = []
    for name, group in groups.items():
        n, units = len(group), group["unit"].nunique()
        found = [
            {kind: measure(group[ACCURACY], group[kind], clusters=group["unit"]) for kind in KINDS}
            for measure in (spearman, kendall_tau)
            if units >= FEWEST
        ]
        rows.append(Row(name, n, units, *(found or (None, None))))
    return rows


def associations_text(rows: list[Row]) -> str:
    """Return the rows as a table for people: coefficient and 95% interval."""
    from analysis.inference.rank import FEW, WIDE

    lines = [
        f"{'':24} {'':>6}  {'within-class frequency':^47}  {'between-class frequency':^47}".rstrip(),
        f"{'trials, with baseline':24} {'n':>6}" + f"  {'Spearman':^23} {'Kendall tau-b':^23}" * 2,
    ]
    for row in rows:
        if row.spearman is None or row.kendall is None:
            lines.append(f"{row.trials:24} {row.n:6}  too few ({FEWEST} settings needed, {row.units} here)")
            continue
        cells = (
            one for kind in KINDS for one in (coefficient_text(row.spearman[kind]), coefficient_text(row.kendall[kind]))
        )
        wide = f"  {WIDE}" if row.units < FEW else ""
        lines.append(f"{row.trials:24} {row.n:6}  " + " ".join(f"{cell:^23}" for cell in cells) + wide)
    return "\n".join(line.rstrip() for line in lines)


def coefficient_text(found: Association) -> str:
    """Return a coefficient with its 95% interval, or that it has none."""
    if math.isnan(found.statistic):
        return "undefined (constant)"
    low, high = found.interval
    return f"{found.statistic:+.2f} " + ("(no interval)" if math.isnan(low) else f"[{low:+.2f}, {high:+.2f}]")

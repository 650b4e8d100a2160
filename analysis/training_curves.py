"""How do function frequency and accuracy change during training, and do low frequencies come first?

It shows the frequency within and between classes by epoch and by test accuracy, and what each intervention changes at
equal accuracy. Claim 1 of "Spectral Bias in Practice" (NeurIPS 2022): classifiers learn low frequencies first, so that
the frequency between classes rises from epoch to epoch in each trial.

  python analysis/training_curves.py --experiment cifar-quick
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis.tables.options import Options, read_options

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd

    from analysis.findings import Findings
    from analysis.inference.claim import Claim
    from analysis.tables.table import Records

TEST, TRAIN = "generalization/test_accuracy", "generalization/train_accuracy"
WITHIN, BETWEEN = KINDS = ("frequency/within_class", "frequency/between_class")
RISING = (BETWEEN, f"{BETWEEN}/mirror", WITHIN)  # whose order in time is looked at; claimed of the first two
LEAST = 3  # measurements of a network in training, epoch 0 is none, whose order says anything
HERE = (
    "here n is settings, each with the sign of the mean correlation of its seeds; the interval of their share is the"
    " exact binomial one, of settings on their own, though they share the images; 5 or fewer decide nothing"
)


def training_curves(records: Records) -> Findings:
    """Return the differences at equal accuracy, each trial's order in time, the claim, and the figure."""
    from analysis.figures.training_curves import training_curves_figure
    from analysis.findings import Findings
    from analysis.inference.claim import RULE
    from analysis.tables.conditions import data_and_model

    records = records.of_part("training")
    records.refuse_selected()
    records.need(TEST, *KINDS)
    table, notes = curves_table(records)
    rows = [row for name in (TRAIN, TEST) if name in table for row in at_equal_accuracy(table, name)]
    orders = time_orders(table)
    claims, undecided = rising_claims(orders)
    found = Findings(claims=claims, notes=[*notes, *_notes(rows, table), *undecided])
    found.notes += [f"{RULE}; {HERE}"] * bool(claims)
    found.tables = [*([as_text(rows)] if rows else []), orders_text(orders)]
    found.figures["training_curves"] = training_curves_figure(table)
    trials, settings = table["trial_id"].nunique(), table["setting"].nunique()
    drawn = " Thin: trials; thick: means over the seeds of a setting." if trials > settings else ""
    found.captions["training_curves"] = (
        f"{data_and_model(records)}; {trials} trials of {settings} settings, at their measured epochs.{drawn} The "
        "bigger marker is the last epoch. No interval is drawn."
    )
    found.numbers |= {"at_equal_accuracy": rows, "orders": orders}
    return found


def curves_table(records: Records) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows with both frequencies and test accuracy, of a setting and seed the first trial's; and notes."""
    from analysis.tables.conditions import BASELINE, seeds_of, setting_names
    from analysis.tables.table import RecordError

    there = records.table[[TEST, *KINDS]].notna().all(axis=1)
    table = records.table[there].copy()
    if table.empty:
        raise RecordError(f"no epoch of {records.source} has all of {TEST}, {', '.join(KINDS)}")
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


def at_equal_accuracy(table: pd.DataFrame, accuracy: str) -> list[dict]:
    """Return a row per setting: its frequencies less the baseline's at the highest accuracy that all of both reach.

    Each trial's frequency is interpolated where its accuracy first reaches that level. Trials of the same seed are
    compared; the 95% interval is a bootstrap over these (None below 5). Empty without a baseline.
    """
    import numpy as np

    from analysis.inference.resampling import runs_interval
    from analysis.tables.conditions import BASELINE

    curves = dict(iter(table.dropna(subset=[accuracy]).sort_values("epoch").groupby(["setting", "seed"])))
    rows = []
    for setting in table.loc[table["setting"] != BASELINE, "setting"].unique():
        both = [seed for name, seed in curves if name == setting and (BASELINE, seed) in curves]
        pairs = [(curves[setting, seed], curves[BASELINE, seed]) for seed in both]
        if not pairs:
            continue
        level = min(curve[accuracy].max() for pair in pairs for curve in pair)
        row = {"accuracy": accuracy, "setting": setting, "level": level, "pairs": len(pairs)}
        row["at_once"] = any(curve[accuracy].iloc[0] >= level for pair in pairs for curve in pair)
        for kind in KINDS:
            own, other = np.array([[frequency_at(curve, level, accuracy, kind) for curve in p] for p in pairs]).T
            row[kind] = {"difference": (own - other).mean(), "baseline": other.mean()}
            row[kind]["interval"] = runs_interval(np.mean, own - other)
        rows.append(row)
    return rows


def frequency_at(curve: pd.DataFrame, level: float, accuracy: str, kind: str) -> float:
    """Return the frequency where a trial's accuracy, linear between its measured epochs, first reaches the level."""
    reached, frequency = curve[accuracy].to_numpy(float), curve[kind].to_numpy(float)
    first = int((reached >= level).argmax())
    if first == 0:
        return float(frequency[0])
    share = (level - reached[first - 1]) / (reached[first] - reached[first - 1])
    return float(frequency[first - 1] + share * (frequency[first] - frequency[first - 1]))


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


def as_text(rows: list[dict]) -> str:
    """Return the differences as tables for people, one per accuracy."""
    from analysis.figures import label

    width = max(len(row["setting"]) for row in rows)
    lines: list[str] = []
    for accuracy in dict.fromkeys(row["accuracy"] for row in rows):
        lines += [
            f"frequency less the baseline's at equal {label(accuracy)}, the highest that both reach",
            "  difference [95% interval] (the baseline's frequency there)",
            f"  {'setting':{width}}  {'level':>6}  {'seeds':>5}  {'within-class':30}  between-class",
        ]
        for row in (row for row in rows if row["accuracy"] == accuracy):
            cells = [_difference_text(**row[kind]) for kind in KINDS]
            mark = "  (at the first measurement)" if row["at_once"] else ""
            start = f"  {row['setting']:{width}}  {row['level']:6.3f}  {row['pairs']:5}"
            lines.append(f"{start}  {cells[0]:30}  {cells[1]}{mark}")
        lines.append("")
    return "\n".join(lines[:-1])


def _difference_text(difference: float, baseline: float, interval: tuple[float, float] | None) -> str:
    ends = "" if interval is None else f" [{interval[0]:+.3f}, {interval[1]:+.3f}]"
    return f"{difference:+.3f}{ends} (of {baseline:.3f})"


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


def _notes(rows: list[dict], table: pd.DataFrame) -> list[str]:
    from analysis.inference.resampling import FEWEST
    from analysis.tables.conditions import BASELINE

    if BASELINE not in set(table["setting"]):
        return ["no differences at equal accuracy: there is no baseline"]
    if not rows:
        return ["no differences at equal accuracy: no other setting has a trial of one of the baseline's seeds"]
    no_train = TRAIN not in {row["accuracy"] for row in rows}
    notes = [f"only at equal test accuracy: the trials have no {TRAIN}"] * no_train
    few = min(row["pairs"] for row in rows) < FEWEST
    return notes + [f"at equal accuracy, fewer than {FEWEST} seeds have no interval"] * few


def main() -> None:
    """Print tables and claims, save the figure and its numbers, and attach them to the sweep's parent run."""
    options = read_options(Options, __doc__)
    from analysis.findings import publish  # pandas, matplotlib and mlflow only past --help

    publish("training_curves", training_curves, options)


if __name__ == "__main__":
    main()

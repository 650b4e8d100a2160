"""How do function frequency and accuracy change during training, and do low frequencies come first?

It shows the frequency within and between classes by epoch and by test accuracy, and what each intervention changes at
equal accuracy. Claim 1 of "Spectral Bias in Practice" (NeurIPS 2022): classifiers learn low frequencies first, so that
the frequency between classes rises from epoch to epoch in each trial.

  python analysis/training_curves.py --experiment cifar-quick
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.questions.by_intervention import ACCURACY, KINDS
from analysis.questions.time_order import curves_table, orders_text, rising_claims, time_orders
from analysis.tables.options import Options, read_options

if TYPE_CHECKING:
    import pandas as pd

    from analysis.findings import Findings
    from analysis.tables.table import Records

TEST, TRAIN = ACCURACY, "generalization/train_accuracy"
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

"""Which settings drive frequency, and which drive accuracy?

For one sweep: the share of a metric's variance that each varied setting explains by itself, in a random forest fitted
to the trials (functional ANOVA, Hutter, Hoos and Leyton-Brown, ICML 2014; Optuna's implementation). Beside it stand its
share by chance and an interval over settings. The rest is what settings explain only together. A figure of parallel
coordinates has a line per trial.

  python analysis/importance.py --experiment cifar-quick
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.tables.options import Options, read_options

if TYPE_CHECKING:
    import pandas as pd

    from analysis.findings import Findings
    from analysis.tables.table import Records

TARGETS = ("generalization/test_accuracy", "frequency/within_class", "frequency/between_class", "noise_fitting/min")
FEWEST = 10  # settings: a forest cannot separate fewer
DRAWN = 20  # resamples, and permutations: what is above all of these is so by chance in 1 of 21
TREES, DEPTH = 16, 6


def importance(records: Records) -> Findings:
    """Return the importance of every varied setting for each target that the trials have, and the figures."""
    from analysis.figures import bars, parallel_coordinates
    from analysis.findings import Findings
    from analysis.tables.conditions import data_and_model
    from analysis.tables.table import RecordError

    records = records.of_part("training")
    records.refuse_selected()
    last, varied = records.last.assign(unit=records.units), records.varied
    if not varied:
        raise RecordError(f"the trials of {records.source} differ in no setting")
    found, notes = {}, []
    for target in (name for name in TARGETS if name in last):
        try:
            found[target] = importances(last, settings=varied, target=target)
        except ValueError as error:
            notes.append(f"no importance for {target}: {error}")
    if not found:
        raise RecordError(
            f"there is nothing to learn from the trials of {records.source}: " + "; ".join(notes or ["no known metric"])
        )
    caption = f"{len(last)} trials, {data_and_model(records)}"
    return Findings(
        answers=[_answer(target, table) for target, table in found.items()],
        careful=["surely: the whole interval lies above what the permuted metric gave"],
        tables=[as_text(target, table) for target, table in found.items()],
        figures={
            "importance": bars(found, x="share of the variance, by itself"),
            "parallel_coordinates": parallel_coordinates(last, columns=[*varied, *found], colour=next(iter(found))),
        },
        captions={
            "importance": f"{caption}; bars: share of a random forest's variance, with the 95% bootstrap interval over"
            f" settings; black line: the highest of {DRAWN} permutations. Where one setting is changed at a time, one"
            " with more levels weighs more.",
            "parallel_coordinates": f"{caption}; a line per trial, at its last epoch.",
        },
        notes=[
            "functional ANOVA over a random forest; 95% bootstrap intervals over settings (repeats are averaged);"
            f" chance: the highest of {DRAWN} permutations of the metric. Where one setting is changed at a time, a"
            " forest overlooks those with few levels: see how far each goes from the baseline",
            *notes,
        ],
        numbers={"importance": found},
    )


def _answer(target: str, table: pd.DataFrame) -> str:
    """Return which settings drive a metric beyond chance, in words, or that none surely does."""
    beyond = table[table["low"] > table["chance"]]
    first = beyond if len(beyond) else table.head(1)
    said = ", ".join(
        f"{row.setting} {row.importance:.2f} [{row.low:.2f}, {row.high:.2f}]" for row in first.itertuples()
    )
    return f"{target}: driven by {said}" if len(beyond) else f"{target}: none surely; the most by {said}, cannot tell"


def importances(last: pd.DataFrame, *, settings: list[str], target: str, seed: int = 0) -> pd.DataFrame:
    """Return a row per setting, the most important first: setting, levels, importance, low, high, chance, change, n.

    `last` has a row per trial; those of one `unit` are averaged, n is the number of units. An importance is the share
    of the variance of the forest's prediction that the setting explains by itself; the rest to 1 they explain only
    together. `low` and `high` are the 95% interval of units drawn again (0 where a setting does not vary in a draw),
    `chance` the highest with the target permuted, `change` the largest difference to the baseline of units that the
    setting alone tells from it: where one setting is changed at a time a forest overlooks those with few levels. NaN
    without such units. ValueError for fewer than 10 units with a finite target, and where it
    does not vary.
    """
    import pandas as pd

    from analysis.inference.rows import setting_text, varies

    sound = last[np.isfinite(last[target].astype(float))]
    units = sound.groupby("unit").agg({**dict.fromkeys([*settings, "intervention"], "first"), target: "mean"})
    if len(units) < FEWEST:
        raise ValueError(f"{len(units)} settings with a finite value, {FEWEST} are needed")
    columns = {name: _coordinates(units[name]) for name in settings}
    values = units[target].to_numpy(dtype=float)
    if not varies(values):
        raise ValueError("it is the same in all")
    generator = np.random.default_rng(seed)
    whole = _fanova(columns, values, seed=seed)
    drawn, permuted = [], []
    for _ in range(DRAWN):
        rows = generator.integers(len(values), size=len(values))
        drawn.append(_fanova({name: column[rows] for name, column in columns.items()}, values[rows], seed=seed))
        permuted.append(_fanova(columns, generator.permutation(values), seed=seed))
    table = []
    for name in sorted(whole, key=lambda name: -whole[name]):
        low, high = np.quantile([each.get(name, 0.0) for each in drawn], (0.025, 0.975))
        chance = max(each.get(name, 0.0) for each in permuted)
        levels = units[name].map(setting_text).nunique()
        change = _change(
            units[units["intervention"] == name][target], units[units["intervention"] == "baseline"][target]
        )
        table.append((name, levels, whole[name], float(low), float(high), chance, change, len(values)))
    columns_named = ["setting", "levels", "importance", "low", "high", "chance", "change", "n"]
    return pd.DataFrame(table, columns=columns_named)


def _change(own: pd.Series, baseline: pd.Series) -> float:
    """Return the largest difference of own values to the baseline's mean, with its sign; NaN where either is none."""
    if own.empty or baseline.empty:
        return float("nan")
    differences = own - baseline.mean()
    return float(differences[differences.abs().idxmax()])


def as_text(target: str, table: pd.DataFrame) -> str:
    """Return the importances as text for people."""
    lines = [f"{target}: share of its variance over {table['n'].iloc[0]} settings"]
    width = max(table["setting"].str.len().max(), 13)
    for row in table.itertuples():
        share = f"{row.importance:.2f} [{row.low:.2f}, {row.high:.2f}], chance {row.chance:.2f}"
        change = "" if row.change != row.change else f", {row.change:+.3g} from the baseline at most"
        lines.append(f"  {row.setting:{width}}  {share}  {row.levels} levels{change}")
    return "\n".join([*lines, f"  {'only together':{width}}  {max(0.0, 1 - table['importance'].sum()):.2f}"])


def _coordinates(column: pd.Series) -> np.ndarray:
    """Return a setting as numbers, or as text where it has a level that is none."""
    numbers = all(isinstance(value, (int, float, np.number)) for value in column) and column.notna().all()
    return column.to_numpy(dtype=float) if numbers else column.map(str).to_numpy(dtype=object)


def _fanova(columns: dict[str, np.ndarray], values: np.ndarray, *, seed: int) -> dict[str, float]:
    """Return setting -> importance, by Optuna; settings with one level here are left out, and all if nothing varies."""
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

    distributions: dict[str, BaseDistribution] = {}
    for name, column in columns.items():
        levels = sorted(set(column.tolist()))
        if len(levels) > 1:
            text = column.dtype == object
            distributions[name] = CategoricalDistribution(levels) if text else FloatDistribution(levels[0], levels[-1])
    if not distributions or np.ptp(values) == 0:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    for i, value in enumerate(values):
        params: dict[str, Any] = {name: columns[name][i] for name in distributions}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=float(value)))
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, max_depth=DEPTH, seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shares that are not made to add up to 1 are called experimental
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, normalize=False)
    return {name: float(share) for name, share in found.items()}


def main() -> None:
    """Print the importances, save the figures and their numbers, and attach them to the sweep's parent run."""
    options = read_options(Options, __doc__)
    from analysis.findings import publish  # matplotlib, mlflow and optuna only past --help

    publish("importance", importance, options)


if __name__ == "__main__":
    main()

"""Which settings drive frequency, and which accuracy?

For one sweep: the share of a metric's variance over the trials that each varied setting explains by itself and with the
others (functional ANOVA over a random forest, Hutter, Hoos and Leyton-Brown, ICML 2014; Optuna's), with the interval
over trials drawn again, and a figure of parallel coordinates with a line per trial.

  python analysis/importance.py --experiment cifar-quick
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tyro

from analysis.options import Options

if TYPE_CHECKING:
    import pandas as pd

    from analysis.findings import Findings
    from analysis.table import Records

TARGETS = ("generalization/test_accuracy", "frequency/within_class", "frequency/between_class", "noise_fitting/min")
FEWEST = 10  # trials: fewer cannot be told apart by a forest
RESAMPLES = 40
TREES = 32


def importance(records: Records) -> Findings:
    """Return the importance of every varied setting for each target that the trials have, and the figures."""
    from analysis.figures import bars, parallel_coordinates
    from analysis.findings import Findings
    from analysis.table import RecordError

    last, varied = records.last, records.varied
    targets = [name for name in TARGETS if name in last and last[name].nunique() > 1]
    if not varied or not targets:
        raise RecordError(f"the trials of {records.source} differ in {'no metric' if varied else 'no setting'}")
    if len(last) < FEWEST:
        raise RecordError(f"{len(last)} trials of {records.source}: {FEWEST} are needed to tell settings apart")
    found = {target: importances(last[np.isfinite(last[target])], settings=varied, target=target) for target in targets}
    caption = (
        f"{len(last)} trials of {records.source}, data set {records.said('dataset')}; bars: 95% bootstrap interval over"
        " trials. In a study that changes one setting at a time, a setting with more levels or trials weighs more."
    )
    return Findings(
        tables=[as_text(target, table) for target, table in found.items()],
        figures={
            "importance": bars(found, x="share of the variance explained"),
            "parallel_coordinates": parallel_coordinates(last, columns=[*varied, *targets], colour=targets[0]),
        },
        captions={"importance": caption, "parallel_coordinates": caption.split(";")[0] + "."},
        notes=["functional ANOVA over a random forest; 95% bootstrap intervals over trials"],
        numbers={"importance": found},
    )


def importances(last: pd.DataFrame, *, settings: list[str], target: str, seed: int = 0) -> pd.DataFrame:
    """Return a row per setting, the most important first: setting, levels, importance, low, high, n.

    `last` has a row per trial. Importances of all settings add up to 1. The interval is of trials drawn with
    replacement; a setting whose trials were not drawn has importance 0 there.
    """
    import pandas as pd

    columns = {name: _coordinates(last[name]) for name in settings}
    values = last[target].to_numpy(dtype=float)
    generator = np.random.default_rng(seed)
    whole = _fanova(columns, values, seed=seed)
    drawn = [
        _fanova({name: column[rows] for name, column in columns.items()}, values[rows], seed=seed)
        for rows in (generator.integers(len(values), size=len(values)) for _ in range(RESAMPLES))
    ]
    rows = []
    for name in sorted(whole, key=lambda name: -whole[name]):
        low, high = np.quantile([each.get(name, 0.0) for each in drawn], (0.025, 0.975))
        levels = last[name].map(str).nunique()
        rows.append((name, levels, whole[name], float(low), float(high), len(values)))
    return pd.DataFrame(rows, columns=["setting", "levels", "importance", "low", "high", "n"])


def as_text(target: str, table: pd.DataFrame) -> str:
    """Return the importances as text for people."""
    lines = [f"{target}: share of its variance over {table['n'].iloc[0]} trials"]
    width = table["setting"].str.len().max()
    for row in table.itertuples():
        said = f"{row.importance:.2f} [{row.low:.2f}, {row.high:.2f}]"
        lines.append(f"  {row.setting:{width}}  {said}  {row.levels} levels")
    return "\n".join(lines)


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
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, max_depth=16, seed=seed)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def main() -> None:
    """Print the importances, save the figures and their numbers, and attach them to the sweep's parent run."""
    options = tyro.cli(Options, description=__doc__)
    from analysis.findings import publish  # matplotlib, mlflow and optuna only past --help

    publish("importance", importance, options)


if __name__ == "__main__":
    main()

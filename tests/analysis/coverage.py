"""How often do the intervals of the analysis cover the truth? Each of them, in sweeps that are like real ones.

  python tests/analysis/coverage.py                     the table of docs/analysis.md: about half an hour of one core
  python tests/analysis/coverage.py --only break meta   some of its parts, with as many --draws as you like
  python tests/analysis/coverage.py --smoke             a few draws of each

A cell is how many of 100 intervals covered the truth (95 is meant; error 0.7 for 1,000 draws), with a "c" where at
least half of the results carried a caution, and "-" where there was no interval. Under the table stand the cells below
91 or above 98.5 that carried none.

Sweeps have settings in six families (two below 20), and two seeds each whose errors correlate at 0.5. The truth is the
planted slope; for rank statistics, that of a sweep of very many settings; for those that are only defined on a grid,
the mean over draws.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from planted_sweeps import SLOPE, SWEEPS, Sweep
from scipy import stats

from analysis.inference import (
    class_association,
    class_mixed_model,
    conditional_mutual_information,
    fisher_interval,
    granulated_kendall,
    kendall_tau,
    partial_correlation,
    random_effects,
    segmented_fit,
    sign_error,
    slopes,
    spearman,
)
from analysis.inference.resampling import runs_interval

BREAK = 0.0  # planted
MANY, OFTEN = 200, 50  # settings, and draws of them, that the truth of a rank statistic is the mean of
LEAST, MOST = 0.91, 0.985  # coverage that needs no caution
Found = dict[str, Any]  # by the interval's name: a result with statistic, interval and perhaps note
Intervals = Callable[[pd.DataFrame], Found]
NAMES = {"measure": "measure", "target": "target"}


def slope_intervals(table: pd.DataFrame) -> Found:
    pooled = slopes(table.assign(family=0), **NAMES, family="family", cluster="setting").pooled
    shifted = slopes(table, measure="shifted", target="target", family="family", cluster="setting")
    return {"slope, all": pooled, "slope within families": shifted.within, "slope, mixed": shifted.mixed}


def rank_intervals(table: pd.DataFrame) -> Found:
    columns = table["target"], table["measure"]
    found = {"Spearman": spearman(*columns, clusters=table["setting"])}
    return found | {f"tau-{each}": kendall_tau(*columns, variant=each, clusters=table["setting"]) for each in "ab"}


def partial_intervals(table: pd.DataFrame) -> Found:
    return {"partial, given loss": partial_correlation(table, **NAMES, given=["loss"], cluster="setting")}


def fisher_intervals(table: pd.DataFrame) -> Found:
    """Of settings, their seeds averaged."""
    means = table.groupby("setting")[["target", "measure"]].mean()
    rho = float(stats.spearmanr(*means.to_numpy().T).statistic)
    return {"Fisher's z": Result(rho, fisher_interval(rho, len(means)))}


def grid_intervals(table: pd.DataFrame) -> Found:
    axes: dict[str, Any] = {"axes": ["width", "epochs"]}
    grid = {"granulated Kendall": granulated_kendall(table, **NAMES, **axes, cluster="setting")}
    if len(table) <= 40:  # seconds
        grid["conditional information"] = conditional_mutual_information(
            table, **NAMES, **axes, cluster="setting", permutations=0
        )
    accuracy = table.assign(target=stats.norm.cdf(table["target"]))
    return grid | {"sign error": sign_error(accuracy, **NAMES, **axes, test_size=10_000, min_ess=2)}


def break_intervals(table: pd.DataFrame) -> Found:
    """Of settings, their seeds averaged; the line breaks at the median of a normal target."""
    means = table.groupby("setting")[["target", "measure"]].mean()
    line = SLOPE * means["target"]
    bent = line + 0.2 * (means["measure"] - line) + 2 * np.maximum(means["target"] - BREAK, 0)
    return {"break": segmented_fit(means["target"], bent, resamples=0)}


@dataclass(frozen=True)
class Result:
    statistic: float
    interval: tuple[float, float] | None
    note: str = ""


def of_models(models: int, between: float) -> Callable[[np.random.Generator], Found]:
    """Rank correlations of so many models over 50 classes that they do not share."""

    def draw(generator: np.random.Generator) -> Found:
        each, another = np.split(np.arctanh(0.4) + between * generator.normal(size=models + 1), [models])
        z = each + (1.06 / 47) ** 0.5 * generator.normal(size=models)
        found = random_effects(dict(enumerate(np.tanh(z))), 50)
        off = math.tanh(another.item()) - 0.4  # to cover another model is to cover 0.4 when moved by this
        low, high = found.prediction
        return {
            "meta-analysis, mean": Result(found.statistic, found.interval),
            "meta-analysis, another": Result(found.statistic, (low - off, high - off), found.note),
        }

    return draw


def of_classes(classes: int, heavy: bool = False) -> Callable[[np.random.Generator], Found]:
    """Ten models that share classes, whose frequency rises with diversity by 0.5 of its standard deviation."""

    def draw(generator: np.random.Generator) -> Found:
        def noise(*shape: int) -> np.ndarray:
            return generator.standard_t(3, size=shape) / 3**0.5 if heavy else generator.normal(size=shape)

        diversity = generator.normal(size=classes)
        frequency = SLOPE * diversity + noise(classes) + noise(10, 1) + noise(10, classes)
        found = class_association(frequency, diversity, permutations=199)  # its p decides whether 0 is in the interval
        slope = class_mixed_model(frequency, diversity)
        per_unit = tuple(end / diversity.std() for end in slope.interval)
        mixed = Result(slope.statistic / diversity.std(), per_unit, slope.note)
        return {"classes, mean rho": found, "classes, mixed model": mixed}

    return draw


def of_runs(runs: int, heavy: bool = False) -> Callable[[np.random.Generator], Found]:
    """The mean of a trial's runs."""

    def draw(generator: np.random.Generator) -> Found:
        values = generator.standard_t(3, size=runs) if heavy else generator.normal(size=runs)
        return {"mean of runs": Result(values.mean(), runs_interval(np.mean, values))}

    return draw


@dataclass(frozen=True)
class Cell:
    """How often one interval covered the truth in one case."""

    covered: float  # share of the intervals that there were; NaN where most results had none
    cautious: bool  # whether at least half of the results carried a caution

    def __str__(self) -> str:
        return "-" if math.isnan(self.covered) else f"{100 * self.covered:.1f}" + " c" * self.cautious

    @property
    def unannounced(self) -> bool:
        """Return whether it covers too little or too much, and does not say so."""
        return not (self.cautious or math.isnan(self.covered) or LEAST <= self.covered <= MOST)


def cover(draw: Callable[[], Found], draws: int, truth: Callable[[str, np.ndarray], float]) -> dict[str, Cell]:
    """Return by interval how often so many draws cover `truth`, a function of its name and the estimates."""
    found: dict[str, list[Any]] = {}
    for _ in range(draws):
        for name, result in draw().items():
            found.setdefault(name, []).append(result)
    return {name: _cell(results, truth(name, _estimates(results))) for name, results in found.items()}


def _estimates(results: list[Any]) -> np.ndarray:
    return np.array([result.statistic for result in results], dtype=float)


def _cell(results: list[Any], truth: float) -> Cell:
    ends = [result.interval for result in results if result.interval is not None]
    ends = [(low, high) for low, high in ends if not math.isnan(low)]
    share = np.mean([low <= truth <= high for low, high in ends]) if 2 * len(ends) >= len(results) else math.nan
    return Cell(float(share), 2 * sum(bool(getattr(result, "note", "")) for result in results) >= len(results))


def of_sweeps(part: str, draws: int) -> dict[str, dict[str, Cell]]:
    """Return the cells of one part by the sweep and the interval; a sweep that a part refuses has none."""
    intervals, planted = PARTS[part]
    cells = {}
    for number, (name, sweep) in enumerate(SWEEPS.items()):
        truth = _mean if planted is None else partial(_planted, planted)
        if planted == MANY:
            truth = partial(_planted, _of_many(intervals, sweep, min(draws, OFTEN)))
        try:
            cells[name] = cover(partial(_of_sweep, intervals, sweep, np.random.default_rng(number)), draws, truth)
        except ValueError:  # too few settings
            cells[name] = {}
    return cells


def _of_sweep(intervals: Intervals, sweep: Sweep, generator: np.random.Generator) -> Found:
    return intervals(sweep.draw(generator))


def _of_many(intervals: Intervals, sweep: Sweep, draws: int) -> dict[str, float]:
    """Return the means of the statistics over draws of sweeps of MANY settings."""
    generator = np.random.default_rng(1000)
    found = [intervals(sweep.draw(generator, MANY)) for _ in range(draws)]
    return {name: float(np.mean([each[name].statistic for each in found])) for name in found[0]}


def of_others(part: str, draws: int) -> dict[str, dict[str, Cell]]:
    """Return the cells of what has no sweep, by the case and the interval."""
    cells = {}
    for number, (case, (draw, planted)) in enumerate(OTHERS[part].items()):
        generator = np.random.default_rng(100 + number)
        cells[case] = cover(partial(draw, generator), draws, _mean if planted is None else partial(_planted, planted))
    return cells


def _mean(name: str, estimates: np.ndarray) -> float:
    return float(np.nanmean(estimates))


def _planted(value: float | dict[str, float], name: str, estimates: np.ndarray) -> float:
    return value[name] if isinstance(value, dict) else value


def as_table(cells: dict[str, dict[str, Cell]]) -> str:
    """Return the cells as a table for people: a row per interval, a column per case."""
    names = list(dict.fromkeys(name for found in cells.values() for name in found))
    rows = [["", *cells], *([name, *(str(found.get(name, "-")) for found in cells.values())] for name in names)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {line} |" for line in lines)


PARTS: dict[str, tuple[Intervals, float | None]] = {  # with the truth; MANY: of so many settings, None: mean over draws
    "slopes": (slope_intervals, SLOPE),
    "ranks": (rank_intervals, MANY),
    "partial": (partial_intervals, MANY),
    "fisher": (fisher_intervals, MANY),
    "grid": (grid_intervals, None),
    "break": (break_intervals, BREAK),
}
OTHERS: dict[str, dict[str, tuple[Callable[[np.random.Generator], Found], float | None]]] = {
    "meta": {f"{k} models, tau {tau}": (of_models(k, tau), 0.4) for k in (3, 30) for tau in (0.0, 0.3)},
    "classes": {
        "20 classes": (of_classes(20), None),
        "50 classes": (of_classes(50), None),
        "50, heavy tails": (of_classes(50, heavy=True), None),
    },
    "runs": {
        "5 runs": (of_runs(5), 0.0),
        "10 runs": (of_runs(10), 0.0),
        "30 runs": (of_runs(30), 0.0),
        "10, heavy tails": (of_runs(10, heavy=True), 0.0),
    },
}


def main() -> None:
    """Print the tables of the parts asked for, and what covers too little or too much without a caution."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*PARTS, *OTHERS], default=[*PARTS, *OTHERS], metavar="PART")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--smoke", action="store_true", help="a few draws of each")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    draws, started, silent = 5 if options.smoke else options.draws, time.perf_counter(), []
    for part in options.only:
        cells = of_sweeps(part, draws) if part in PARTS else of_others(part, draws)
        print(as_table(cells) + "\n", flush=True)
        found = [(name, case, cell) for case, each in cells.items() for name, cell in each.items()]
        silent += [f"{name}, {case}: {cell}" for name, case, cell in found if cell.unannounced]
    print(f"{draws} draws a cell, {time.perf_counter() - started:.0f} s")
    print("below 91 or above 98.5 without a caution: " + ("; ".join(silent) or "none"))


if __name__ == "__main__":
    main()

"""Do networks vary more in classes that are more diverse? Models share the classes: the unit is the class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.inference.rank import LEVEL, correlation_interval
from analysis.inference.resampling import jackknife
from analysis.inference.rows import as_numbers, equate

FEWEST_CLASSES = 20  # that an interval is given for
CONVENTION = "mean over models of Spearman's rho, ties get their mean rank"
CHUNK = 4_000_000  # labels at once that are permuted


@dataclass(frozen=True)
class ClassAssociation:
    """The mean over models of Spearman's rho over classes, and what it rests on."""

    statistic: float
    interval: tuple[float, float] | None  # NaN where there is none; None below FEWEST_CLASSES
    range: tuple[float, float] | None  # below FEWEST_CLASSES: of the mean rho when any one class is left out
    p: float  # two-sided, the class labels of diversity permuted for all models together
    per_model: np.ndarray  # (models,); NaN where the frequency is the same in all classes
    partial: float | None  # the mean with the ranks of the controls held fixed; None without controls
    partial_per_model: np.ndarray | None
    n: int  # models times classes
    units: int
    unit: str
    left_out: int  # classes with a value missing, in any model
    convention: str

    @property
    def ends(self) -> tuple[float, float]:
        """The interval or, of few classes, the range."""
        return self.interval or self.range or (math.nan, math.nan)


def class_association(
    frequency: np.ndarray,
    diversity: np.ndarray,
    *,
    controls: Mapping[str, np.ndarray] | None = None,
    permutations: int = 10_000,
    seed: int = 0,
) -> ClassAssociation:
    """Return how frequency (models, classes) goes with diversity (classes,), by rank, over models together.

    Models are trained on the same classes and so find the same ones hard: their correlations are not independent, and a
    meta-analysis over models calls chance significant. Here p = (1 + #{|rho*| >= |rho|})/(permutations + 1) with the
    labels of diversity permuted once for all models, and the interval (95%) is `spearman`'s over classes, which are
    left out with all their models; 0 is in it unless p is at most 0.05. `controls` are (models, classes) or (classes,).
    ValueError for shapes that do not fit and for fewer than 4 classes, or 3 more than controls, without a missing
    value; a constant diversity gives NaN.
    """
    frequency, diversity, held, left_out = complete_classes(frequency, diversity, controls or {}, needed=4)
    models, classes = frequency.shape
    generator = np.random.default_rng(seed)
    ranks, order = _standard_ranks(frequency), _standard_ranks(diversity)
    per_model = ranks @ order
    pooled, few = _mean(per_model), classes < FEWEST_CLASSES
    p, interval, spread = math.nan, (math.nan, math.nan), (math.nan, math.nan)
    if math.isfinite(pooled):
        defined = np.isfinite(per_model)
        p = _permutation_p(ranks[defined].mean(axis=0), order, permutations, generator)

        def rho(weights: np.ndarray) -> np.ndarray:  # of the classes that count, of every model that has one of all
            parts = (column > 0 for column in weights.T)
            return np.array([_rho(frequency[defined][:, part], diversity[part]) for part in parts])

        if few:
            without = rho(1 - np.eye(classes))
            spread = float(without.min()), float(without.max())
        else:
            low, high = correlation_interval(jackknife(rho, np.arange(classes)), classes)
            interval = (low, high) if p <= LEVEL else (min(low, 0.0), max(high, 0.0))
    partial = _partial(frequency, diversity, held) if held else None
    drawn, left = (None, spread) if few else (interval, None)
    mean, described = (
        None if partial is None else _mean(partial),
        (frequency.size, classes, "class", left_out, CONVENTION),
    )
    return ClassAssociation(pooled, drawn, left, p, per_model, mean, partial, *described)


def complete_classes(
    frequency: np.ndarray, diversity: np.ndarray, controls: Mapping[str, np.ndarray], *, needed: int
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], int]:
    """Return the arrays, controls as (models, classes), over the classes without a missing value; how many have one."""
    frequency, diversity = as_numbers(frequency, "frequency"), as_numbers(diversity, "diversity")
    if frequency.ndim != 2 or diversity.shape != frequency.shape[1:]:
        raise ValueError(
            f"frequency must be (models, classes) and diversity (classes,), not {frequency.shape} and {diversity.shape}"
        )
    held = {}
    for name, values in controls.items():
        values = as_numbers(values, name)
        if values.shape not in (frequency.shape, diversity.shape):
            raise ValueError(f"control {name!r} must be {frequency.shape} or {diversity.shape}, not {values.shape}")
        held[name] = np.broadcast_to(values, frequency.shape)
    kept = np.isfinite(np.vstack([frequency, diversity, *held.values()])).all(axis=0)
    needed = max(needed, len(held) + 3)
    if kept.sum() < needed:
        raise ValueError(f"{kept.sum()} classes without a missing value; at least {needed} needed")
    held = {name: np.apply_along_axis(equate, 1, values[:, kept]) for name, values in held.items()}
    return np.apply_along_axis(equate, 1, frequency[:, kept]), equate(diversity[kept]), held, int((~kept).sum())


def _standard_ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks along the last axis, of mean 0 and length 1; NaN for a constant."""
    return _unit(stats.rankdata(values, axis=-1))


def _rho(frequency: np.ndarray, diversity: np.ndarray) -> float:
    """Return the mean over models of the rank correlation; NaN where that of any model is."""
    return float((_standard_ranks(frequency) @ _standard_ranks(diversity)).mean())


def _unit(values: np.ndarray) -> np.ndarray:
    values = values - values.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.divide(values, length, out=np.full_like(values, np.nan), where=length > 1e-9 * values.shape[-1])


def _mean(rho: np.ndarray) -> float:
    rho = rho[np.isfinite(rho)]
    return float(rho.mean()) if len(rho) else math.nan


def _permutation_p(together: np.ndarray, order: np.ndarray, permutations: int, generator: np.random.Generator) -> float:
    size, reached = max(1, CHUNK // len(order)), 0
    least = abs(float(together @ order)) * (1 - 1e-9)
    for first in range(0, permutations, size):
        labels = np.tile(order, (min(size, permutations - first), 1))
        reached += int((np.abs(generator.permuted(labels, axis=1) @ together) >= least).sum())
    return (1 + reached) / (permutations + 1)


def _partial(frequency: np.ndarray, diversity: np.ndarray, controls: dict[str, np.ndarray]) -> np.ndarray:
    """Return each model's rank correlation with the ranks of its controls taken out of both: (models,)."""
    found = []
    for model, values in enumerate(frequency):
        held = np.column_stack([np.ones_like(diversity), *(stats.rankdata(c[model]) for c in controls.values())])
        both = stats.rankdata(np.stack([values, diversity]), axis=1).T
        first, second = _unit((both - held @ np.linalg.lstsq(held, both, rcond=None)[0]).T)
        found.append(float(first @ second))
    return np.array(found)

"""Do networks vary more in classes that are more diverse? Models share the classes: the unit is the class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

FEWEST_CLASSES = 20  # that an interval is given for
CONVENTION = "mean over models of Spearman's rho, ties get their mean rank"
CHUNK = 4_000_000  # numbers at once in a resampling


@dataclass(frozen=True)
class ClassAssociation:
    """The mean over models of Spearman's rho over classes, and what it rests on."""

    statistic: float
    interval: tuple[float, float] | None  # classes drawn again; None below FEWEST_CLASSES
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
    resamples: int = 2000,
    seed: int = 0,
) -> ClassAssociation:
    """Return how frequency (models, classes) goes with diversity (classes,), by rank, over models together.

    Models are trained on the same classes and so find the same ones hard: their correlations are not independent, and a
    meta-analysis over models calls chance significant. Here p = (1 + #{|rho*| >= |rho|})/(permutations + 1) with the
    labels of diversity permuted once for all models, and the interval (95%, percentile) draws classes again with all
    their models. `controls` are (models, classes) or (classes,). ValueError for shapes that do not fit and for fewer
    than 4 classes, or 3 more than controls, without a missing value; a constant diversity gives NaN.
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
        if few:
            spread = _ends(_drawn_rho(frequency[defined], diversity, 1 - np.eye(classes)), (0, 1))
        else:
            weights = generator.multinomial(classes, [1 / classes] * classes, resamples).astype(float)
            interval = _ends(_drawn_rho(frequency[defined], diversity, weights), (0.025, 0.975))
    partial = _partial(frequency, diversity, held) if held else None
    drawn, left = (None, spread) if few else (interval, None)
    mean, said = None if partial is None else _mean(partial), (frequency.size, classes, "class", left_out, CONVENTION)
    return ClassAssociation(pooled, drawn, left, p, per_model, mean, partial, *said)


def complete_classes(
    frequency: np.ndarray, diversity: np.ndarray, controls: Mapping[str, np.ndarray], *, needed: int
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], int]:
    """Return the arrays, controls as (models, classes), over the classes without a missing value; how many have one."""
    frequency, diversity = np.asarray(frequency, dtype=float), np.asarray(diversity, dtype=float)
    if frequency.ndim != 2 or diversity.shape != frequency.shape[1:]:
        raise ValueError(
            f"frequency must be (models, classes) and diversity (classes,), not {frequency.shape} and {diversity.shape}"
        )
    held = {}
    for name, values in controls.items():
        values = np.asarray(values, dtype=float)
        if values.shape not in (frequency.shape, diversity.shape):
            raise ValueError(f"control {name!r} must be {frequency.shape} or {diversity.shape}, not {values.shape}")
        held[name] = np.broadcast_to(values, frequency.shape)
    kept = np.isfinite(np.vstack([frequency, diversity, *held.values()])).all(axis=0)
    needed = max(needed, len(held) + 3)
    if kept.sum() < needed:
        raise ValueError(f"{kept.sum()} classes without a missing value; at least {needed} needed")
    held = {name: values[:, kept] for name, values in held.items()}
    return frequency[:, kept], diversity[kept], held, int((~kept).sum())


def _standard_ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks along the last axis, of mean 0 and length 1; NaN for a constant."""
    return _unit(stats.rankdata(values, axis=-1))


def _unit(values: np.ndarray) -> np.ndarray:
    values = values - values.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.divide(values, length, out=np.full_like(values, np.nan), where=length > 1e-9 * values.shape[-1])


def _mean(rho: np.ndarray) -> float:
    rho = rho[np.isfinite(rho)]
    return float(rho.mean()) if len(rho) else math.nan


def _ends(values: np.ndarray, levels: tuple[float, float]) -> tuple[float, float]:
    low, high = np.nanquantile(values, levels)
    return float(low), float(high)


def _permutation_p(together: np.ndarray, order: np.ndarray, permutations: int, generator: np.random.Generator) -> float:
    size, reached = max(1, CHUNK // len(order)), 0
    least = abs(float(together @ order)) * (1 - 1e-9)
    for first in range(0, permutations, size):
        labels = np.tile(order, (min(size, permutations - first), 1))
        reached += int((np.abs(generator.permuted(labels, axis=1) @ together) >= least).sum())
    return (1 + reached) / (permutations + 1)


def _drawn_rho(frequency: np.ndarray, diversity: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean over models of rho with each class counted weights (k, classes) times: (k,)."""
    found = []
    for part in np.array_split(weights, max(1, weights.size // CHUNK)):
        other, total = _weighted_ranks(diversity, part), np.zeros(len(part))
        for values in frequency:
            ranks = _weighted_ranks(values, part)
            with np.errstate(invalid="ignore"):
                total += (part * ranks * other).sum(1) / np.sqrt((part * ranks**2).sum(1) * (part * other**2).sum(1))
        found.append(total / len(frequency))
    return np.concatenate(found)


def _weighted_ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return mean ranks (k, classes) of values (classes,) that occur weights (k, classes) times, less their mean."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=-np.inf))
    place = np.empty(len(values), dtype=int)
    place[order] = np.cumsum(np.diff(values[order], prepend=-np.inf) > 0) - 1
    counts = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks = np.cumsum(counts, axis=1) - (counts - 1) / 2
    return ranks[:, place] - (weights.sum(axis=1, keepdims=True) + 1) / 2


def _partial(frequency: np.ndarray, diversity: np.ndarray, controls: dict[str, np.ndarray]) -> np.ndarray:
    """Return each model's rank correlation with the ranks of its controls taken out of both: (models,)."""
    found = []
    for model, values in enumerate(frequency):
        held = np.column_stack([np.ones_like(diversity), *(stats.rankdata(c[model]) for c in controls.values())])
        both = stats.rankdata(np.stack([values, diversity]), axis=1).T
        first, second = _unit((both - held @ np.linalg.lstsq(held, both, rcond=None)[0]).T)
        found.append(float(first @ second))
    return np.array(found)

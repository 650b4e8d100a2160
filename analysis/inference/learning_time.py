"""When is something learned? Curves freed of one-step spikes, first crossings of a level, and their order."""

from __future__ import annotations

import numpy as np
from scipy import stats

from analysis.inference.rows import equate

WINDOW = 5  # recorded steps that a median is taken over, against the spikes of Adam


def smooth(curves: np.ndarray) -> np.ndarray:
    """Return the running median over WINDOW recorded steps of curves (runs, T, ...).

    A monotone curve stays as it is but for its last point, which becomes the one before: there the window is
    mirrored, so that a spike at the end does not count. Curves of fewer points than the window are left alone.
    """
    curves = np.asarray(curves, dtype=float)
    if curves.shape[1] < WINDOW:
        return curves
    half = WINDOW // 2
    before, after = np.repeat(curves[:, :1], half, axis=1), curves[:, -2 : -2 - half : -1]
    padded = np.concatenate([before, curves, after], axis=1)
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=1), axis=-1)


def first_reached(steps: np.ndarray, curves: np.ndarray, level: float | np.ndarray = 0.5) -> np.ndarray:
    """Return the first of steps (T,) at which curves (T, K) are at least `level`: (K,), infinite where never."""
    reached = np.asarray(curves) >= level
    return np.where(reached.any(axis=0), np.asarray(steps, dtype=float)[reached.argmax(axis=0)], np.inf)


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Return Spearman's rank correlation of x (n,) and y (n,): infinite values tie at the end, a constant has NaN."""
    if len(x) < 2 or np.isnan(y).any():
        return float("nan")
    ranks = (
        stats.rankdata(np.stack([equate(x), equate(y)]), axis=1) - (len(x) + 1) / 2
    )  # scipy's spearmanr takes ten times as long
    size = np.sqrt(np.square(ranks).sum(axis=1).prod())
    return float(ranks.prod(axis=0).sum() / size) if size else float("nan")


def highest_correlation(times: np.ndarray) -> float:
    """Return the highest rank correlation that times (n,) could have with so many of them infinite, and so tied."""
    reached = np.isfinite(times).sum()
    best = np.minimum(np.arange(len(times)), reached)
    return rank_correlation(np.arange(len(times)), best)


def at_step(steps: np.ndarray, curves: np.ndarray, step: int) -> np.ndarray:
    """Return curves (runs, T, ...) at the last recorded step that is not after `step`: (runs, ...)."""
    return curves[:, max(int(np.searchsorted(steps, step, side="right")) - 1, 0)]

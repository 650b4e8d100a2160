"""Do two quantities rise together? Rank correlations with an interval, and the number of trials they rest on."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

from analysis.inference.resampling import bootstrap_interval


class Association(NamedTuple):
    """A rank correlation: its value, its 95% bootstrap interval over rows, and the number of rows."""

    statistic: float
    interval: tuple[float, float]
    n: int


def spearman(x: np.ndarray, y: np.ndarray, *, seed: int = 0) -> Association:
    """Return Spearman's rank correlation of x (n,) and y (n,); NaN where either is constant."""
    return _associate(lambda a, b: stats.spearmanr(a, b).statistic, x, y, seed)


def kendall_tau(x: np.ndarray, y: np.ndarray, *, variant: str = "b", seed: int = 0) -> Association:
    """Return Kendall's tau of x (n,) and y (n,).

    Variant "b" corrects for ties; "a" divides by all n (n - 1) / 2 pairs, so that ties pull it towards 0
    (Jiang et al. 2020, "Fantastic Generalization Measures"). "b" is NaN where either is constant.
    """
    if variant not in ("a", "b"):
        raise ValueError(f"unknown variant {variant!r}; known: a, b")
    return _associate(_tau_a if variant == "a" else lambda a, b: stats.kendalltau(a, b).statistic, x, y, seed)


def _tau_a(x: np.ndarray, y: np.ndarray) -> float:
    upper = np.triu_indices(len(x), 1)
    agreement = np.sign(x[:, None] - x)[upper] * np.sign(y[:, None] - y)[upper]
    return float(agreement.mean())


def _associate(statistic: Callable[..., float], x: np.ndarray, y: np.ndarray, seed: int) -> Association:
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        return Association(float(statistic(x, y)), bootstrap_interval(statistic, x, y, seed=seed), len(x))

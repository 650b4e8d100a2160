"""What did the authors find? Averages over their runs, read off the figures of the paper's notebooks (+-0.01)."""

from __future__ import annotations

from typing import Any

import numpy as np

FREQUENCIES = (5, 10, 15, 20, 25, 30, 35, 40, 45, 50)

NETWORK = {  # with which those averages are comparable
    "frequencies": list(FREQUENCIES),
    "samples": 200,
    "width": 256,
    "depth": 6,
    "activation": "relu",
    "fourier_features": 0.0,
    "optimizer": "adam",
    "learning_rate": 3e-4,
    "weight_clip": 0.0,
}

# Figure 1: amplitudes -> update -> amplitude of each frequency, clipped at 1, over 20 runs
AMPLITUDE: dict[str, dict[int, tuple[float, ...]]] = {
    "equal": {
        1_000: (1.00, 0.41, 0.19, 0.13, 0.09, 0.06, 0.04, 0.04, 0.03, 0.03),
        5_000: (1.00, 0.93, 0.67, 0.48, 0.40, 0.31, 0.25, 0.21, 0.19, 0.15),
        10_000: (1.00, 1.00, 0.90, 0.69, 0.64, 0.51, 0.41, 0.39, 0.33, 0.28),
    },
    "increasing": {
        1_000: (0.89, 0.29, 0.18, 0.10, 0.08, 0.06, 0.04, 0.03, 0.02, 0.01),
        5_000: (1.00, 1.00, 0.71, 0.51, 0.33, 0.24, 0.18, 0.14, 0.13, 0.12),
        10_000: (1.00, 1.00, 1.00, 0.79, 0.56, 0.42, 0.34, 0.26, 0.24, 0.22),
    },
}

# Figure 3: delta -> ratio of each frequency, over 5 runs of 60,000 updates
RATIO: dict[float, tuple[float, ...]] = {
    0.5: (1.00, 1.00, 1.00, 1.00, 0.97, 0.96, 0.95, 0.92, 0.90, 0.89),
    1.0: (1.00, 1.00, 0.97, 0.96, 0.90, 0.86, 0.81, 0.75, 0.70, 0.66),
    1.5: (1.00, 0.99, 0.93, 0.92, 0.80, 0.75, 0.65, 0.57, 0.53, 0.46),
    2.0: (1.00, 1.00, 0.90, 0.85, 0.70, 0.60, 0.52, 0.41, 0.36, 0.31),
    3.0: (1.00, 0.99, 0.83, 0.73, 0.53, 0.41, 0.32, 0.25, 0.20, 0.17),
    4.0: (1.00, 1.00, 0.77, 0.60, 0.43, 0.33, 0.24, 0.19, 0.16, 0.13),
    4.95: (1.00, 1.00, 0.73, 0.54, 0.36, 0.27, 0.21, 0.16, 0.14, 0.12),
}
# The first delta at which the ratio of a frequency is below a level
NAN = float("nan")
FIRST_BELOW: dict[float, tuple[float, ...]] = {
    0.9: (NAN, NAN, 1.97, 1.42, 0.97, 0.82, 0.67, 0.58, 0.51, 0.47),
    0.5: (NAN, NAN, NAN, NAN, 3.3, 2.4, 2.1, 1.8, 1.6, 1.4),
}


AUTHORS_RUNS = 20  # that the amplitudes of figure 1 are averages over
AUTHORS_STEPS = 60_000  # updates before figure 3
READING = 0.01  # error of a value read off a figure


def comparable(settings: dict[str, Any]) -> bool:
    """Say whether a trial has the paper's network, optimiser and frequencies; where a setting is not known it has not.

    A trial of any amplitudes and number of updates may: see `robustness_comparable`.
    """
    known = {name: list(v) if isinstance(v, tuple) else v for name, v in settings.items()}
    return all(name in known and known[name] == value for name, value in NETWORK.items())


def robustness_comparable(settings: dict[str, Any]) -> bool:
    """Say whether a trial is comparable with figure 3, which is of equal amplitudes only."""
    return comparable(settings) and settings.get("amplitudes") == "equal"


def authors(settings: dict[str, Any]) -> str:
    """Return what the authors' robustness is called beside a trial's: with its updates where the trial had fewer."""
    fewer = settings.get("steps", 0) < AUTHORS_STEPS
    return f"authors, {AUTHORS_STEPS:,} updates" if fewer else "authors"


def agreement(ours: np.ndarray, published: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean over runs of ours (runs, K), its standard error, and whether it agrees with published (K,).

    As published the mean is taken first, then clipped at 1; the error is of runs as they are. It agrees within
    2 sqrt((1 + n / 20) se^2 + 0.01^2): with the errors of n runs here, of the authors' 20, and of reading.
    """
    runs = len(ours)
    mean = ours.mean(axis=0).clip(max=1)
    error = ours.std(axis=0, ddof=1) / np.sqrt(runs)
    tolerance = 2 * np.sqrt((1 + runs / AUTHORS_RUNS) * error**2 + READING**2)
    return mean, error, np.abs(mean - published) <= tolerance

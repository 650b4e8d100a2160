"""Sweeps that are like real ones, whose truth is planted: families, seeds, ceilings, divergence; a row per run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

SLOPE = 0.5  # planted, of the measure on the target


@dataclass(frozen=True)
class Sweep:
    """What one kind of sweep is like."""

    settings: int = 50
    families: int = 6
    unequal: bool = False  # families of 1/2, 1/4, ... of the settings
    heavy: bool = False  # errors of Student's t with 3 degrees
    ceiling: float = 0.0  # share of settings whose accuracy is the highest there is
    diverged: float = 0.0  # chance of a setting to be far below the others
    alike: float = 0.5  # correlation of the errors of a setting's seeds
    uneven: bool = False  # errors grow with the distance from the median accuracy

    def draw(self, generator: np.random.Generator, settings: int | None = None) -> pd.DataFrame:
        """Return a row per run: measure, target, loss, family, setting, and the axes of a grid."""
        count = settings or self.settings
        family = np.arange(count) % self.families
        if self.unequal:
            family = np.floor(np.log2(count / np.arange(1, count + 1))).astype(int).clip(0, self.families - 1)
        loss, x = generator.normal(size=(2, count))
        x, order = (x + 0.5 * loss) / 1.25**0.5, generator.permutation(count)
        x = np.where(order < round(self.ceiling * count), 1.0, 1 - np.abs(x - 1) if self.ceiling else x)
        lost = generator.binomial(count, self.diverged) if self.diverged else 0
        x = np.where(order >= count - lost, x - 8, x)
        error = math.sqrt(self.alike) * self._errors(generator, count, 1)
        error = error + math.sqrt(1 - self.alike) * self._errors(generator, count, 2)
        if self.uneven:
            error = error * (0.3 + np.abs(x - np.median(x)))[:, None]
        shift = 0.5 * generator.normal(size=self.families)[family]
        rows = {"family": family, "setting": np.arange(count), "target": x, "loss": loss, "shift": shift}
        rows |= {"width": np.arange(count) // 5, "epochs": np.arange(count) % 5}
        table = pd.DataFrame({name: np.repeat(values, 2) for name, values in rows.items()})
        table["measure"] = SLOPE * table["target"] + error.ravel()
        return table.assign(shifted=table["measure"] + table["shift"])

    def _errors(self, generator: np.random.Generator, *shape: int) -> np.ndarray:
        return generator.standard_t(3, size=shape) / 3**0.5 if self.heavy else generator.normal(size=shape)


SWEEPS = {
    "50": Sweep(),
    "20": Sweep(20),
    "10": Sweep(10, 2),
    "5": Sweep(5, 2),
    "unequal": Sweep(unequal=True),
    "heavy": Sweep(heavy=True),
    "40% top": Sweep(ceiling=0.4),
    "80% top": Sweep(ceiling=0.8),
    "80%, 10": Sweep(10, 2, ceiling=0.8),
    "diverged": Sweep(diverged=0.08),
    "alike": Sweep(alike=0.9),
    "uneven": Sweep(uneven=True),
}

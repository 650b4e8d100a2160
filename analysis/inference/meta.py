"""How far do models agree about a correlation? Their mean, and how much they differ beyond chance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

FEW = 5  # models of which fewer give a prediction interval that covers nearly always (t of 1 or 2 degrees)
SPEARMAN = 1.06  # variance of atanh of a rank correlation, times n - 3 (Fieller, Hartley and Pearson 1957)

NEAR_ONE = 0.9  # a rank correlation whose interval by Fisher's z covers the truth in fewer than 95 of 100
ROUGH = "so near 1 such an interval covers the truth in about 90 of 100"


@dataclass(frozen=True)
class Meta:
    """Rank correlations of several models together; the interval is of their mean, `prediction` of one more model's."""

    statistic: float
    interval: tuple[float, float]
    prediction: tuple[float, float]  # NaN for two models: it has k - 2 degrees of freedom
    tau2: float  # variance of atanh rho between models
    i2: float  # share of the variance of atanh rho that is between models
    n: int
    units: int
    unit: str
    left_out: int  # models without a finite rho, or with one of -1 or 1, or of n < 4
    convention: str
    note: str = ""


def fisher_interval(rho: float, n: int) -> tuple[float, float]:
    """Return the 95% interval of one Spearman's rho over n > 3 independent rows, on Fisher's scale; NaN for -1 or 1.

    The variance of atanh rho is (1 + rho^2 / 2) / (n - 3) (Bonett and Wright 2000): Fieller's 1.06 is too little for a
    high rho. Beyond NEAR_ONE either covers less than it says.
    """
    if n < 4 or not abs(rho) < 1:
        return math.nan, math.nan
    half = float(stats.norm.ppf(0.975)) * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)


def random_effects(rho: Mapping[str, float], n: int | Mapping[str, int]) -> Meta:
    """Return the random-effects mean of Spearman's rho by model, each over its n classes (or other rows).

    z = atanh rho with variance 1.06/(n - 3); the variance between models by DerSimonian and Laird (1986), by
    statsmodels; intervals 95%, back on the scale of rho. That of the mean is Hartung and Knapp's (2001) with t of k - 1
    degrees of freedom, as the normal one is too narrow for few models that differ; where all agree to the digit, the
    normal one. The prediction interval has t with k - 2 degrees of freedom (Higgins, Thompson and
    Spiegelhalter 2009), and is too narrow where models differ by less than their own errors: `note` says so.

    Valid only as a description of how models differ where they share the classes: these correlations are not
    independent, and an interval without 0 says nothing about other classes. Over 30 models of the same ten classes it
    can give p = 8e-10 where permuting the classes gives 0.2: for that see class_association. `n` of the result is the
    sum over models. ValueError for fewer than two models that can be used.
    """
    from statsmodels.stats.meta_analysis import combine_effects  # takes a second to import

    sizes = {name: n[name] if isinstance(n, Mapping) else n for name in rho}
    used = [name for name, value in rho.items() if abs(value) < 1 and sizes[name] > 3]  # not NaN
    if len(used) < 2:
        raise ValueError(f"{len(used)} models with a rank correlation inside (-1, 1) of 4 rows or more; 2 needed")
    z = np.arctanh([rho[name] for name in used])
    variance = SPEARMAN / (np.array([sizes[name] for name in used]) - 3.0)
    with np.errstate(divide="ignore", invalid="ignore"):  # of models that agree too well, see below
        found = combine_effects(z, variance, method_re="dl")
    tau2, kind = (float(found.tau2), "re") if found.tau2 > 0 else (0.0, "fe")  # statsmodels takes a negative one as is
    mean, error, spread = (
        float(getattr(found, name)) for name in (f"mean_effect_{kind}", f"sd_eff_w_{kind}", f"sd_eff_w_{kind}_hksj")
    )
    i2 = float(found.i2) if tau2 else 0.0
    agree = spread <= 1e-9 * error
    half = float(stats.norm.ppf(0.975)) * error if agree else float(stats.t.ppf(0.975, len(used) - 1)) * spread
    wide = float(stats.t.ppf(0.975, len(used) - 2)) * math.sqrt(tau2 + error**2) if len(used) > 2 else math.nan
    notes = {
        "prediction: rough, models hardly differ beyond their errors": i2 < 0.5,
        f"prediction: very wide, of {len(used)} models": len(used) < FEW,
    }
    return Meta(
        statistic=math.tanh(mean),
        interval=(math.tanh(mean - half), math.tanh(mean + half)),
        prediction=(math.tanh(mean - wide), math.tanh(mean + wide)),
        tau2=tau2,
        i2=i2,
        n=sum(sizes[name] for name in used),
        units=len(used),
        unit="model",
        left_out=len(rho) - len(used),
        convention="Fisher's z of Spearman's rho, DerSimonian-Laird, Hartung-Knapp",
        note="; ".join(text for text, holds in notes.items() if holds),
    )

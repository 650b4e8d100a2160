"""What do published networks show? The values of the RobustNets release, for comparison with CIFAR-10.

447 networks (Conv8, ResNet-18 and VGG-16, pruned in many ways or not, trained on clean, AugMix or noisy images) of
"Models Out of Line" (Fridovich-Keil et al., NeurIPS 2022), measured with our default settings: the released
high-frequency share of paths between test images, a sample per unit of normalised L2 distance; 200 per class and per
pair of classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analysis.inference.rows import setting_text
from analysis.questions.by_intervention import ACCURACY as TEST
from analysis.questions.by_intervention import KINDS

if TYPE_CHECKING:
    import pandas as pd

    from analysis.tables.table import Records

WITHIN, BETWEEN = KINDS
PEARSON = {WITHIN: -0.944, BETWEEN: 0.546}  # with test accuracy, over all
ACCURACY, BETWEEN_RANGE = (0.625, 0.963), (0.270, 0.323)  # lowest and highest of all
SLOPE = -0.567  # of their line: within-class share per unit of accuracy
MEASURED_AS = {"dataset": "cifar10", "probe_split": "test", "spacing": 1.0, "path_samples": None}
MEASURED_AS |= {"signal": "probabilities"}


class Network(NamedTuple):
    """A network that was not pruned: test accuracy and both high-frequency shares."""

    name: str
    accuracy: float
    within: float
    between: float


NETWORKS = (
    Network("Conv8", 0.8943, 0.0976, 0.3188),
    Network("Conv8, AugMix", 0.9053, 0.0945, 0.2993),
    Network("Conv8, noise", 0.8742, 0.1096, 0.3098),
    Network("ResNet-18", 0.9482, 0.0625, 0.3110),
    Network("ResNet-18, AugMix", 0.9495, 0.0545, 0.3139),
    Network("ResNet-18, noise", 0.9301, 0.0756, 0.3099),
    Network("VGG-16", 0.9360, 0.0700, 0.3214),
    Network("VGG-16, AugMix", 0.9398, 0.0648, 0.3197),
    Network("VGG-16, noise", 0.9132, 0.0903, 0.3139),
)


def within_at(accuracy: np.ndarray) -> np.ndarray:
    """Return the within-class share that the line through all 447 networks has at these test accuracies (shares)."""
    return 0.6025 + SLOPE * np.asarray(accuracy)


def comparable(records: Records) -> bool:
    """Return whether the trials were measured as the published networks were."""
    known = {name: setting_text(value) for name, value in MEASURED_AS.items()}
    return all(name in records.texts and records.values_of(name) == text for name, text in known.items())


def compared(last: pd.DataFrame) -> str:
    """Say how trials, a row each, lie to the published networks; only those as accurate as these are compared."""
    alike = last[last[TEST].between(*ACCURACY)]
    who = f"447 published networks (RobustNets, 200 pairs), of test accuracy {ACCURACY[0]} to {ACCURACY[1]}"
    if alike[[TEST, WITHIN, BETWEEN]].nunique().min() < 3:
        return f"{who}: too few trials here are as accurate to be compared"
    correlations = (
        f"Pearson's correlation of {kind} with accuracy is {np.corrcoef(alike[TEST], alike[kind])[0, 1]:+.2f},"
        f" theirs {published:+.2f}"
        for kind, published in PEARSON.items()
    )
    above, slope = alike[WITHIN] - within_at(alike[TEST]), np.polyfit(alike[TEST], alike[WITHIN], 1)[0]
    off, between = (f"{each.min():.3f} to {each.max():.3f}" for each in (above, alike[BETWEEN]))
    return (
        f"{who}: of {len(alike)} trials here as accurate, {'; '.join(correlations)}; the slope of the within-class"
        f" share by accuracy is {slope:+.2f}, theirs {SLOPE:+.2f}, so that it is {off} off their line; the between"
        f"-class share is {between}, theirs {BETWEEN_RANGE[0]:.3f} to {BETWEEN_RANGE[1]:.3f}"
    )


def beside(last: pd.DataFrame) -> str:
    """Say what published networks have at the accuracy of the most accurate of these trials, if any are as accurate."""
    best = last.loc[last[TEST].idxmax()]
    if not ACCURACY[0] <= best[TEST] <= ACCURACY[1]:
        return f"no published network is as accurate as the most accurate here ({best[TEST]:.3f}): nothing beside it"
    return (
        f"the most accurate here ({best[TEST]:.3f}) has shares of {best[WITHIN]:.3f} within and {best[BETWEEN]:.3f}"
        f" between classes; 447 published networks (RobustNets) so accurate about {float(within_at(best[TEST])):.3f}"
        f" within, and all of them {BETWEEN_RANGE[0]:.2f} to {BETWEEN_RANGE[1]:.2f} between"
    )

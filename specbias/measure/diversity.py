"""How diverse is a class inside? Seen in its images alone, without a network.

The question of "Spectral Bias in Practice", section on ImageNet, whose formula for diversity is not published: several
are given, and PRIMARY is the one that claims are about, declared before looking.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor

from specbias.data import Data, Split
from specbias.seeds import derive_seed

PRIMARY = "total_variance"
PRIMARY_OF_FEATURES = "feature_mean_distance"
PAIRS = 2_000  # of a class, drawn by seed, over which a distance is averaged


def primary(names: Collection[str]) -> str:
    """Return which of these measures a claim is about: in an independent network's features where there are any."""
    return PRIMARY_OF_FEATURES if PRIMARY_OF_FEATURES in names else PRIMARY


def class_diversity(data: Data, split: Split, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Return name -> values (classes,) of each class's images in `split`, in normalised pixels (D = 3 H W of them).

    total_variance: mean squared L2 distance to the class's mean image. mean_distance: mean L2 distance between two of
    its images, over PAIRS random pairs. participation_ratio: (sum l)^2 / sum l^2 over the eigenvalues l of the
    covariance of its pixels, between 1 and min(N - 1, D): how many directions the variance is spread over. NaN for a
    class of fewer than two images. Taken of images that supply no path, a relation with the frequency on paths cannot
    come from shared images.
    """
    found = {name: np.full(data.num_classes, np.nan) for name in (PRIMARY, "mean_distance", "participation_ratio")}
    for label in range(data.num_classes):
        images = split.images[split.labels == label]
        if len(images) < 2:
            continue
        points = data.normalise(images).flatten(1)
        centred = points - points.mean(dim=0)
        found[PRIMARY][label] = centred.square().sum(dim=1).mean().item()
        found["mean_distance"][label] = _mean_distance(points, seed=derive_seed(seed, "diversity", label))
        found["participation_ratio"][label] = _participation_ratio(centred)
    return found


def _mean_distance(points: Tensor, *, seed: int) -> float:
    generator = torch.Generator().manual_seed(seed)
    first = torch.randint(len(points), (PAIRS,), generator=generator)
    step = torch.randint(1, len(points), (PAIRS,), generator=generator)  # to another image, never itself
    second = (first + step) % len(points)
    pairs = zip(first.split(500), second.split(500), strict=True)
    distances = [(points[one] - points[other]).norm(dim=1) for one, other in pairs]
    return torch.cat(distances).mean().item()


def _participation_ratio(centred: Tensor) -> float:
    """Return trace(C)^2 / trace(C^2) of the covariance C, by whichever of C and the Gram matrix is smaller."""
    gram = centred.T @ centred if len(centred) > centred.shape[1] else centred @ centred.T
    return (gram.trace().square() / gram.square().sum()).item()

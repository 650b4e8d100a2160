"""How diverse is a class inside? Seen in its images alone: their pixels, or the features of a network.

The question of "Spectral Bias in Practice", section on ImageNet, whose formula for diversity is not published: several
are given, and `primary` says which one claims are about, declared before looking. All come from one Gram matrix
(N, N), so that large images cost no more memory than small ones.
"""

from __future__ import annotations

from collections.abc import Collection
from math import inf, nan

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from specbias.data import Data, Split
from specbias.measurement import evaluating
from specbias.settings import SettingError

MEASURES = ("total_variance", "mean_distance", "participation_ratio", "vendi", "intrinsic_dimension")
PRIMARY = "total_variance"  # of pixels
PRIMARY_OF_FEATURES = "feature_mean_distance"
SAME = 1e-12  # of |x|^2 + |y|^2, seen from the mean: points x and y whose squared distance is at most this are one
ROUNDING = 8 * torch.finfo(torch.float64).eps  # of the size of a point as it is: nearer ones are one too
COORDINATES = 8_192  # of all points that are in float64 at a time


def primary(names: Collection[str]) -> str:
    """Return which of these measures a claim is about: in an independent network's features where there are any."""
    return PRIMARY_OF_FEATURES if PRIMARY_OF_FEATURES in names else PRIMARY


def diversity(points: Tensor) -> dict[str, float]:
    """Return MEASURES of one class's images as points (N, D): normalised pixels, or features.

    total_variance: mean squared L2 distance to the mean point. mean_distance: mean L2 distance between two of the
    points, over all pairs. participation_ratio: (sum l)^2 / sum l^2 over the eigenvalues l of the covariance, between 1
    and min(N - 1, D): how many directions the variance is spread over. vendi: exp of the entropy of the eigenvalues of
    K / N with K the cosine similarity (Friedman and Dieng 2023), between 1 and N: how many points that have nothing in
    common would be as diverse. intrinsic_dimension: TwoNN (Facco et al. 2017), from the ratio of every distinct point's
    distances to its second and its first neighbour.

    NaN: all for fewer than two points; the dimension for fewer than three distinct ones, and where all are equally far
    from each other; the participation ratio of points that are all one, whose variance, distance and vendi are 0, 0, 1.
    FloatingPointError for a point that is not finite.
    """
    if len(points) < 2:
        return dict.fromkeys(MEASURES, nan)
    centred, norms, gram = _grams(points)
    if not norms.isfinite().all():
        raise FloatingPointError(f"{int((~norms.isfinite()).sum())} of {len(points)} points are not finite")
    own = centred.diagonal()
    scale = own[:, None] + own
    squared = scale - 2 * centred  # distances
    squared = squared.where((squared > SAME * scale) & (squared > ROUNDING**2 * (norms[:, None] + norms)), 0)
    return {
        "total_variance": squared.mean().item() / 2,
        "mean_distance": squared.sqrt().sum().item() / (len(points) * (len(points) - 1)),
        "participation_ratio": _participation_ratio(squared),
        "vendi": _vendi(gram, norms),
        "intrinsic_dimension": _intrinsic_dimension(squared),
    }


def class_diversity(data: Data, split: Split) -> dict[str, np.ndarray]:
    """Return name -> values (classes,) of `diversity` of each class's images in `split`, in normalised pixels.

    Taken of images that supply no path, a relation with the frequency on paths cannot come from shared images.
    """
    found = []
    for label in range(data.num_classes):
        points = data.normalise(split.images[split.labels == label]).flatten(1)
        found.append(diversity(points))
    return {name: np.array([each[name] for each in found]) for name in MEASURES}


def features(model: nn.Module, images: Tensor, *, batch_size: int) -> Tensor:
    """Return what goes into the network's last linear layer, scaled to unit length per image: (B, F) in float32.

    `images` (B, 3, H, W) are normalised and on the network's device; it runs in evaluation mode and float32, and its
    modes are put back. SettingError if it has no linear layer; FloatingPointError on a feature that is not finite.
    """
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise SettingError(f"a {type(model).__name__} has no linear layer, before which its features are: take another")
    kept: list[Tensor] = []
    hook = linear[-1].register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0].flatten(1)))
    try:
        with evaluating(model, images.device.type, "float32") as predict:
            for part in images.split(batch_size):
                predict(part)
    finally:
        hook.remove()
    found = torch.cat(kept)
    if not found.isfinite().all():
        raise FloatingPointError("the network's features are not finite")
    return normalize(found, dim=1)


def _grams(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the Gram matrix (N, N) of points (N, D) less their mean, |x|^2 (N,), and the Gram matrix as they are.

    Centred first: far from the origin, products of the points as they are leave no digit to their differences.
    """
    centred = points.new_zeros(len(points), len(points), dtype=torch.float64)
    norms, along, square = centred.new_zeros(len(points)), centred.new_zeros(len(points)), centred.new_zeros(())
    for part in points.split(COORDINATES, dim=1):
        part = part.double()
        norms += part.square().sum(dim=1)
        mean = part.mean(dim=0)
        part = part - mean
        centred.addmm_(part, part.T)
        along += part @ mean
        square += mean @ mean
    return centred, norms, centred + along[:, None] + along + square


def _participation_ratio(squared: Tensor) -> float:
    """Return trace(C)^2 / trace(C^2) of the centred Gram matrix C, whose eigenvalues are N times the covariance's."""
    rows = squared - squared.mean(dim=0)
    centred = (rows - rows.mean(dim=1, keepdim=True)) / -2
    return (centred.trace().square() / centred.square().sum()).item()


def _vendi(gram: Tensor, norms: Tensor) -> float:
    length = norms.sqrt()
    similarity = gram / (length[:, None] * length).clamp(min=torch.finfo(gram.dtype).tiny)
    similarity = similarity.where((length > 0) & (length[:, None] > 0), 0)  # a point at the origin is like no other
    eigenvalues = torch.linalg.eigvalsh(similarity.fill_diagonal_(1)) / len(gram)  # also of a point at the origin
    return torch.special.entr(eigenvalues.clamp(min=0)).sum().exp().item()


def _intrinsic_dimension(squared: Tensor) -> float:
    """Return (N - 1) / sum log(r2 / r1) over the N distinct points: TwoNN's likelihood (Denti et al. 2022), unbiased.

    Facco et al. leave the largest tenth of the ratios out of the straight line that they fit to their distribution. In
    the likelihood all count: without the largest it would be biased upwards.
    """
    again = (squared == 0).tril(-1).any(dim=1)  # equal to an earlier point
    distinct = squared[~again][:, ~again].fill_diagonal_(inf)
    if len(distinct) < 3:
        return nan
    first, second = distinct.topk(2, largest=False).values.sqrt().T
    growth = (second / first).log().sum().item()
    return (len(distinct) - 1) / growth if growth else nan

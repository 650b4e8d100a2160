"""Which way between two points keeps a class's logit high? Nudged elastic bands, many side by side."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from specbias.synthetic.classifier import Classifier, Value, class_logit
from specbias.synthetic.config import ClassPathsConfig

PROBES = 9  # points between two pivots at which it is asked whether they need a third


@dataclass(frozen=True)
class Paths:
    """Polygons one after the other: the points of each from its first end over its pivots to its last."""

    points: Tensor  # (T, D)
    owner: Tensor  # (T,) the path of each point: 0, 0, ..., 1, 1, ...

    @property
    def inner(self) -> Tensor:
        """The points that have neighbours on both sides: the pivots."""
        return (self.owner[:-2] == self.owner[2:]).nonzero().squeeze(1) + 1

    @property
    def segments(self) -> Tensor:
        """The points that a segment begins at."""
        return (self.owner[:-1] == self.owner[1:]).nonzero().squeeze(1)

    def at(self, index: Tensor, fraction: Tensor) -> Tensor:
        """Return the points (B, D) at a fraction (B,) of the segments that begin at the points `index` (B,)."""
        following = (index + 1).clamp(max=len(self.points) - 1)
        return torch.lerp(self.points[index], self.points[following], fraction[:, None])

    def lengths(self) -> Tensor:
        """Return the length of every path."""
        begin = self.segments
        found = (self.points[begin + 1] - self.points[begin]).norm(dim=1)
        return found.new_zeros(int(self.owner[-1]) + 1).index_add(0, self.owner[begin], found)

    def along(self, path: int, shares: Tensor) -> Tensor:
        """Return the points (S, D) at these shares (S,), from 0 to 1, of one path's length."""
        points = self.points[self.owner == path]
        lengths = (points[1:] - points[:-1]).norm(dim=1)
        passed = torch.cat((lengths.new_zeros(1), lengths.cumsum(0)))
        wanted = shares * passed[-1]
        begin = (torch.searchsorted(passed, wanted, right=True) - 1).clamp(0, len(lengths) - 1)
        fraction = ((wanted - passed[begin]) / lengths[begin].clamp(min=1e-12)).clamp(0, 1)
        return torch.lerp(points[begin], points[begin + 1], fraction[:, None])


def straight_paths(starts: Tensor, ends: Tensor, *, pivots: int) -> Paths:
    """Return straight paths from starts to ends, (P, D) each, with so many pivots at equal distances."""
    fractions = torch.linspace(0, 1, pivots + 2, device=starts.device)[None, :, None]
    points = torch.lerp(starts[:, None], ends[:, None], fractions).flatten(0, 1)
    return Paths(points, torch.arange(len(starts), device=starts.device).repeat_interleave(pivots + 2))


def auto_neb(
    classifier: Classifier, starts: Tensor, ends: Tensor, classes: Tensor, *, config: ClassPathsConfig
) -> Paths:
    """Return paths from starts to ends, (P, D) each, moved by gradient descent to where their class's logit is high.

    Nudged elastic bands with automatic insertion (Draxler et al. 2018), begun from straight lines. As in the paper
    (appendix A.7) there are no springs; nor are pivots redistributed, as Draxler et al. do in their place: what moves
    them is orthogonal to the path and leaves their distances about as they are.
    """
    paths = straight_paths(starts, ends, pivots=config.pivots)
    for iteration in range(config.neb_iterations):
        if iteration:
            paths = insert_pivots(classifier, paths, classes, threshold=config.insertion_threshold)
        paths = relax(classifier, paths, classes, config=config)
    return paths


def relax(classifier: Classifier, paths: Paths, classes: Tensor, *, config: ClassPathsConfig) -> Paths:
    """Return the paths after gradient descent with momentum on the negative logit, orthogonal to the path's tangent.

    The ends stay. Pivots are kept in the box of valid points; as it is convex, so is all between them.
    """
    points, inner, of_point = paths.points.clone(), paths.inner, classes[paths.owner]
    losses, velocity = -classifier.values(class_logit, points, of_point), torch.zeros_like(points[inner])
    for _ in range(config.neb_steps):
        logits, uphill = classifier.gradients(class_logit, points[inner], of_point[inner])
        losses[inner] = -logits
        velocity = config.neb_momentum * velocity - orthogonal(uphill, tangents(points, inner, losses))
        points[inner] = classifier.clamp(points[inner] - config.neb_learning_rate * velocity)
    return Paths(points, paths.owner)


def tangents(points: Tensor, inner: Tensor, losses: Tensor) -> Tensor:
    """Return the unit tangents (B, D) at the points `inner`: along the segment to the neighbour of higher loss.

    So do Draxler et al. 2018 (after Henkelman and Jonsson 2000): a mean over both sides lets paths kink.
    """
    forward, backward = points[inner + 1] - points[inner], points[inner] - points[inner - 1]
    return normalize(torch.where((losses[inner + 1] > losses[inner - 1])[:, None], forward, backward), dim=1)


def orthogonal(vectors: Tensor, units: Tensor) -> Tensor:
    """Return the part of each vector (B, D) that is orthogonal to the unit vector beside it."""
    return vectors - (vectors * units).sum(dim=1, keepdim=True) * units


def insert_pivots(classifier: Classifier, paths: Paths, classes: Tensor, *, threshold: float) -> Paths:
    """Return the paths with a new pivot on every segment whose loss rises too far above its ends' interpolation.

    It goes where the loss is highest above that, of nine probes, if that is by more than `threshold` times the range of
    the loss on the path. Between two pivots there is at most one new.
    """
    begin, fractions = paths.segments, torch.arange(1, PROBES + 1, device=paths.owner.device) / (PROBES + 1)
    ends = -classifier.values(class_logit, paths.points, classes[paths.owner])
    index, fraction = begin.repeat_interleave(PROBES), fractions.repeat(len(begin))
    probes = -values_on(classifier, class_logit, paths, classes, index=index, fraction=fraction)
    excess = (probes - torch.lerp(ends[index], ends[index + 1], fraction)).view(-1, PROBES)
    every, owners = torch.cat((ends, probes)), torch.cat((paths.owner, paths.owner[index]))
    ranges = -_lowest(-every, owners, len(classes)) - _lowest(every, owners, len(classes))
    most, where = excess.max(dim=1)
    chosen = most > threshold * ranges[paths.owner[begin]]
    begin, fraction = begin[chosen], fractions[where[chosen]]
    places = torch.cat((torch.arange(len(ends), device=begin.device), begin + fraction.double()))
    order = places.argsort()
    points = torch.cat((paths.points, paths.at(begin, fraction)))[order]
    return Paths(points, torch.cat((paths.owner, paths.owner[begin]))[order])


def lowest_values(classifier: Classifier, value: Value, paths: Paths, classes: Tensor, *, spacing: float) -> Tensor:
    """Return the lowest value on each path (P,): at its points, and between them at most `spacing` apart."""
    begin = paths.segments
    lengths = (paths.points[begin + 1] - paths.points[begin]).norm(dim=1)
    samples = torch.ones_like(paths.owner)  # the last point of a path is a sample of its own
    samples[begin] = (lengths / spacing).ceil().long().clamp(min=1)
    index = torch.arange(len(samples), device=begin.device).repeat_interleave(samples)
    first = samples.cumsum(0) - samples
    fraction = (torch.arange(len(index), device=begin.device) - first[index]) / samples[index]
    found = values_on(classifier, value, paths, classes, index=index, fraction=fraction)
    return _lowest(found, paths.owner[index], len(classes))


def values_on(
    classifier: Classifier, value: Value, paths: Paths, classes: Tensor, *, index: Tensor, fraction: Tensor
) -> Tensor:
    """Return the value (B,) at fractions (B,) of the segments that begin at the points `index` (B,)."""
    of_sample = classes[paths.owner[index]]
    parts = zip(*(each.split(classifier.batch_size) for each in (index, fraction, of_sample)), strict=True)
    return torch.cat([classifier.values(value, paths.at(at, part), of) for at, part, of in parts])


def _lowest(values: Tensor, owners: Tensor, paths: int) -> Tensor:
    """Return the lowest of each path's values: (B,) and the path of each (B,) -> (paths,)."""
    return values.new_zeros(paths).scatter_reduce(0, owners, values, "amin", include_self=False)

"""Along which lines through image space is the function looked at? Pairs of test images and the way between them.

Linear paths of "Spectral Bias in Practice" (section 3.1 of the paper's code) in the data set's normalised space:
x(t) = x0 + t/d (x1 - x0) for t = 0, 1, 2, ... < d, with d = |x0 - x1| in L2: samples one unit apart, the second image
left out. Pairs are drawn at random as in the RobustNets release, but from one half of the test images only, so that
accuracy can also be given on images that supply no probe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from specbias.data import Data
from specbias.seeds import derive_seed

SHORTEST = 4  # samples: a shorter path has no spectrum to speak of and is left out


@dataclass(frozen=True)
class Pairs:
    """The ends of P paths: rows of the test split and their classes, each (P,), and the distances (P,) in float64."""

    first: Tensor
    second: Tensor
    first_class: Tensor
    second_class: Tensor
    distance: Tensor
    left_out: int  # pairs drawn but closer than SHORTEST samples

    @property
    def samples(self) -> Tensor:
        """The number of samples (P,) on each path: t = 0, 1, ... < distance."""
        return self.distance.ceil().long()


@dataclass(frozen=True)
class Probes:
    """What every trial of a study is measured on; `supply` (test images,) marks those from which probes are drawn."""

    within_class: Pairs
    between_class: Pairs
    supply: Tensor


def choose_probes(data: Data, *, pairs: int, seed: int) -> Probes:
    """Draw `pairs` paths within each class and between each two classes, the same for the same seed.

    The first half of each class's test images supplies probes. Within a class no image serves twice; between two
    classes no image serves twice for that pair of classes.
    """
    labels = data.test.labels.cpu()
    supply = torch.zeros(len(labels), dtype=torch.bool)
    rows_of = []
    for label in range(data.num_classes):
        rows = (labels == label).nonzero().flatten()
        rows_of.append(rows[: len(rows) // 2])
        supply[rows_of[-1]] = True

    def draw(count: int, label: int, *stream: object) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(seed, "probes", *stream))
        return rows_of[label][torch.randperm(len(rows_of[label]), generator=generator)[:count]]

    within = [draw(2 * pairs, c, "within", c).view(2, pairs) for c in range(data.num_classes)]
    between = [
        torch.stack([draw(pairs, a, "between", a, b, a), draw(pairs, b, "between", a, b, b)])
        for a, b in combinations(range(data.num_classes), 2)
    ]
    return Probes(_pairs(data, torch.cat(within, 1)), _pairs(data, torch.cat(between, 1)), supply)


def _pairs(data: Data, ends: Tensor) -> Pairs:
    device, labels = data.test.images.device, data.test.labels.cpu()
    distance = torch.cat([_distances(data, part.to(device)).cpu() for part in ends.split(256, dim=1)])
    long_enough = distance.ceil() >= SHORTEST
    first, second = ends[:, long_enough]
    left_out = int((~long_enough).sum())
    return Pairs(first, second, labels[first], labels[second], distance[long_enough], left_out)


def _distances(data: Data, ends: Tensor) -> Tensor:
    first, second = (data.test.images[rows].double() for rows in ends)
    std = first.new_tensor(data.std).view(1, 3, 1, 1) * 255
    return ((first - second) / std).flatten(1).norm(dim=1)


def walk(
    predict: Callable[[Tensor], Tensor], data: Data, pairs: Pairs, *, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (rows (n,) of `pairs`, outputs (n, T, C)) for groups of n paths of equal length T, in order of length.

    All samples of all paths form one long queue, so that every forward pass but the last is a full batch. In memory
    are one batch of images and the outputs of paths not yet complete, however many pairs there are.
    """
    device, images = data.test.images.device, data.test.images
    order = pairs.samples.argsort(stable=True)
    lengths = pairs.samples[order]
    ends = lengths.cumsum(0)
    starts = ends - lengths
    done, outputs = 0, None  # paths given away, outputs from starts[done] on
    for begin in range(0, int(ends[-1]), batch_size):
        sample = torch.arange(begin, min(begin + batch_size, int(ends[-1])))
        path = torch.searchsorted(ends, sample, right=True)
        row = order[path]
        weight = ((sample - starts[path]) / pairs.distance[row]).float().view(-1, 1, 1, 1)
        first, second = (images[ends[row].to(device)].float() for ends in (pairs.first, pairs.second))
        found = predict(data.normalise(torch.lerp(first, second, weight.to(device))))
        outputs = found if outputs is None else torch.cat([outputs, found])
        complete = int(torch.searchsorted(ends, int(sample[-1]) + 1, right=True))
        for length, count in zip(*lengths[done:complete].unique_consecutive(return_counts=True), strict=True):
            taken = int(length * count)
            yield order[done : done + count].clone(), outputs[:taken].view(int(count), int(length), -1)
            outputs, done = outputs[taken:], done + int(count)

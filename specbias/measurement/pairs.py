"""Between which images does a path run? Pairs of images of one class, or of two, and the distance between them.

Distances are L2 in the data set's normalised space, in float64. Two ways of pairing: `official`, in the order of the
data as in the code of "Spectral Bias in Practice" (evaluate_interpolation.py), and `random`, seeded, as in the
RobustNets release but from one half of the images, so that accuracy can also be given on images that supply no probe.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from specbias.data import Data, Split
from specbias.settings import SettingError
from specbias.settings.seeds import derive_seed

SHORTEST = 4  # samples: a shorter path has no spectrum to speak of and is left out


@dataclass(frozen=True)
class Pairs:
    """The ends of P paths in a split, and how they are sampled: every field but the last is (P,)."""

    first: Tensor  # rows of the split
    second: Tensor
    first_class: Tensor
    second_class: Tensor
    number: Tensor  # 0, 1, ... among the pairs of the same two classes
    distance: Tensor  # between the two images, float64
    step: Tensor  # distance between neighbouring samples, float64
    samples: Tensor  # at 0, step, 2 step, ... < distance
    left_out: Tensor  # numbers of the chosen pairs whose path would be shorter than SHORTEST: identical images, say

    def __len__(self) -> int:
        return len(self.first)

    def take(self, rows: Tensor) -> Pairs:
        """Return the pairs at `rows` (indices or a mask)."""
        chosen = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "left_out"}
        return replace(self, **chosen)


@dataclass(frozen=True)
class Probes:
    """What every trial of a study is measured on: pairs of images of one split."""

    split: str  # train, validation, test or extra
    within_class: Pairs
    between_class: Pairs
    supply: Tensor  # (images of the split,), bool: those that probes are drawn from


def choose_probes(
    data: Data,
    *,
    pairs: int,
    seed: int = 0,
    pairing: str = "random",
    split: str = "test",
    spacing: float = 1.0,
    path_samples: int | None = None,
) -> Probes:
    """Choose `pairs` paths within each class and between each two classes, the same for the same seed.

    random: from the first half of each class's images; within a class no image serves twice, and between two classes
    none serves twice for that pair of classes. official: images (0, 1), (2, 3), ... of a class, and image n of one
    class with image n of the other; the seed plays no part. Samples are `spacing` apart, the second image left out,
    or `path_samples` to a path. Raises SettingError where the split, or a class of it, has too few images, or where
    every path would be too short.
    """
    chosen = getattr(data, split)
    if data.num_classes < 2:
        raise SettingError("paths run within classes and between them: the data set has only one class")
    if chosen is None or not len(chosen.labels):
        raise SettingError(f"split {split}: this data set has no such images")
    labels = chosen.labels.cpu()
    names = data.class_names or range(data.num_classes)
    available = []
    supply = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(data.num_classes):
        rows = (labels == label).nonzero().flatten()
        rows = rows[: 2 * pairs] if pairing == "official" else rows[: len(rows) // 2]
        if len(rows) < 2 * pairs:
            raise SettingError(
                f"{pairs} pairs need {2 * pairs} images of a class: class {names[label]} has {len(rows)} in split "
                f"{split}" + ("" if pairing == "official" else " that supply probes (half of them)")
            )
        available.append(rows)
        supply[rows] = True
    within, between = (_official if pairing == "official" else _random)(available, pairs, seed)
    how: dict[str, Any] = {"pairs": pairs, "spacing": spacing, "path_samples": path_samples}
    within_class, between_class = (_join_all(data, chosen, ends, **how) for ends in (within, between))
    return Probes(split, within_class, between_class, supply)


def _official(rows: list[Tensor], pairs: int, seed: int) -> tuple[Tensor, Tensor]:
    within = [own.view(-1, 2).T for own in rows]
    between = [torch.stack([rows[a][:pairs], rows[b][:pairs]]) for a, b in combinations(range(len(rows)), 2)]
    return torch.cat(within, 1), torch.cat(between, 1)


def _random(rows: list[Tensor], pairs: int, seed: int) -> tuple[Tensor, Tensor]:
    def draw(count: int, label: int, *stream: object) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(seed, "probes", *stream))
        return rows[label][torch.randperm(len(rows[label]), generator=generator)[:count]]

    within = [draw(2 * pairs, c, "within", c).view(2, -1) for c in range(len(rows))]
    between = [
        torch.stack([draw(pairs, a, "between", a, b, a), draw(pairs, b, "between", a, b, b)])
        for a, b in combinations(range(len(rows)), 2)
    ]
    return torch.cat(within, 1), torch.cat(between, 1)


def _join_all(data: Data, split: Split, ends: Tensor, *, pairs: int, spacing: float, path_samples: int | None) -> Pairs:
    number = torch.arange(ends.shape[1]) % pairs
    found = join(data, split, ends, number=number, spacing=spacing, path_samples=path_samples)
    if len(found) or not ends.shape[1]:
        return found
    longest = _distances(data, split, ends).max()
    raise SettingError(
        f"spacing {spacing:g}: no path has {SHORTEST} samples, the longest is {longest:.3g} from end to end"
        if path_samples is None
        else f"no two images of a pair differ, or path_samples {path_samples} is less than {SHORTEST}"
    )


def join(
    data: Data,
    split: Split,
    ends: Tensor,
    *,
    number: Tensor | None = None,
    spacing: float = 1.0,
    path_samples: int | None = None,
) -> Pairs:
    """Return the paths between the images at `ends` (2, P), those left out that would be shorter than SHORTEST."""
    number = torch.arange(ends.shape[1]) if number is None else number
    labels = split.labels.cpu()
    distance = torch.cat([_distances(data, split, part) for part in ends.split(256, dim=1)])
    if path_samples is None:
        step, samples = torch.full_like(distance, spacing), distance.div(spacing).ceil().long()
    else:
        step, samples = distance / path_samples, torch.where(distance > 0, path_samples, 0)
    first, second = ends
    every = Pairs(first, second, labels[first], labels[second], number, distance, step, samples, number[:0])
    long_enough = samples >= SHORTEST
    return replace(every.take(long_enough), left_out=number[~long_enough])


def _distances(data: Data, split: Split, ends: Tensor) -> Tensor:
    first, second = (split.images[rows.to(split.images.device)].double() for rows in ends)
    std = first.new_tensor(data.std).view(1, 3, 1, 1) * 255
    return ((first - second) / std).flatten(1).norm(dim=1).cpu()

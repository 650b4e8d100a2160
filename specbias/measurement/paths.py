"""Along which lines through image space is the function looked at? Images on a path, and a walk over all of them.

A path is given by a sampler: sample(path (n,), step (n,)) -> images (n, 3, H, W) in the data set's normalised space,
the images at those numbered steps on those paths. walk() asks for them a batch at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from specbias.data import Data, Split
from specbias.measurement.pairs import Pairs

Predict = Callable[[Tensor], Tensor]  # normalised images (B, 3, H, W) -> logits (B, classes)
Sampler = Callable[[Tensor, Tensor], Tensor]
GATHERED = 2**18  # outputs, samples times classes, that are kept before they are given away: few, long groups


def linear(data: Data, split: Split, pairs: Pairs) -> Sampler:
    """Return the sampler of straight paths x(t) = x0 + t/d (x1 - x0), t = 0, step, 2 step, ... < d.

    "Spectral Bias in Practice", section 3.1 of the released code; d is the distance of the two images.
    """
    device = split.images.device

    def sample(path: Tensor, step: Tensor) -> Tensor:
        few, place = path.unique_consecutive(return_inverse=True)
        first, second = (ends_of(data, split, rows[few]) for rows in (pairs.first, pairs.second))
        weight = (step * pairs.step[path] / pairs.distance[path]).float().view(-1, 1, 1, 1).to(device)
        place = place.to(device)
        return torch.addcmul(first[place], (second - first)[place], weight).permute(0, 3, 1, 2)

    return sample


def ends_of(data: Data, split: Split, rows: Tensor) -> Tensor:
    """Return images of the split, normalised, as (n, H, W, 3): channels last, as convolutions like it best."""
    return data.normalise(split.images[rows.to(split.images.device)]).permute(0, 2, 3, 1).contiguous()


def walk(predict: Predict, sample: Sampler, lengths: Tensor, *, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (paths (n,), outputs (n, T, C)) for groups of n paths of equal length T, in order of length.

    All samples of all paths form one long queue, so that every forward pass but the last is a full batch. In memory
    are one batch of images and some hundred thousand outputs, however many paths there are. Raises
    FloatingPointError on an output that is not finite.
    """
    order = lengths.argsort(stable=True)
    lengths = lengths[order]
    ends = lengths.cumsum(0)
    starts, total = ends - lengths, int(ends[-1])
    done, kept = 0, []  # paths given away, and the outputs from starts[done] on
    for begin in range(0, total, batch_size):
        place = torch.arange(begin, min(begin + batch_size, total))
        path = torch.searchsorted(ends, place, right=True)
        kept.append(predict(sample(order[path], place - starts[path])))
        reached = int(place[-1]) + 1
        if reached < total and (reached - int(starts[done])) * kept[-1].shape[1] < GATHERED:
            continue
        outputs = torch.cat(kept)
        if not outputs.isfinite().all():
            raise FloatingPointError("the network's output is not finite")
        complete = int(torch.searchsorted(ends, reached, right=True))
        for length, count in zip(*lengths[done:complete].unique_consecutive(return_counts=True), strict=True):
            taken = int(length * count)
            yield order[done : done + count], outputs[:taken].view(int(count), int(length), -1)
            outputs, done = outputs[taken:], done + int(count)
        kept = [outputs]

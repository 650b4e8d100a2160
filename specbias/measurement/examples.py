"""Which paths stand for the others? Of each kind the two extreme ones and the median, with all that draws them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from specbias.data import Data, Split
from specbias.measurement.path_values import PathValues
from specbias.measurement.paths import Predict, linear, walk

WHICH = ("lowest", "median", "highest")  # of the shares above the band


def example_arrays(
    predict: Predict, data: Data, split: Split, paths: dict[str, PathValues], *, batch_size: int
) -> dict[str, np.ndarray]:
    """Return what draws three paths of each kind, WHICH by their share above the band, under `examples/{kind}/`.

    `row` (3,): which paths they are among those of `frequency/{kind}/`; `images` (3, 2, 3, H, W) in uint8: their two
    ends; `logits` (S, C) in float32: the network's along the first, the second and the third, as many as each has
    samples. `predict` is asked for these once more.
    """
    arrays: dict[str, np.ndarray] = {}
    for kind, values in paths.items():
        row = extreme_and_median(values.scalars["fixed_band"], values.scalars["share"])
        pairs = values.pairs.take(torch.from_numpy(row))
        found: dict[int, Tensor] = {}
        for places, logits in walk(predict, linear(data, split, pairs), pairs.samples, batch_size=batch_size):
            found |= {int(place): one for place, one in zip(places, logits, strict=True)}
        ends = torch.stack([pairs.first, pairs.second], 1).to(split.images.device)
        arrays[f"examples/{kind}/row"] = row
        arrays[f"examples/{kind}/images"] = split.images[ends].cpu().numpy()
        arrays[f"examples/{kind}/logits"] = torch.cat([found[place] for place in range(len(row))]).cpu().numpy()
    return arrays


def extreme_and_median(shares: np.ndarray, released: np.ndarray) -> np.ndarray:
    """Return the rows (3,) of the lowest, the median and the highest of `shares` (P,), of several the first.

    Rows without a share (NaN) are passed over; where none has one, `released` (P,) decides.
    """
    values = shares if np.isfinite(shares).any() else released
    rows = np.flatnonzero(np.isfinite(values))
    order = rows[np.argsort(values[rows], kind="stable")]
    return order[[0, (len(order) - 1) // 2, -1]]

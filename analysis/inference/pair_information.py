"""How much information has the order of two runs by one quantity on that by another, within cells?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

PAIRS = 4_000_000  # numbers of a block of the matrix of pairs, so that memory stays small


def information_given(
    y: np.ndarray, cells: list[np.ndarray], *, self_pairs: bool
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return a function of a measure (n,) and weights (n,) that returns K given each of the cells (n,): (cells,).

    The pairs of every two cells are counted by products with the one-hot cells of all subsets, side by side, so that
    the matrix of pairs is gone through once. All are whole numbers, exact in single precision up to 2^24: 4,000 rows;
    above, K may be off by about 1e-7.
    """
    rising = np.argsort(y, kind="stable")
    y, cells = y[rising], [cell[rising] for cell in cells]
    counts = [int(cell.max()) + 1 for cell in cells]
    one_hot = np.hstack([np.eye(count, dtype=np.float32)[cell] for cell, count in zip(cells, counts, strict=True)])
    edges = np.cumsum([0, *counts])
    blocks = [slice(edge, last) for edge, last in zip(edges, edges[1:], strict=False)]

    def k_of(measure: np.ndarray, weights: np.ndarray) -> np.ndarray:
        x, w = measure[rising], weights[rising]
        weighted = one_hot * w[:, None].astype(np.float32)
        lower = [_weight_below(values, weighted) for values in (x, y)]
        both = _weight_below_in_both(x, y, weighted)
        single = w.astype(float) if self_pairs else np.zeros(len(w))
        found = []
        for block in blocks:
            e = weighted[:, block]
            size = e.sum(axis=0, dtype=float)
            pairs = np.outer(size, size) - np.diag(one_hot[:, block].T.astype(float) @ (np.square(w) - single))
            found.append(_ratio(pairs, *(e.T @ part[:, block] for part in (*lower, both)), alike=self_pairs))
        return np.array(found)

    return k_of


def _weight_below(values: np.ndarray, weighted: np.ndarray) -> np.ndarray:
    """Return for each row and column the weight of the rows with a lower value: (n, columns)."""
    order = np.argsort(values, kind="stable")
    total = np.vstack([np.zeros_like(weighted[:1]), np.cumsum(weighted[order], axis=0)])
    return total[np.searchsorted(values[order], values, side="left")]


def _weight_below_in_both(x: np.ndarray, y: np.ndarray, weighted: np.ndarray) -> np.ndarray:
    """Return for each row and column the weight of the rows lower in x and in y, which is sorted: (n, columns)."""
    found = np.empty_like(weighted)
    step = min(max(1, PAIRS // len(x)), 256)
    for first in range(0, len(x), step):
        rows = slice(first, first + step)
        before = slice(0, min(first + step, len(x)))
        higher = (x[rows, None] > x[before]) & (y[rows, None] > y[before])
        found[rows] = higher.astype(np.float32) @ weighted[before]
    return found


def _ratio(pairs: np.ndarray, in_x: np.ndarray, in_y: np.ndarray, both: np.ndarray, *, alike: bool) -> float:
    """Return I(V_mu; V_g | U) / H(V_g | U) from the pairs of every two cells: all, higher in x, in y, in both."""
    there = pairs > 0
    n, x, y, xy = (counts[there].astype(float) for counts in (pairs, in_x, in_y, both))
    joint = ((xy, x, y), (x - xy, x, n - y), (y - xy, n - x, y), (n - x - y + xy, n - x, n - y))
    information = sum(_plogs(cell, n * cell, first * second) for cell, first, second in joint) / n
    entropy = -sum(_plogs(cell, cell, n) for cell in (y, n - y)) / n
    share = np.full(len(n), 1 / len(n)) if alike else n / n.sum()
    below = float(share @ entropy)
    return float(np.clip(share @ information / below, 0, 1)) if below > 0 else float("nan")


def _plogs(count: np.ndarray, above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return count log2(above / below), 0 where the count is 0."""
    present = count > 0
    return np.where(present, count * np.log2(np.where(present, above, 1) / np.where(present, below, 1)), 0)

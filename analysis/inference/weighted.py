"""What is Kendall's tau of each of many parts of a sample, which are given as how often each row counts?"""

from __future__ import annotations

import numpy as np


def weighted_tau(x: np.ndarray, y: np.ndarray, weights: np.ndarray, *, variant: str) -> np.ndarray:
    """Return Kendall's tau of x (n,) and y (n,) for each column of weights (n, k): (k,).

    With weights w, tau-a is sum w_i w_j s_ij / sum w_i w_j over the pairs i != j, s_ij being 1, -1 or 0 for a tie;
    tau-b divides by the pairs that differ in x and in y, as ever. Both are NaN where x or y is constant. Discordant
    pairs are counted by merge sort (Knight 1966), for all columns at once: n log n steps.
    """
    single = np.square(weights, dtype=float).sum(axis=0)
    pairs, in_x, in_y, in_both = ((_squares(weights, *by) - single) / 2 for by in ((), (x,), (y,), (x, y)))
    difference = pairs - in_x - in_y + in_both - 2 * _discordant(x, y, weights)
    differ = (pairs - in_x) * (pairs - in_y)
    size = pairs if variant == "a" else np.sqrt(differ)
    return np.divide(difference, size, out=np.full_like(difference, np.nan), where=differ > 0)


def _squares(weights: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    """Return the sum over groups of rows that agree in all keys of their weight squared."""
    if not keys:
        return np.square(weights.sum(axis=0, dtype=float))
    order, starts = groups_of(*keys)
    sums = weights if len(starts) == len(order) else np.add.reduceat(weights[order], starts, axis=0)
    return np.square(sums, dtype=float).sum(axis=0)


def groups_of(*keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return an order that sorts by the first key, then the next, and where in it each group that agrees starts."""
    order = np.lexsort(keys[::-1])
    changes = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    return order, np.append(0, np.flatnonzero(changes) + 1)


def _discordant(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted number of pairs of which one is higher in x, the other in y: (resamples,)."""
    order = np.lexsort((y, x))  # of those tied in x none is discordant
    y, weights, place = y[order], weights[order], np.arange(len(order))
    found = np.zeros(weights.shape[1])
    for level in range((len(order) - 1).bit_length()):  # pairs of the lower and the higher half of a block in x
        lower, block = (place >> level) & 1 == 0, place >> (level + 1)
        order = np.lexsort((lower, -y, block))
        here, low = weights[order], lower[order]
        above = np.cumsum(here * low[:, None], axis=0, dtype=here.dtype)  # weight of the lower half with a higher y
        heads = np.arange(1 << (level + 1), len(order), 1 << (level + 1))  # of blocks but the first
        before = np.vstack([np.zeros_like(above[:1]), above[heads - 1]])
        high = ~low
        above = above[high] - before[block[order][high]]
        found += np.einsum("ij,ij->j", above, here[high], dtype=float)
    return found

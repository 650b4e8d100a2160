"""How often do the intervals of a decomposed difference cover what was planted? In pairs of networks that share images.

  python tests/analysis/coverage_of_parts.py            the table of docs/analysis.md: 1,000 pairs a cell, minutes
  python tests/analysis/coverage_of_parts.py --smoke    a few

Ten classes. Each network's numbers of crossings have planted shares, and paths of each number a planted mean value: the
truth is the formula of these. Images have effects on both, half of them the same in both networks; `weighted` paths
have weights that grow with the crossings, as of pooled spectra. Two standard errors of 1,000 draws are 1.4.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import stats

from analysis.inference.decomposition import OnPaths, decompose

COMMON = ((0.4, 0.3, 0.2, 0.1), (0.3, 0.3, 0.25, 0.15))  # shares of the numbers of crossings, of either network
RARE = ((0.74, 0.2, 0.05, 0.01), (0.66, 0.25, 0.07, 0.02))
LACKING = ((0.8, 0.2, 0.0, 0.0), (0.6, 0.3, 0.1, 0.0))
RATES = ((0.02, 0.3, 0.4, 0.5), (0.025, 0.34, 0.41, 0.5))


class Case(NamedTuple):
    """What the paths of a pair of networks are like."""

    within: bool = True  # paths within classes, of images that no other path has; or between all two classes
    pairs: int = 20  # of every class, or two classes
    shares: tuple = COMMON
    rates: tuple = RATES
    weighted: bool = False

    def ends(self, generator: np.random.Generator) -> np.ndarray:
        """Return the images (2, P) of the paths."""
        if self.within:
            return np.arange(20 * self.pairs).reshape(2, -1)
        images = 3 * self.pairs
        draw = [[generator.permutation(images)[: self.pairs] + side * images for side in two] for two in TWO]
        return np.concatenate(draw, axis=1)

    def draw(self, generator: np.random.Generator) -> tuple[tuple[OnPaths, OnPaths], np.ndarray]:
        """Return two networks on the same paths, and the images of these."""
        ends = self.ends(generator)

        def normal(shared: np.ndarray | float, alike: float) -> np.ndarray:
            of_images = generator.normal(size=ends.max() + 1)[ends].sum(axis=0) / 2**0.5
            own = (of_images + generator.normal(size=ends.shape[1])) / 2**0.5
            return alike**0.5 * shared + (1 - alike) ** 0.5 * own

        easy, smooth = normal(0, 0), normal(0, 0)
        networks = []
        for shares, rates in zip(self.shares, self.rates, strict=True):
            levels = stats.norm.cdf(normal(easy, 0.5))
            crossings = np.searchsorted(np.cumsum(shares)[:-1], levels, side="right")
            value = np.array(rates)[crossings] + 0.08 * normal(smooth, 0.5)
            weight = np.exp(0.3 * generator.normal(size=len(value))) * (1 + crossings)
            networks.append(OnPaths(crossings, value, weight if self.weighted else np.ones(len(value))))
        return (networks[0], networks[1]), ends

    @property
    def truth(self) -> dict[str, float]:
        """Return the planted parts."""
        p, r = np.array(self.shares), np.array(self.rates)
        p = p * (1 + np.arange(4)) if self.weighted else p
        p = p / p.sum(axis=1, keepdims=True)
        r = np.where(p > 0, r, r[::-1])
        composition, rates = ((p[1] - p[0]) * r.mean(axis=0)).sum(), ((r[1] - r[0]) * p.mean(axis=0)).sum()
        return {"whole": composition + rates, "composition": composition, "rates": rates}


TWO = list(combinations(range(10), 2))
CASES = {
    "200 paths within": Case(),
    "rare crossings": Case(shares=RARE),
    "rare, weighted": Case(shares=RARE, weighted=True),
    "one lacks kinds": Case(shares=LACKING),
    "only crossings": Case(rates=(RATES[0],) * 2),
    "only rates": Case(shares=(RARE[0],) * 2),
    "50 paths within": Case(pairs=5),
    "900 between": Case(within=False),
    "900, rare": Case(within=False, shares=RARE),
    "900, weighted": Case(within=False, shares=RARE, weighted=True),
}


def cover(case: Case, draws: int, seed: int = 0) -> dict[str, float]:
    """Return how many of 100 intervals cover the planted difference, composition and rates."""
    generator = np.random.default_rng(seed)
    hits = dict.fromkeys(case.truth, 0)
    for _ in range(draws):
        networks, ends = case.draw(generator)
        found = decompose([networks], *ends)
        for part, planted in case.truth.items():
            low, high = getattr(found, part).interval
            hits[part] += low <= planted <= high
    return {part: 100 * count / draws for part, count in hits.items()}


def main() -> None:
    """Print the table: a row per part, a column per case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--smoke", action="store_true", help="a few draws of each")
    options = parser.parse_args()
    found = {name: cover(case, 5 if options.smoke else options.draws) for name, case in CASES.items()}
    rows = [["", *found], *([part, *(f"{each[part]:.1f}" for each in found.values())] for part in Case().truth)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

"""The p of a rank correlation by permutation: against all orders there are, within blocks, and two-sided."""

import numpy as np
import pytest

from analysis.inference import permutation_p


def test_p_of_all_permutations_of_five():
    """r of (0..4) and (0, 1, 2, 4, 3) is 0.9; of the 120 orders 5 are as high and 5 as low: p is near 10 / 120."""
    found = permutation_p(np.arange(5), [0, 1, 2, 4, 3], permutations=20_000)
    assert found == pytest.approx(10 / 120, abs=0.008)
    assert permutation_p(np.arange(40), np.arange(40), permutations=99) == 1 / 100


def test_p_of_all_permutations_within_three_pairs():
    """Three pairs that all rise: of the 8 ways to turn pairs round 2 are as extreme; freely, 2 of 20 would be."""
    found = permutation_p([0, 1] * 3, [0, 1] * 3, blocks=list("aabbcc"), permutations=10_000)
    assert found == pytest.approx(0.25, abs=0.02)


def test_p_is_within_blocks_and_two_sided():
    """Families far apart in both; within them falling, or nothing. Over all rows r is high in every permutation."""
    generator = np.random.default_rng(5)
    family = np.repeat(np.arange(5), 8)
    x = generator.normal(size=40)
    y = -x + generator.normal(size=40)
    assert permutation_p(x + 50 * family, y + 50 * family, blocks=family) < 0.01
    reached = []
    for _ in range(200):
        x, y = generator.normal(size=(2, 40)) + 50 * family
        reached.append(permutation_p(x, y, blocks=family, permutations=99) <= 0.1)
    assert 0.05 < np.mean(reached) < 0.16
    assert permutation_p(x, y, permutations=99) == 0.01  # without blocks it is the relation between families

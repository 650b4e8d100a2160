"""What tests of results share: a function of random weights, measured on digits, twice."""

import pytest
import torch

from specbias.measuring import measure


def random_function(seed):
    """Two layers of random weights, from normalised images to ten logits."""
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(size, generator=generator) for size in ((3072, 30), (30, 10)))
    return lambda images: torch.tanh(images.flatten(1) @ first / 20) @ second


@pytest.fixture(scope="session")
def results():
    """Two functions, measured on the same paths."""
    return [measure(random_function(s), "digits", pairs=3, spacing=3.0, name=f"f{s}", quiet=True) for s in (0, 1)]

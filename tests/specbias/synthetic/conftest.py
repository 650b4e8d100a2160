"""Small networks gain nothing from threads, and lose by them where other work is going on."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread(threads):
    torch.set_num_threads(1)

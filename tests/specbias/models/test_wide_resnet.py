"""The Wide ResNet's block against its definition written out."""

import torch
from torch import nn
from torch.nn.functional import batch_norm, conv2d, pad

from specbias.models import build_model
from specbias.models.wide_resnet import Block


def test_a_block_adds_to_the_raw_input_or_to_a_strided_convolution_of_the_active_one():
    def norm_relu(x):
        return batch_norm(x, None, None, training=True).relu()

    torch.manual_seed(0)
    x = torch.randn(3, 4, 8, 8)
    same, wider = Block(4, 4, 1), Block(4, 6, 2)
    inner = norm_relu(conv2d(norm_relu(x), same.conv1.weight, padding=1))
    assert torch.allclose(same(x), x + conv2d(inner, same.conv2.weight, padding=1), atol=1e-5)

    active = pad(norm_relu(x), (0, 1, 0, 1))
    inner = norm_relu(conv2d(active, wider.conv1.weight, stride=2))
    shortcut = conv2d(active, wider.shortcut.weight, stride=2)
    assert torch.allclose(wider(x), shortcut + conv2d(inner, wider.conv2.weight, padding=1), atol=1e-5)


def test_depth_counts_the_convolutions_on_the_longest_way():
    for name, depth in (("wrn_16_4", 16), ("wrn_28_10", 28), ("wrn_40_2", 40)):
        with torch.device("meta"):
            model = build_model(name, num_classes=10, image_size=32)
        layers = [n for n, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear)) and "shortcut" not in n]
        assert len(layers) == depth - 2  # the name counts two of the three shortcuts too
        assert sum("shortcut" in n for n, _ in model.named_modules()) == 3

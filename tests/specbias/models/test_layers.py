"""The layers of the paper's code against formulas written out."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from specbias.models.layers import Convolution, ScaleTwoWays, head


@pytest.mark.parametrize(("size", "kernel", "stride"), [(8, 3, 2), (7, 3, 2), (8, 3, 1), (8, 1, 2), (7, 1, 2)])
def test_a_convolution_is_padded_as_tensorflow_does(size, kernel, stride):
    """TensorFlow's documented rule: ceil(size / stride) outputs, and the odd pixel of padding comes after."""
    layer = Convolution(2, 3, kernel, stride=stride)
    images = torch.randn(2, 2, size, size)
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    padded = torch.zeros(2, 2, size + total, size + total)
    padded[:, :, total // 2 : total // 2 + size, total // 2 : total // 2 + size] = images
    assert torch.allclose(layer(images), conv2d(padded, layer.weight, stride=stride), atol=1e-6)


def test_weights_begin_with_variance_2_over_inputs_and_without_bias():
    torch.manual_seed(0)
    for kernel in (1, 3):
        layer = Convolution(64, 256, kernel)
        assert layer.bias is None
        values = layer.weight.detach().flatten().double() / (2 / (kernel**2 * 64)) ** 0.5
        assert values.std().item() == pytest.approx(1, abs=0.03)
        assert values.mean().abs() < 0.03 and (values**4).mean() == pytest.approx(3, abs=0.2)  # normal, not uniform


def test_the_head_is_the_mean_over_pixels_and_a_linear_layer_at_zero():
    layers = head(5, 3, 0.0)
    linear = layers[-1]
    assert not linear.weight.any() and not linear.bias.any()
    nn.init.normal_(linear.weight)
    features = torch.randn(2, 5, 4, 6)
    assert torch.allclose(layers(features), features.mean(dim=(2, 3)) @ linear.weight.T, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_scale_going_forward_and_another_going_back_for_each_example(dtype):
    x = torch.ones(2, 3, 4, 4, dtype=dtype, requires_grad=True)
    ahead, back = torch.tensor([2.0, -1.0]).view(2, 1, 1, 1), torch.tensor([0.5, 4.0]).view(2, 1, 1, 1)
    out = ScaleTwoWays.apply(x, ahead, back)
    out.sum().backward()
    assert out.dtype == x.grad.dtype == dtype
    assert out.detach()[:, 0, 0, 0].tolist() == [2, -1] and x.grad[:, 0, 0, 0].tolist() == [0.5, 4]

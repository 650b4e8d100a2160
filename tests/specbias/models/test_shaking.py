"""Shake-Shake and ShakeDrop: what they do to outputs and gradients in training, and that nothing is drawn after."""

import pytest
import torch
from torch import nn

from specbias.models import pyramid_net, shake_shake
from specbias.models.pyramid_net import PyramidNet, ShakeDrop
from specbias.models.shake_shake import Skip, draw_shares


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def shaken():
    """A Shake-Shake block whose branches are 2x and 30x."""
    block = shake_shake.Block(1, 1, 1)
    block.branches = nn.ModuleList([Times(2.0), Times(30.0)])
    return block


def test_shake_shake_mixes_forward_by_some_shares_and_back_by_others(monkeypatch):
    drawn = iter([torch.tensor([[0.9, 0.3], [0.1, 0.7]]), torch.tensor([[0.5, 0.2], [0.5, 0.8]])])
    monkeypatch.setattr(shake_shake, "draw_shares", lambda x: next(drawn).view(2, 2, 1, 1, 1))
    x = torch.ones(2, 1, 2, 2, requires_grad=True)
    out = shaken()(x)
    out.sum().backward()
    assert out[:, 0, 0, 0].tolist() == pytest.approx([1 + 0.9 * 2 + 0.1 * 30, 1 + 0.3 * 2 + 0.7 * 30])
    assert x.grad[:, 0, 0, 0].tolist() == pytest.approx([1 + 0.5 * 2 + 0.5 * 30, 1 + 0.2 * 2 + 0.8 * 30])


def test_shake_shake_draws_for_every_call_direction_and_example_and_not_in_evaluation():
    torch.manual_seed(0)
    x = torch.ones(8, 1, 2, 2, requires_grad=True)
    block = shaken()
    first, second = block(x), block(x)
    assert len(set(first[:, 0, 0, 0].tolist() + second[:, 0, 0, 0].tolist())) == 16
    (gradient,) = torch.autograd.grad(first.sum(), x)
    assert ((gradient - first).abs() > 1e-3).all()
    assert ((gradient - second).abs() > 1e-3).all()
    assert torch.equal(block.eval()(x), torch.full((8, 1, 2, 2), 1.0 + 1 + 15))


def test_the_shares_of_shake_shake_sum_to_1_and_are_those_of_two_uniform_numbers():
    torch.manual_seed(0)
    shares = draw_shares(torch.zeros(20_000, 1, 1, 1)).flatten(1)
    assert torch.allclose(shares.sum(0), torch.ones(20_000))
    # u / (u + v) is below s with probability s / (2 (1 - s)) for s up to a half
    assert (shares[0] < 0.25).float().mean().item() == pytest.approx(1 / 6, abs=0.01)
    assert shares[0].mean().item() == pytest.approx(0.5, abs=0.01)


def test_the_second_path_of_a_skip_sees_the_image_moved_by_one_pixel():
    skip = Skip(1, 2, 2)
    skip.bn = nn.Identity()
    for path in (skip.path1, skip.path2):
        nn.init.ones_(path.weight)
    images = torch.arange(16.0).view(1, 1, 4, 4)
    assert skip(images)[0, 0].tolist() == [[0, 2], [8, 10]]
    assert skip(images)[0, 1].tolist() == [[5, 7], [13, 15]]
    assert Skip(1, 2, 1).path2(images).shape == (1, 1, 4, 4)


def test_shake_drop_leaves_survivors_and_scales_the_others_by_independent_numbers():
    torch.manual_seed(0)
    x = torch.ones(40_000, 1, 1, 1, requires_grad=True)
    out = ShakeDrop(0.75)(x)
    out.sum().backward()
    ahead, back = out.detach().flatten(), x.grad.flatten()
    survives = ahead == 1
    assert torch.equal(survives, back == 1)
    assert survives.float().mean().item() == pytest.approx(0.75, abs=0.01)
    ahead, back = ahead[~survives], back[~survives]
    assert (
        -1 <= ahead.min() < -0.99 and 0.99 < ahead.max() <= 1 and ahead.std().item() == pytest.approx(3**-0.5, abs=0.01)
    )
    assert 0 <= back.min() < 0.01 and 0.99 < back.max() <= 1 and back.std().item() == pytest.approx(12**-0.5, abs=0.01)
    assert torch.corrcoef(torch.stack([ahead, back]))[0, 1].abs() < 0.03


def test_shake_drop_is_one_number_per_example_and_its_mean_in_evaluation():
    torch.manual_seed(0)
    layer, x = ShakeDrop(0.5), torch.ones(64, 3, 2, 2)
    out = layer(x)
    assert torch.equal(out, out[:, :1, :1, :1].expand_as(out)) and len(out.unique()) > 20
    assert not torch.equal(out, layer(x))
    assert torch.equal(layer.eval()(x), 0.5 * x)
    many = ShakeDrop(0.7)(torch.ones(40_000, 1, 1, 1))
    assert many.mean().item() == pytest.approx(ShakeDrop(0.7).eval()(torch.ones(1)).item(), abs=0.01)


def test_survival_falls_linearly_to_a_half_and_channels_grow_linearly():
    with torch.device("meta"):
        model = PyramidNet(num_classes=10, width=16, depth=272)
    survival = [m.survival for m in model.modules() if isinstance(m, ShakeDrop)]
    assert survival == pytest.approx([1 - 0.5 * block / 90 for block in range(1, 91)])
    ends = [block.branch[-2].num_features // 4 for block in model.blocks]
    assert ends[:3] == [18, 20, 23] and ends[29] == 83 and ends[89] == 216  # 16 + 200 block / 90
    assert [i for i, block in enumerate(model.blocks) if block.stride == 2] == [30, 60]


def test_a_pyramids_shortcut_is_the_mean_of_pixels_and_zeros_for_new_channels():
    block = pyramid_net.Block(2, 1, 2, survival=0.5).eval()
    nn.init.zeros_(block.branch[7].weight)
    out = block(torch.arange(32.0).view(1, 2, 4, 4))
    assert out.shape == (1, 4, 2, 2)
    assert out[0, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]] and out[0, 1, 0, 0] == 18.5 and not out[0, 2:].any()

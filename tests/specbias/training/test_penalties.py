"""Penalties against closed forms and torch's own, and the laws all of them keep."""

import pytest
import torch
from torch import nn

from specbias.models import build_model
from specbias.settings.config import TrialConfig
from specbias.training.penalties import PENALTIES, _partners, build_penalties


def batch(size=40):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(size, 3, 32, 32, generator=generator)
    return images, torch.eye(10)[torch.arange(size) % 10]


def value(name, model, strength=1.0, seed=0, given=None):
    images, targets = given or batch()
    penalty = build_penalties(TrialConfig(**{name: strength}))[name]
    return penalty(model, images, targets, torch.Generator().manual_seed(seed))


def network():
    torch.manual_seed(0)
    return build_model("small_cnn", num_classes=10, image_size=32, width=4)


def test_without_a_strength_there_is_no_penalty():
    assert build_penalties(TrialConfig()) == {}
    assert set(build_penalties(TrialConfig(**dict.fromkeys(PENALTIES, 0.1)))) == set(PENALTIES)


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_is_differentiable_in_proportion_to_its_strength_and_changes_nothing_it_is_given(name):
    model, (images, targets) = network().train(), batch()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    kept = images.clone(), targets.clone()
    found = value(name, model, given=(images, targets))
    assert found > 0
    assert value(name, model, strength=3.0).item() == pytest.approx(3 * found.item(), rel=1e-5)
    assert value(name, model).item() == found.item()  # the same generator, the same draw
    found.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    assert torch.equal(images, kept[0]) and torch.equal(targets, kept[1])
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("name", PENALTIES)
def test_stepping_down_its_gradient_lowers_it(name):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    first = value(name, model).item()
    for _ in range(5):
        optimizer.zero_grad()
        value(name, model).backward()
        optimizer.step()
    assert value(name, model).item() < first


def test_the_spectral_penalty_is_half_the_sum_of_squared_largest_singular_values():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 900, 10))
    with torch.no_grad():  # a clear largest value, for five steps to find
        model[2].weight += 0.02 * torch.outer(torch.ones(10), torch.ones(7200))
        model[0].weight += torch.outer(torch.ones(8), torch.ones(27)).view(8, 3, 3, 3)
    twin = sum(torch.linalg.matrix_norm(layer.weight.flatten(1), 2) ** 2 for layer in (model[0], model[2])) / 2
    assert value("spectral_penalty", model).item() == pytest.approx(twin.item(), rel=1e-4)


def test_the_jacobian_penalty_of_a_linear_map_is_half_its_squared_norm_on_average():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
    found = sum(value("jacobian_penalty", model, seed=seed).item() for seed in range(50)) / 50
    assert found == pytest.approx(model[1].weight.square().sum().item() / 2, rel=0.05)


def test_the_path_penalty_is_the_total_variation_of_the_paths_on_average():
    """Against whole paths sampled one unit apart, partner by partner."""
    model, (images, targets) = network().eval(), batch(20)
    found = sum(value("path_penalty", model, seed=seed, given=(images, targets)).item() for seed in range(300)) / 300
    totals = []
    with torch.no_grad():
        for i in range(20):
            other = (i + 10) % 20  # the only other image of its class
            distance = (images[i] - images[other]).norm().item()
            places = torch.linspace(0, 1, int(distance) + 1).view(-1, 1, 1, 1)
            p = model(images[i] + places * (images[other] - images[i])).softmax(1)
            totals.append(p.diff(dim=0).abs().sum().item() / distance)
    assert found == pytest.approx(sum(totals) / 20, rel=0.05)


def test_partners_are_of_the_same_class_and_everyone_is_one():
    labels = torch.tensor([0, 1, 0, 2, 1, 0, 0, 1])
    partner = _partners(labels, torch.Generator().manual_seed(0))
    assert torch.equal(labels[partner], labels)
    assert sorted(partner.tolist()) == list(range(8))
    assert [i for i in range(8) if partner[i] == i] == [3]

"""What recipes are made of: the schedule of the rate, Lookahead, alternating flips, a compiled forward pass."""

import math

import pytest
import torch

from specbias.data import load_data
from specbias.models import build_model
from specbias.settings.config import TrialConfig
from specbias.settings.recipes import RECIPES
from specbias.settings.seeds import derive_seed
from specbias.training.train import new_state, train


def fresh(config):
    torch.manual_seed(7)
    return build_model(config.model, num_classes=10, image_size=32, width=config.width)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.state_dict().values() if p.is_floating_point()])


def test_the_rate_rises_along_a_line_and_falls_along_a_cosine(small):
    config = small(train_size=100, batch_size=25, epochs=5, warmup=0.25, learning_rate=0.2)
    data = load_data(config)
    state, seen = new_state(fresh(config), config), []
    state.optimizer.register_step_pre_hook(lambda optimizer, *_: seen.append(optimizer.param_groups[0]["lr"]))
    list(train(state, data))
    rising = [0.2 * step / 5 for step in range(1, 6)]
    falling = [0.1 * (1 + math.cos(math.pi * step / 15)) for step in range(1, 16)]
    assert seen == pytest.approx(rising + falling, abs=1e-12)


def test_a_recipe_is_settings_that_a_trial_can_have():
    for settings in RECIPES.values():
        assert TrialConfig(**settings).to_dict().items() >= settings.items()


def test_lookahead_goes_back_every_fifth_step_and_at_the_end_of_an_epoch(small):
    """Against fast weights kept apart from slow ones, on a network whose gradient is 1 everywhere."""

    class Constant(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(10))

        def forward(self, images):
            return images.new_zeros(len(images), 10) + (self.weight - self.weight.detach())

    config = small(train_size=175, batch_size=25, epochs=2, lookahead=0.4, weight_decay=0.0)
    data = load_data(config)
    rates, seen = [], []
    model = Constant()
    state = new_state(model, config)

    def before_step(optimizer, *_):
        rates.append(optimizer.param_groups[0]["lr"])
        model.weight.grad = torch.ones(10)

    state.optimizer.register_step_pre_hook(before_step)
    state.model.register_forward_pre_hook(lambda *_: seen.append(model.weight[0].item()))
    list(train(state, data))

    slow = fast = velocity = 0.0
    expected = []
    for step, rate in enumerate(rates, start=1):
        expected.append(fast)
        velocity = 0.9 * velocity + 1
        fast -= rate * (1 + 0.9 * velocity)
        if step in (5, 7, 10, 14):
            slow = fast = slow + 0.6 * (fast - slow)
    assert seen == pytest.approx(expected, abs=1e-6)
    assert model.weight[0].item() == pytest.approx(fast, abs=1e-6) and len(rates) == 14


def test_lookahead_goes_on_from_a_checkpoint_bit_for_bit(small, tmp_path):
    config = small(lookahead=0.5, warmup=0.3, alternating_flip=True, epochs=3)
    data = load_data(config)
    for state in train(new_state(fresh(config), config), data):
        if state.epoch == 1:
            state.save(tmp_path)
    resumed = new_state(fresh(config), config)
    resumed.restore(tmp_path)
    list(train(resumed, data))
    assert torch.equal(weights(resumed.model), weights(state.model))


def test_alternating_flips_mirror_every_image_in_every_other_epoch_and_about_half_in_each(small, monkeypatch):
    monkeypatch.setattr("specbias.training.train.build_interventions", lambda config: {})  # no crop
    config = small(flip_crop=1, alternating_flip=True, epochs=4)
    data = load_data(config)
    plain = [image.numpy().tobytes() for image in data.normalise(data.train.images)]
    state, seen = new_state(fresh(config), config), []

    def look(module, inputs):
        seen.extend(image.contiguous().numpy().tobytes() in plain for image in inputs[0])

    state.model.register_forward_pre_hook(look)
    shares, orders = [], []
    for epoch, _ in enumerate(train(state, data), start=1):
        order = torch.randperm(100, generator=torch.Generator().manual_seed(derive_seed(0, "order", epoch)))
        orders.append(dict(zip(order.tolist(), seen[-100:], strict=True)))
        shares.append(sum(seen[-100:]))
    assert all(orders[0][i] != orders[1][i] and orders[0][i] == orders[2][i] for i in range(100))
    assert 30 < shares[0] < 70 and shares[0] + shares[1] == 100


def test_without_flip_and_crop_nothing_is_mirrored(small):
    found = []
    for alternating in (False, True):
        config = small(flip_crop=0, alternating_flip=alternating, epochs=2)
        state = new_state(fresh(config), config)
        list(train(state, load_data(config)))
        found.append(weights(state.model))
    assert torch.equal(*found)


@pytest.mark.slow
def test_a_compiled_forward_pass_trains_the_same(small):
    config = small(epochs=1)
    data = load_data(config)
    torch._dynamo.utils.counters.clear()  # other tests of this process compile too
    found, graphs = [], []
    for chosen in (config, small(epochs=1, compile=True)):
        state = new_state(fresh(chosen), chosen)
        list(train(state, data))
        found.append(weights(state.model))
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert torch.allclose(*found, atol=1e-3)
    assert graphs == [0, 1]

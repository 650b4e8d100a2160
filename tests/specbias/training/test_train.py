"""The loop against a plain twin; divergence; and streams that do not touch each other."""

import math

import pytest
import torch

from specbias.data import load_data
from specbias.models import MODELS, build_model
from specbias.settings.seeds import derive_seed
from specbias.training.execution import training_layout
from specbias.training.penalties import PENALTIES
from specbias.training.train import Diverged, new_state, train


def fresh(config):
    torch.manual_seed(7)
    return build_model(config.model, num_classes=10, image_size=32, width=config.width, dropout=config.dropout)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.state_dict().values() if p.is_floating_point()])


@pytest.mark.parametrize(("clip", "epochs"), [(0.0, 3), (0.3, 1)])
def test_the_loop_equals_a_plain_twin(small, clip, epochs):
    """SGD by hand; with a clip, of the gradient with the decay inside."""
    config = small(flip_crop=0, epochs=epochs, memory_format="contiguous_format", gradient_clip=clip)
    data = load_data(config)
    for state in train(new_state(fresh(config), config), data):
        found = weights(state.model)

    model = fresh(config).train()
    velocity = [torch.zeros_like(p) for p in model.parameters()]
    images = (data.train.images / 255 - data.mean[0]) / data.std[0]
    step, steps, clipped = 0, epochs * 4, []
    for epoch in range(1, epochs + 1):
        generator = torch.Generator().manual_seed(derive_seed(0, "order", epoch))
        order = torch.randperm(100, generator=generator)
        for start in range(0, 100, 25):
            rows = order[start : start + 25]
            step += 1
            rate = 0.1 / 2 * (1 + math.cos(math.pi * step / steps))
            loss = -model(images[rows]).log_softmax(1)[range(25), data.train.labels[rows]].mean()
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            with torch.no_grad():
                decayed = [g + 5e-4 * p for p, g in zip(model.parameters(), gradients, strict=True)]
                norm = torch.cat([g.flatten() for g in decayed]).norm().item()
                clipped.append(bool(clip) and norm > clip)
                for p, v, g in zip(model.parameters(), velocity, decayed, strict=True):
                    g = g * (clip / norm) if clipped[-1] else g
                    v.mul_(0.9).add_(g)
                    p.sub_(rate * (g + 0.9 * v))
    assert torch.allclose(found, weights(model), rtol=1e-3, atol=1e-4)
    assert not torch.allclose(found, weights(fresh(config)), rtol=1e-3, atol=1e-2)
    assert any(clipped) == bool(clip)


def test_one_yield_per_epoch_of_the_same_state(small):
    config = small(epochs=3)
    state = new_state(fresh(config), config)
    seen = [(found is state, found.epoch) for found in train(state, load_data(config))]
    assert seen == [(True, 1), (True, 2), (True, 3)]


def test_what_the_caller_does_to_the_mode_between_epochs_changes_nothing(small):
    config = small(epochs=2)
    data = load_data(config)
    for state in train(new_state(fresh(config), config), data):
        left_alone = weights(state.model)
    for state in train(new_state(fresh(config).eval(), config), data):
        found = weights(state.model.eval())
    assert torch.equal(found, left_alone)


def test_a_diverging_training_names_its_first_bad_step(small):
    config = small(learning_rate=1e30, epochs=2)
    with pytest.raises(Diverged, match=r"the loss is not finite from step [23] on \(epoch 1\)"):
        list(train(new_state(fresh(config), config), load_data(config)))


def test_an_intervention_leaves_the_streams_of_others_alone(small, monkeypatch):
    seen = {}

    def spy(name):
        def intervene(images, targets, generator):
            seen.setdefault(name, []).append(torch.rand((), generator=generator).item())
            return images, targets

        return intervene

    def run(names):
        seen.clear()
        monkeypatch.setattr(
            "specbias.training.train.build_interventions", lambda config: {name: spy(name) for name in names}
        )
        config = small(epochs=1)
        list(train(new_state(fresh(config), config), load_data(config)))
        return dict(seen)

    assert run(["cutout"])["cutout"] == run(["mixup", "cutout", "later"])["cutout"]
    assert len(set(run(["a", "b"])["a"] + run(["a", "b"])["b"])) == 8


def test_what_the_network_draws_differs_from_step_to_step_epoch_to_epoch_and_seed_to_seed(small):
    def drawn(seed):
        found = []
        config = small(epochs=2, dropout=0.5, seed=seed)
        model = fresh(config)
        model.dropout.register_forward_hook(lambda *_: found.append(torch.get_rng_state().numpy().tobytes()))
        list(train(new_state(model, config), load_data(config)))
        return found

    first, again, other = drawn(0), drawn(0), drawn(1)
    assert first == again and len(set(first + other)) == 16


@pytest.mark.parametrize("model", ["shake_shake_32", "pyramid_net"])
def test_a_shaken_network_goes_on_from_a_checkpoint_bit_for_bit(small, tmp_path, model, monkeypatch):
    monkeypatch.setitem(MODELS, "pyramid_net", MODELS["pyramid_net"]._replace(arguments={"depth": 11}))
    config = small(model=model, width=2, epochs=2, train_size=20, batch_size=10)
    data = load_data(config)
    torch.manual_seed(1)
    for state in train(new_state(fresh(config), config), data):
        if state.epoch == 1:
            state.save(tmp_path)
    torch.manual_seed(2)
    resumed = new_state(fresh(config), config)
    resumed.restore(tmp_path)
    list(train(resumed, data))
    assert torch.equal(weights(resumed.model), weights(state.model))


BF16 = pytest.param({"precision": "bf16"}, marks=pytest.mark.slow)  # where the CPU has none, seconds for a step


@pytest.mark.parametrize("settings", [BF16, {"memory_format": "contiguous_format"}, {"mixup": 1.0}])
def test_every_way_of_computing_learns(small, settings):
    config = small(train_size=400, width=8, epochs=5, flip_crop=0, **settings)
    data = load_data(config)
    for state in train(new_state(fresh(config), config), data):
        model = state.model.eval()
    with torch.inference_mode():
        predicted = model(data.normalise(data.train.images)).argmax(1)
    assert (predicted == data.train.labels).float().mean() > 0.5


@pytest.mark.parametrize(("width", "safe"), [(4, False), (8, True)])
def test_where_torch_miscomputes_gradients_in_channels_last_no_network_is_trained_in_it(small, width, safe):
    config = small(model="resnet18", width=width)
    state = new_state(fresh(config), config)
    found = training_layout(state.model, "cpu", "channels_last")
    assert found == (torch.channels_last if safe else torch.contiguous_format)
    assert training_layout(state.model, "cuda", "channels_last") == torch.channels_last
    seen, first = [], next(module for module in state.model.modules() if isinstance(module, torch.nn.Conv2d))
    first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].is_contiguous()))
    next(train(state, load_data(config)))
    assert set(seen) == {not safe}


def test_a_penalty_is_in_the_loss_and_draws_from_a_stream_of_its_own(small):
    """Training under it ends elsewhere, twice at the same place, and under a tiny one next to where it ends without."""
    config = small(epochs=1)
    data = load_data(config)

    def trained(**settings):
        changed = small(epochs=1, **settings)
        state = new_state(fresh(changed), changed)
        next(train(state, data))
        return weights(state.model)

    for name in PENALTIES:
        held = trained(**{name: 0.1})
        assert torch.equal(held, trained(**{name: 0.1}))
        assert not torch.equal(held, trained())
        assert torch.allclose(trained(**{name: 1e-9}), trained(), atol=1e-4)


def test_fewer_images_make_as_many_steps_where_asked(small):
    """Every image comes round about equally often; with all images it changes nothing."""
    config = small(train_size=50, batch_size=100 // 4, equal_steps=True, epochs=1)
    data = load_data(config)
    seen = []
    state = new_state(fresh(config), config)
    state.model.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    next(train(state, data))
    assert len(seen) == 992 // 25
    results = []
    for equal in (False, True):
        whole = small(train_size=None, equal_steps=equal, epochs=1)
        state = new_state(fresh(whole), whole)
        next(train(state, load_data(whole)))
        results.append(weights(state.model))
    assert torch.equal(*results)


def test_adamw_trains_too_and_its_decay_stays_out_of_the_clip(small):
    config = small(optimizer="adamw", learning_rate=1e-2, gradient_clip=1.0, epochs=3)
    losses = [state.training_loss for state in train(new_state(fresh(config), config), load_data(config))]
    assert losses[-1] < losses[0]
    model = fresh(config)
    state = new_state(model, config)
    assert state.optimizer.param_groups[0]["weight_decay"] == config.weight_decay

"""A batch of runs is its runs one by one: torch's own layers, loss and optimiser, given each run's first weights."""

import numpy as np
import pytest
import torch
from torch import nn

from specbias.settings import SettingError
from specbias.synthetic import EXPERIMENTS
from specbias.synthetic.config import CONFIGS, SinusoidsConfig
from specbias.synthetic.networks import Networks
from specbias.synthetic.run import run_experiment
from specbias.synthetic.sinusoids import build_sinusoids
from specbias.synthetic.training import advance, new_state

SMALL = SinusoidsConfig(runs=3, steps=40, record_every=10, width=32, depth=4, frequencies=(2, 5), samples=30, threads=1)
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}
OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
    "momentum": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9),
    "rmsprop": torch.optim.RMSprop,
}


def one_of(networks: Networks, run: int) -> nn.Sequential:
    """One run's network in torch's layers."""
    layers: list[nn.Module] = []
    for weight, bias in zip(networks.weights, networks.biases, strict=True):
        linear = nn.Linear(*weight[run].shape)
        linear.weight.data, linear.bias.data = weight[run].detach().T.clone(), bias[run, 0].detach().clone()
        layers += [linear, ACTIVATIONS[networks.activation]()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_runs_train_as_if_each_were_alone(activation, optimizer):
    config = SinusoidsConfig(
        **SMALL.to_dict() | {"activation": activation, "optimizer": optimizer, "learning_rate": 1e-3}
    )
    task = build_sinusoids(config)
    state = new_state(config, inputs=1)
    alone = [one_of(state.networks, run) for run in range(config.runs)]
    advance(state, task, 20)
    together = state.networks(task.inputs).detach()
    for run, model in enumerate(alone):
        trainer = OPTIMIZERS[optimizer](model.parameters(), lr=1e-3)
        for _ in range(20):
            loss = nn.functional.mse_loss(model(task.inputs[0])[:, 0], task.targets[run])
            trainer.zero_grad()
            loss.backward()
            trainer.step()
        torch.testing.assert_close(together[run], model(task.inputs[0])[:, 0].detach(), rtol=2e-4, atol=2e-5)
    assert together.std() > 0.01


def test_a_run_is_the_same_however_many_there_are():
    few, many = (build_and_run(runs) for runs in (2, 3))
    assert np.allclose(few["amplitude"], many["amplitude"][:2], rtol=1e-4, atol=1e-6)
    assert not np.allclose(many["targets"][0], many["targets"][2])


def build_and_run(runs):
    *_, (_, last) = run_experiment(SinusoidsConfig(**SMALL.to_dict() | {"runs": runs}))
    return last.arrays


def test_the_papers_networks_have_its_number_of_parameters():
    for inputs, count in ((1, 263_937), (2, 264_193), (784, 464_385)):
        networks = Networks(SinusoidsConfig(runs=2), inputs)
        assert sum(parameter[1].numel() for parameter in networks.parameters()) == count


def test_runs_that_are_stopped_and_resumed_are_as_if_never_stopped(tmp_path):
    whole = [measurement for _, measurement in run_experiment(SMALL)]
    for state, measurement in run_experiment(SMALL):
        if measurement.step == 20:
            state.save(tmp_path)
            break
    rest = [measurement for _, measurement in run_experiment(SMALL, tmp_path)]
    assert [m.step for m in rest] == [30, 40]
    for ours, theirs in zip(rest, whole[-2:], strict=True):
        assert ours.metrics == theirs.metrics
        assert ours.arrays.keys() == theirs.arrays.keys()
        assert all(np.array_equal(ours.arrays[name], theirs.arrays[name]) for name in theirs.arrays)


def test_a_finished_batch_has_nothing_left_to_do(tmp_path):
    for state, _ in run_experiment(SMALL):
        state.save(tmp_path)
    assert not list(run_experiment(SMALL, tmp_path))
    with pytest.raises(SettingError, match="runs with other settings .seed=0, not 1"):
        next(run_experiment(SinusoidsConfig(**SMALL.to_dict() | {"seed": 1}), tmp_path))
    with pytest.raises(SettingError, match="no runs were saved"):
        next(run_experiment(SMALL, tmp_path / "elsewhere"))


def test_a_loss_that_is_not_finite_ends_the_batch_with_its_update():
    config = SinusoidsConfig(**SMALL.to_dict() | {"optimizer": "sgd", "learning_rate": 1e6})
    with pytest.raises(FloatingPointError, match=r"loss of run 0, 1, 2 is not finite after update 10"):
        list(run_experiment(config))


def test_clipped_weights_stay_within_their_bound():
    config = SinusoidsConfig(**SMALL.to_dict() | {"weight_clip": 0.05, "learning_rate": 0.01})
    state = new_state(config, inputs=1)
    advance(state, build_sinusoids(config), 5)
    largest = max(parameter.abs().max().item() for parameter in state.networks.parameters())
    assert largest == pytest.approx(0.05)


def test_measuring_more_often_changes_no_run():
    often = SinusoidsConfig(**SMALL.to_dict() | {"record_every": 5})
    *_, (_, a) = run_experiment(often)
    *_, (_, b) = run_experiment(SMALL)
    assert np.array_equal(a.arrays["loss"][:, ::2], b.arrays["loss"])
    assert list(a.arrays["steps"][::2]) == list(b.arrays["steps"]) == [0, 10, 20, 30, 40]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")
@pytest.mark.parametrize("kind", [kind for kind in EXPERIMENTS if kind != "curvature"])
def test_a_gpu_learns_what_the_cpu_learns(kind):
    small = {"runs": 2, "steps": 20, "record_every": 10, "width": 16, "depth": 3}
    small |= {"deltas": 3, "directions": 4} if kind == "perturbation" else {}
    found = []
    for device in ("cpu", "cuda"):
        *_, (_, last) = run_experiment(CONFIGS[kind](**small, device=device))
        found.append(last.arrays)
    assert found[0].keys() == found[1].keys()
    assert np.allclose(found[0]["loss"], found[1]["loss"], rtol=1e-3)

"""Steps in parameter space have the length asked for, and what they do to each frequency is a mean of magnitudes."""

import numpy as np
import pytest
import torch

from specbias.synthetic import perturbation
from specbias.synthetic.config import PerturbationConfig
from specbias.synthetic.networks import Networks
from specbias.synthetic.perturbation import build_perturbation

SMALL = PerturbationConfig(
    runs=2,
    width=8,
    depth=3,
    frequencies=(1, 3),
    samples=16,
    deltas=4,
    largest_delta=0.9,
    directions=5,
)


@pytest.mark.parametrize("settings", [{}, {"fourier_features": 2.0}])
def test_every_direction_is_a_step_of_its_length_in_all_parameters(settings, monkeypatch):
    config = PerturbationConfig(**SMALL.to_dict() | settings)
    networks, called = Networks(config, 1), []
    monkeypatch.setattr(perturbation, "functional_call", lambda *a: called.append(a) or torch.func.functional_call(*a))
    found = build_perturbation(config).finish(networks)["ratio"]
    assert found.shape == (2, 4, 2)
    own = dict(networks.named_parameters())
    lengths, directions = [], []
    for run in range(2):
        before, *moved = called[5 * run : 5 * run + 5]
        assert all(torch.equal(before[1][name][0], own[name][run]) for name in own)
        for _, values, _ in moved:
            steps = torch.cat([(values[name] - own[name][run]).detach().flatten(1) for name in own], dim=1)
            lengths.append(steps.norm(dim=1).numpy())
            directions.append(steps)
    assert np.array(lengths).reshape(2, 4, 5) == pytest.approx(
        np.broadcast_to([0, 0.3, 0.6, 0.9], (5, 2, 4)).transpose(1, 2, 0), abs=1e-5
    )
    drawn = torch.cat(directions[1:4])  # of the first run, at the three lengths that are not 0
    assert (torch.corrcoef(drawn) - torch.eye(15)).abs().max() < 0.5  # each a direction of its own


def test_the_ratio_is_the_mean_of_magnitudes_against_the_same_network_unmoved(monkeypatch):
    networks, outputs = Networks(SMALL, 1), []

    def kept(*arguments):
        outputs.append(torch.func.functional_call(*arguments))
        return outputs[-1]

    monkeypatch.setattr(perturbation, "functional_call", kept)
    ratio = build_perturbation(SMALL).finish(networks)["ratio"].detach().numpy()
    for run in range(2):
        before, *moved = (np.abs(np.fft.fft(o.detach().double().numpy()))[:, [1, 3]] for o in outputs[5 * run :][:5])
        for delta, found in enumerate(moved):
            assert ratio[run, delta] == pytest.approx((found / before).mean(axis=0), rel=1e-5)
    assert ratio[:, 0] == pytest.approx(1)


def test_a_network_alone_is_perturbed_as_it_is_among_others():
    both = build_perturbation(SMALL).finish(Networks(SMALL, 1))["ratio"]
    alone = PerturbationConfig(**SMALL.to_dict() | {"runs": 1})
    one = build_perturbation(alone).finish(Networks(alone, 1))["ratio"]
    assert both[:1].detach().numpy() == pytest.approx(one.detach().numpy(), rel=1e-5)

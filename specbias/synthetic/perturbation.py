"""Which of the learned frequencies survive a random step in parameter space? Experiment 2."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from specbias.settings.seeds import derive_seed
from specbias.synthetic.config import PerturbationConfig
from specbias.synthetic.networks import Networks
from specbias.synthetic.sinusoids import amplitude, build_sinusoids
from specbias.synthetic.training import Task, Values


def build_perturbation(config: PerturbationConfig) -> Task:
    """Return the task of sinusoids, and at its end the robustness of each frequency (Rahaman et al. 2019, exp. 2).

    `ratio` (runs, deltas, frequencies) is the mean over directions u, uniform on the unit sphere of all parameters, of
    |F_k(f_{theta + delta u})| over |F_k(f_theta)|: magnitudes, so it need not fall to 0 and can exceed 1. Both are of
    the same network; the notebooks divide by the network of 100 updates before.
    """
    task = build_sinusoids(config)
    deltas = np.linspace(0, config.largest_delta, config.deltas)
    frequencies = torch.tensor(config.frequencies)

    def finish(networks: Networks) -> Values:
        runs = range(config.runs)
        return {"ratio": torch.stack([_ratio(networks, r, task.inputs, deltas, frequencies, config) for r in runs])}

    return replace(task, finish=finish, facts=task.facts | {"deltas": deltas})


def _ratio(
    networks: Networks, run: int, inputs: Tensor, deltas: np.ndarray, frequencies: Tensor, config: PerturbationConfig
) -> Tensor:
    """Return the mean ratio (deltas, frequencies) of one run."""
    one = {name: value.detach()[run : run + 1] for name, value in networks.state_dict().items()}
    before = amplitude(functional_call(networks, one, (inputs,)).cpu(), frequencies)
    found = []
    for number, delta in enumerate(deltas):
        stream = torch.Generator().manual_seed(derive_seed(config.seed, run, "directions", number))
        step = {
            name: torch.randn(config.directions, *value.shape[1:], generator=stream)
            for name, value in one.items()
            if name != "encoding"  # fixed, no parameter
        }
        norms = torch.stack([part.flatten(1).norm(dim=1) for part in step.values()]).norm(dim=0)
        moved = {
            name: one[name] + delta * (part / norms.view(-1, *[1] * (part.dim() - 1))).to(one[name])
            for name, part in step.items()
        }
        if "encoding" in one:
            moved["encoding"] = one["encoding"].expand(config.directions, -1, -1)
        outputs = functional_call(networks, moved, (inputs,))
        found.append((amplitude(outputs.cpu(), frequencies) / before).mean(dim=0))
    return torch.stack(found)

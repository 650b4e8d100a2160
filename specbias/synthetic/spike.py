"""How much of a spike's flat spectrum do networks learn, by depth, width and bound on the weights? Experiment 7."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from specbias.synthetic.config import SpikeConfig
from specbias.synthetic.networks import Networks
from specbias.synthetic.sinusoids import grid
from specbias.synthetic.training import Task, Values, mean_squared_error


def build_spike(config: SpikeConfig) -> Task:
    """Return the task of a spike: 1 at 0.5, 0 elsewhere on the grid (Rahaman et al. 2019, appendix A.5; experiment 7).

    All runs have this target, and a network each. Recorded: `loss`; `spectrum` (runs, N / 2), see there; and
    `high_frequency` (runs,), its mean over the upper half of the bins. Inspected: `function` (runs, N) and
    `spectral_norm` (runs, layers). That there are 200 samples the paper says only by its target's spectrum, 0.005.
    """
    places = grid(config.samples)
    targets = (places == 0.5).double().expand(config.runs, -1)
    inputs = places.view(1, -1, 1).float().to(config.device)

    def record(networks: Networks, outputs: Tensor) -> Values:
        outputs = outputs.cpu()
        found = spectrum(outputs)
        upper = found[:, found.shape[-1] // 2 :]
        return {
            "loss": mean_squared_error(outputs, targets),
            "spectrum": found,
            "high_frequency": upper.mean(dim=-1),
        }

    def inspect(networks: Networks) -> Values:
        return {"function": networks(inputs), "spectral_norm": networks.spectral_norms()}

    facts = {"frequencies": np.arange(config.samples // 2), "inputs": places.unsqueeze(-1).numpy()}
    facts["targets"] = targets.numpy()
    return Task(inputs, targets.float().to(config.device), mean_squared_error, record, inspect, facts=facts)


def spectrum(values: Tensor) -> Tensor:
    """Return |sum_j y_j exp(-2 pi i k j / N)| for k below N / 2, 1 for a spike of 1: (runs, N) -> (runs, N / 2).

    The paper's is this over N.
    """
    return torch.fft.rfft(values.double()).abs()[:, : values.shape[-1] // 2]

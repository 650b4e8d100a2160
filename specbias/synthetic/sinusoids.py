"""Which frequencies of a sum of sines does a network learn first? Experiment 1, and what all targets of sines share."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from specbias.settings.seeds import derive_seed
from specbias.synthetic.config import RunsConfig, SinusoidsConfig
from specbias.synthetic.kiessling_thor import spectral_bias
from specbias.synthetic.networks import Networks
from specbias.synthetic.training import Task, Values, mean_squared_error


def build_sinusoids(config: SinusoidsConfig) -> Task:
    """Return the task of sines on an equal grid on [0, 1) (Rahaman et al. 2019, experiment 1)."""
    return sines_task(config, grid(config.samples).unsqueeze(-1))


def sines_task(config: SinusoidsConfig, inputs: Tensor) -> Task:
    """Return the task of learning each run's sines from `inputs` (N, d), the places of an equal grid on [0, 1).

    Recorded: `loss`; `amplitude` (runs, frequencies), normalised so that 1 is the target's and not clipped; and
    `spectral_bias` by Kiessling & Thor. Inspected: `function` (runs, N) and `spectral_norm` (runs, layers).
    """
    frequencies = torch.tensor(config.frequencies)
    amplitudes = amplitudes_of(config)
    targets = sines(grid(config.samples), frequencies, amplitudes, phases(config, len(frequencies)))
    device_inputs = inputs.unsqueeze(0).float().to(config.device)
    device_targets = targets.float().to(config.device)

    def record(networks: Networks, outputs: Tensor) -> Values:
        outputs = outputs.cpu()
        return {
            "loss": mean_squared_error(outputs, targets),
            "amplitude": amplitude(outputs, frequencies) / amplitudes,
            "spectral_bias": spectral_bias(outputs, targets),
        }

    def inspect(networks: Networks) -> Values:
        return {"function": networks(device_inputs), "spectral_norm": networks.spectral_norms()}

    facts = {"frequencies": np.array(config.frequencies), "amplitudes": amplitudes.numpy(), "inputs": inputs.numpy()}
    facts["targets"] = targets.numpy()
    return Task(device_inputs, device_targets, mean_squared_error, record, inspect, facts=facts)


def grid(samples: int) -> Tensor:
    """Return 0, 1/N, ..., (N - 1)/N in float64: without 1, so that a whole frequency is a bin of the DFT."""
    return torch.arange(samples, dtype=torch.float64) / samples


def amplitudes_of(config: SinusoidsConfig) -> Tensor:
    """Return the amplitude of each of the target's sines (frequencies,)."""
    count = len(config.frequencies)
    if config.amplitudes == "equal":
        return torch.ones(count, dtype=torch.float64)
    return torch.arange(1, count + 1, dtype=torch.float64) / count


def phases(config: RunsConfig, count: int) -> Tensor:
    """Return phases uniform on [0, 2 pi) (runs, count), each run's from a stream of its own."""
    streams = [torch.Generator().manual_seed(derive_seed(config.seed, r, "phases")) for r in range(config.runs)]
    return 2 * math.pi * torch.stack([torch.rand(count, generator=s, dtype=torch.float64) for s in streams])


def sines(z: Tensor, frequencies: Tensor, amplitudes: Tensor, shifts: Tensor) -> Tensor:
    """Return sum_i A_i sin(2 pi k_i z + phi_i) (runs, N) for z (N,), k and A (K,) and phi (runs, K)."""
    angles = 2 * math.pi * frequencies.double()[:, None] * z + shifts.unsqueeze(-1)
    return (amplitudes[:, None] * angles.sin()).sum(dim=1)


def amplitude(values: Tensor, frequencies: Tensor) -> Tensor:
    """Return the amplitudes of the sines of whole `frequencies` (K,) in values (runs, N) on the grid: (runs, K)."""
    spectrum = torch.fft.rfft(values.double(), norm="forward").abs()
    return 2 * spectrum[:, frequencies]

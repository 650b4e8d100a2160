"""How are many small networks trained as one? Their parameters side by side, one batched product for all."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, silu

from specbias.settings.seeds import derive_seed
from specbias.synthetic.config import RunsConfig

SIREN_FREQUENCY = 30.0  # what a sine layer's argument is multiplied by (Sitzmann et al. 2020, section 3.2)
KAN_INTERVALS = 5  # of the grid on [-1, 1], with cubic splines (Liu et al. 2024, section 2.2)


class Networks(nn.Module):
    """The multilayer perceptrons of all runs: `depth` affine maps with the activation between them, one output.

    Called with inputs (runs or 1, N, d), the same for all runs if 1, it returns (runs, N). Weights are (runs, in, out).
    Each run draws its own from a stream of its own, by torch's rule for linear layers: uniform within 1 / sqrt(in),
    weights and biases. `kan` layers expand each of their inputs before the map, the first ones too.
    """

    def __init__(self, config: RunsConfig, inputs: int) -> None:
        super().__init__()
        self.activation, self.activate = config.activation, ACTIVATE[config.activation]
        streams = [torch.Generator().manual_seed(derive_seed(config.seed, r, "network")) for r in range(config.runs)]
        self.register_buffer("encoding", None)
        if config.fourier_features:
            drawn = [torch.randn(inputs, config.width // 2, generator=stream) for stream in streams]
            self.encoding = 2 * math.pi * config.fourier_features * torch.stack(drawn)
            inputs = config.width
        sizes = [inputs, *[config.width] * (config.depth - 1), 1]
        layers = [self._draw(sizes[i], sizes[i + 1], i, streams) for i in range(config.depth)]
        self.weights = nn.ParameterList(weight for weight, _ in layers)
        self.biases = nn.ParameterList(bias for _, bias in layers)

    def forward(self, x: Tensor) -> Tensor:
        x = x.expand(len(self.weights[0]), -1, -1)
        if self.encoding is not None:
            angles = torch.bmm(x, self.encoding)
            x = torch.cat((angles.cos(), angles.sin()), dim=-1)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = self.activate(x) if layer or self.activation == "kan" else x
            x = torch.baddbmm(bias, x, weight)
        return x.squeeze(-1)

    def spectral_norms(self) -> Tensor:
        """Return the largest singular value of every layer's weights (runs, depth).

        The paper's notebooks plot 256 times |v' W v| instead, v from power iteration with W itself: 256 for the
        identity.
        """
        return torch.stack([torch.linalg.matrix_norm(weight.detach(), ord=2) for weight in self.weights], dim=1)

    def _draw(self, fan_in: int, fan_out: int, layer: int, streams: list[torch.Generator]) -> tuple[Tensor, Tensor]:
        """Return a layer's weights (runs, in, out) and biases (runs, 1, out)."""
        bound = within = 1 / math.sqrt(fan_in)
        if self.activation == "sine":
            within = 1 / fan_in if layer == 0 else math.sqrt(6 / fan_in) / SIREN_FREQUENCY
        rows = fan_in * (KAN_INTERVALS + 4) if self.activation == "kan" else fan_in
        weights = torch.stack([torch.rand(rows, fan_out, generator=stream) for stream in streams])
        biases = torch.stack([torch.rand(1, fan_out, generator=stream) for stream in streams])
        return (2 * weights - 1) * within, (2 * biases - 1) * bound


def splines(x: Tensor) -> Tensor:
    """Return x (runs, N, d) as SiLU and cubic B-splines of it (runs, N, d * (KAN_INTERVALS + 4)), a KAN layer's edges.

    The splines' grid is uniform on [-1, 1]; beyond its support a spline is 0 and SiLU alone carries on.
    """
    first_knots = torch.arange(-3, KAN_INTERVALS, device=x.device)
    u = ((x.unsqueeze(-1) + 1) * (KAN_INTERVALS / 2) - first_knots).clamp(0, 4)
    parts = [sign * (u - j).clamp(min=0) ** 3 for j, sign in enumerate((1, -4, 6, -4))]  # the fifth is 0 up to u = 4
    basis = torch.stack(parts).sum(dim=0) / 6
    return torch.cat((silu(x).unsqueeze(-1), basis), dim=-1).flatten(-2)


ACTIVATE: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "gelu": gelu,
    "sine": lambda x: torch.sin(SIREN_FREQUENCY * x),
    "kan": splines,
}

"""How fast does the function vary along the paths? Outputs -> amplitude spectrum -> scalars.

Definitions of the RobustNets release (Fridovich-Keil et al., "Models Out of Line", NeurIPS 2022), by the first author
of "Spectral Bias in Practice". Frequencies are in cycles per unit of normalised L2 image distance.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from specbias.data import Data
from specbias.measure.paths import Pairs, Probes, walk

FREQUENCIES = np.linspace(0, 0.5, 51)  # of the mean spectrum: up to the Nyquist frequency of samples one unit apart


def amplitude_spectrum(signals: Tensor) -> Tensor:
    """Return A (..., K), K = T//2 + 1: the mean over channels of |rfft over time| of signals (..., T, C).

    No mean removal, no window, no padding, in float64.
    """
    return torch.fft.rfft(signals.double(), dim=-2).abs().mean(dim=-1)


def high_frequency_share(amplitude: Tensor) -> Tensor:
    """Return sum A_k over k = ceil(K/10)..K-2 divided by the sum of all A_k, for A (..., K); 0 to 1, no unit.

    As in the release, the constant part is in the denominator and the last bin is not in the numerator.
    """
    bins = amplitude.shape[-1]
    return amplitude[..., -(-bins // 10) : -1].sum(-1) / amplitude.sum(-1)


def on_frequency_axis(amplitude: Tensor, samples: int) -> Tensor:
    """Return amplitude / samples (..., 51) at FREQUENCIES, by linear interpolation between a path's own frequencies.

    The constant part stands at frequency 0 alone: below a path's first frequency, as beyond its last, the nearest
    value is kept. Divided by the number of samples, paths of different length can be averaged: a sinusoid of height 1
    on its bin gives 1/2.
    """
    place = torch.as_tensor(FREQUENCIES, device=amplitude.device).mul(samples).clamp(1, amplitude.shape[-1] - 1)
    place[0] = 0
    lower = place.floor().long().clamp(max=amplitude.shape[-1] - 2)
    return torch.lerp(amplitude[..., lower], amplitude[..., lower + 1], place - lower) / samples


def measure_paths(
    predict: Callable[[Tensor], Tensor], data: Data, probes: Probes, *, batch_size: int
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return the mean high-frequency share of the class probabilities, within and between classes, and the arrays.

    Arrays, under `frequency/{within_class|between_class}/`: `share`, `distance`, `first_image`, `second_image`,
    `first_class`, `second_class`, each (paths,); `spectrum` (51,), the mean amplitude at `frequency/axis`;
    `left_out`, the number of pairs too close for a path. Softmax is over classes, per sample (the paper's script takes
    it over the whole path at once).
    """
    metrics: dict[str, float] = {}
    arrays: dict[str, np.ndarray] = {"frequency/axis": FREQUENCIES}
    for kind in ("within_class", "between_class"):
        pairs: Pairs = getattr(probes, kind)
        shares = torch.zeros(len(pairs.distance), dtype=torch.float64)
        spectrum = torch.zeros(len(FREQUENCIES), dtype=torch.float64)
        for rows, logits in walk(predict, data, pairs, batch_size=batch_size):
            amplitude = amplitude_spectrum(logits.double().softmax(-1))
            shares[rows] = high_frequency_share(amplitude).cpu()
            spectrum += on_frequency_axis(amplitude, logits.shape[1]).sum(0).cpu()
        metrics[f"frequency/{kind}"] = shares.mean().item()
        arrays |= {
            f"frequency/{kind}/share": shares.numpy(),
            f"frequency/{kind}/distance": pairs.distance.numpy(),
            f"frequency/{kind}/first_image": pairs.first.numpy(),
            f"frequency/{kind}/second_image": pairs.second.numpy(),
            f"frequency/{kind}/first_class": pairs.first_class.numpy(),
            f"frequency/{kind}/second_class": pairs.second_class.numpy(),
            f"frequency/{kind}/spectrum": (spectrum / len(shares)).numpy(),
            f"frequency/{kind}/left_out": np.array(pairs.left_out),
        }
    return metrics, arrays

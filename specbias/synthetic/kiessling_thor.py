"""How strong is the spectral bias, in one number? The index of Kiessling & Thor (AAAI 2022), by their first method."""

from __future__ import annotations

import torch
from torch import Tensor


def spectral_bias(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return (E_high - E_low) / (E_high + E_low) of the residual, from -1 to 1: (runs, N) twice -> (runs,).

    E_low and E_high are the parts of the residual's variance below and above a cut-off, from its DFT over an equal
    grid. The cut-off splits the target's own variance in halves (of the bin it falls into, each part gets its share),
    so that an untrained network that gives a constant has 0, and one that has learned low frequencies first is above 0.
    NaN where nothing is left to learn or the target is constant. Their second method, by convolution with a sinc for
    samples off a grid, is not here.
    """
    target, residual = _power(targets), _power(targets - outputs)
    half = target.sum(dim=-1, keepdim=True) / 2 * (1 - 1e-9)  # reached in a bin of the target, not in the noise after
    before = target.cumsum(dim=-1) - target
    low_share = ((half - before) / target).clamp(0, 1).nan_to_num(0.0)  # of each bin
    low = (residual * low_share).sum(dim=-1)
    high = (residual * (1 - low_share)).sum(dim=-1)
    return (high - low) / (high + low)


def _power(values: Tensor) -> Tensor:
    """Return the variance of values (runs, N) in each bin of frequency from 1 to N / 2."""
    power = torch.fft.rfft(values.double(), norm="forward").abs().square()[:, 1:]
    power[:, : (values.shape[-1] - 1) // 2] *= 2  # each stands for the negative frequency too; N / 2 has none
    return power

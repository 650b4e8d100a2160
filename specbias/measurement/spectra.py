"""How fast does a signal along a path vary? Signals -> amplitude spectrum -> scalars: numbers, no network.

The periodic spectrum and its high-frequency share are those of the RobustNets release (Fridovich-Keil et al., "Models
Out of Line", NeurIPS 2022), by the first author of "Spectral Bias in Practice". They join the path's end to its
beginning, and the jump between the two hides how sharp a change along the path is; the other boundaries are ours, and
see it. Frequencies are in cycles per unit of normalised L2 image distance.
"""

import torch
from torch import Tensor

BOUNDARIES = ("periodic", "mirror", "hann", "detrend")
AXIS_POINTS = 51
ROUNDING = 1e-6  # of the largest value of a signal: one that moves less is constant, to float32


def signal_of(logits: Tensor, kind: str, own_class: Tensor) -> Tensor:
    """Return the signal (P, T, channels) in float64 of logits (P, T, C) along P paths that begin in `own_class` (P,).

    probabilities: softmax over classes, per sample (the paper's script takes it over the whole path at once); logits:
    as they are; margin: one channel, the logit of the class in which the path begins less the largest other logit.
    """
    logits = logits.double()
    if kind == "probabilities":
        return logits.softmax(-1)
    if kind == "margin":
        own = own_class.to(logits.device).view(-1, 1, 1).expand(-1, logits.shape[1], 1)
        others = logits.scatter(-1, own, float("-inf")).amax(-1, keepdim=True)
        return logits.gather(-1, own) - others
    return logits


def amplitude_spectrum(signals: Tensor, boundary: str = "periodic") -> Tensor:
    """Return A (..., K): the mean over channels of |rfft over time| of signals (..., T, C), in float64.

    periodic: the signal as it is, constant part and all. The others first take something off, so that a constant
    signal gives 0 (as does one that moves by less than a millionth: that is rounding): mirror the mean, then follows
    the path there and back (2T samples, no jump); hann the mean, then multiplies by a Hann window; detrend the line
    that joins the ends. No padding. K = T//2 + 1, for mirror T + 1.
    """
    signals = signals.double()
    if boundary != "periodic":
        signals = _without_jump(signals, boundary)
    return torch.fft.rfft(signals, dim=-2).abs().mean(dim=-1)


def _without_jump(signals: Tensor, boundary: str) -> Tensor:
    samples = signals.shape[-2]
    if boundary == "detrend":
        weight = torch.linspace(0, 1, samples, dtype=torch.float64, device=signals.device).unsqueeze(-1)
        removed = torch.lerp(signals[..., :1, :], signals[..., -1:, :], weight)
    else:
        removed = signals.mean(dim=-2, keepdim=True)
    left = signals - removed
    moves = left.abs().amax(dim=(-2, -1), keepdim=True) > ROUNDING * signals.abs().amax(dim=(-2, -1), keepdim=True)
    left = left.where(moves, 0)
    if boundary == "hann":
        return left * torch.hann_window(samples, periodic=False, dtype=torch.float64, device=left.device).unsqueeze(-1)
    return torch.cat([left, left.flip(-2)], dim=-2) if boundary == "mirror" else left


def period(samples: int, boundary: str) -> int:
    """Return the number of steps after which the signal repeats: bin k is k / (period * step) cycles per unit."""
    return 2 * samples if boundary == "mirror" else samples


def high_frequency_share(amplitude: Tensor) -> Tensor:
    """Return the release's share of a periodic A (..., K): bins ceil(K/10) to K - 2 over all; 0 where A is 0.

    The constant part is in the denominator, the last bin lacks in the numerator. It counts whole bins: where the first
    of them steps up, at 20, 40, 60, ... samples, the same function has another share on a path two samples longer.
    """
    bins = amplitude.shape[-1]
    return _ratio(amplitude[..., -(-bins // 10) : bins - 1].sum(-1), amplitude.sum(-1))


def fixed_band_share(
    amplitude: Tensor, frequencies: Tensor, *, samples: int | Tensor, step: Tensor, band: float
) -> Tensor:
    """Return the share of A (..., K) at `frequencies` (..., K) that lies above `band`, in their unit, over all of it.

    Bin k stands for the frequencies half a bin to either side of its own; the one that straddles the band counts in
    proportion, so that the share has no steps from T samples to T + 2, and the last one whole. Of an even T that one
    lies on the Nyquist frequency and is one coefficient where others are two: a sharp change has 0.002 more periodic
    share on 60 samples than on 59 or 61, 0.013 on 12. The constant part is in the denominator. 0 where A is 0; NaN
    under every boundary where paths of `samples` (...) samples, `step` (...) apart, cannot be parted at the band.
    """
    above = ((frequencies - band) / frequencies[..., 1:2] + 0.5).clamp(0, 1)
    share = _ratio((above * amplitude).sum(-1), amplitude.sum(-1))
    lowest, highest = band_limits(samples, step)
    return share.where((lowest <= band) & (band < highest), torch.nan)


def band_limits(samples: int | Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """Return from where, and below where, bands can part the spectra of paths of `samples` (...), `step` (...) apart.

    All shares of a path exist together: from the lower end of the periodic spectrum's first bin, whose constant part
    ends there, to that of the mirror's last bin, which lies on the Nyquist frequency and is 0 for every function.
    """
    return 0.5 / (samples * step), 0.5 / step * (1 - 0.5 / samples)


def mean_frequency(amplitude: Tensor, frequencies: Tensor) -> Tensor:
    """Return sum f_k A_k / sum A_k for A (..., K) at `frequencies` (..., K), in their unit; 0 where A is 0."""
    return _ratio((frequencies * amplitude).sum(-1), amplitude.sum(-1))


def total_variation(signals: Tensor, step: Tensor) -> Tensor:
    """Return sum_t |s(t+1) - s(t)|_1 over the distance covered, for signals (..., T, C) sampled `step` (...) apart.

    For probabilities: per unit of distance, 2 would be a complete change of mind at every step of one unit.
    """
    moved = signals.double().diff(dim=-2).abs().sum(dim=(-2, -1))
    return moved / (step * (signals.shape[-2] - 1))


def frequency_axis(highest: float) -> Tensor:
    """Return the 51 frequencies of mean spectra, from 0 to the highest that every path reaches."""
    return torch.linspace(0, highest, AXIS_POINTS, dtype=torch.float64)


def on_frequency_axis(amplitude: Tensor, frequencies: Tensor, axis: Tensor) -> Tensor:
    """Return A (P, K) at each path's own `frequencies` (P, K), interpolated linearly to `axis` (F,): (P, F).

    The constant part stands at frequency 0 alone: below a path's first frequency, as beyond its last, the nearest
    value is kept.
    """
    place = (axis / frequencies[:, 1:2]).clamp(1, amplitude.shape[-1] - 1)
    place[:, axis == 0] = 0
    lower = place.floor().long().clamp(max=amplitude.shape[-1] - 2)
    return torch.lerp(amplitude.gather(-1, lower), amplitude.gather(-1, lower + 1), place - lower)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    return torch.where(whole > 0, part / whole.where(whole > 0, 1), 0)

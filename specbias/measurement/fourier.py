"""Does the function vary when an image's Fourier amplitudes, or its phases, become those of another image?

The Fourier paths of the RobustNets release ("Models Out of Line", NeurIPS 2022): between random test images, the low
spatial frequencies of the one are led to those of the other, amplitude (the scene stays what it is) or phase (it does
not), in 100 equal steps.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from specbias.data import Data, Split
from specbias.measurement.paths import Predict, Sampler, walk
from specbias.measurement.spectra import amplitude_spectrum, high_frequency_share
from specbias.measurement.standard_error import ratio_standard_error
from specbias.settings import SettingError
from specbias.settings.seeds import derive_seed

SAMPLES = 100  # weights 1, 98/99, ..., 0 of the first image
WINDOW = 0.2  # of the image's side: spatial frequencies up to this many cycles per pixel are changed, on both axes
PARTS = ("amplitude", "phase")


def fourier_path(data: Data, split: Split, first: Tensor, second: Tensor, part: str) -> Sampler:
    """Return the sampler of paths on which one part, amplitude or phase, goes from image `first` to `second` (P,).

    Per channel, inside the central (2b + 1)^2 block of the shifted spectrum, b = floor(0.2 side); the other part and
    all else stay the first image's. Angles are mixed as they are, without unwrapping.
    """
    device = split.images.device
    height, width = split.images.shape[2:]
    reach = int(min(height, width) * WINDOW)
    rows = (torch.fft.fftfreq(height) * height).round().abs() <= reach
    low = (rows.unsqueeze(1) & (torch.arange(width // 2 + 1) <= reach)).to(device)

    def sample(path: Tensor, step: Tensor) -> Tensor:
        few, place = path.unique_consecutive(return_inverse=True)
        ends = (torch.fft.rfft2(data.normalise(split.images[i[few].to(device)])) for i in (first, second))
        (size, angle), (other_size, other_angle) = ((end.abs(), end.angle()) for end in ends)
        weight = (1 - step / (SAMPLES - 1)).float().view(-1, 1, 1, 1).to(device)
        place = place.to(device)
        size, angle = size[place], angle[place]
        if part == "amplitude":
            size = torch.where(low, torch.lerp(other_size[place], size, weight), size)
        else:
            angle = torch.where(low, torch.lerp(other_angle[place], angle, weight), angle)
        return torch.fft.irfft2(torch.polar(size, angle), s=(height, width))

    return sample


def consistent_distance(outputs: Tensor) -> Tensor:
    """Return the index (P,) of the first sample whose predicted class is not that of sample 0; T if there is none.

    For outputs (P, T, C); in steps of the path.
    """
    predicted = outputs.argmax(-1)
    other = predicted != predicted[:, :1]
    return torch.where(other.any(-1), other.int().argmax(-1), outputs.shape[1])


def measure_fourier(
    predict: Predict, data: Data, *, split: str, pairs: int, seed: int = 0, batch_size: int
) -> tuple[dict[str, dict[str, float | None]], dict[str, np.ndarray]]:
    """Return per part the mean high-frequency share and consistent distance of random disjoint pairs, and the paths.

    The release takes 5,000 pairs of all test images, whatever their classes. Standard errors are over pairs, which
    share no image. Raises SettingError if there are fewer than 2 images a pair.
    """
    chosen: Split = getattr(data, split)
    if len(chosen.labels) < 2 * pairs:
        raise SettingError(f"{pairs} Fourier pairs need {2 * pairs} images, {split} has {len(chosen.labels)}")
    generator = torch.Generator().manual_seed(derive_seed(seed, "fourier pairs"))
    first, second = torch.randperm(len(chosen.labels), generator=generator)[: 2 * pairs].view(2, -1)
    lengths = torch.full((pairs,), SAMPLES)
    summary: dict[str, dict[str, float | None]] = {}
    arrays = {"fourier/first_image": first.numpy(), "fourier/second_image": second.numpy()}
    for part in PARTS:
        values = {name: np.zeros(pairs) for name in ("high_frequency_share", "consistent_distance")}
        for paths, logits in walk(
            predict, fourier_path(data, chosen, first, second, part), lengths, batch_size=batch_size
        ):
            share = high_frequency_share(amplitude_spectrum(logits.double().softmax(-1)))
            values["high_frequency_share"][paths] = share.cpu()
            values["consistent_distance"][paths] = consistent_distance(logits).cpu()
        summary[part] = {}
        for name, value in values.items():
            arrays[f"fourier/{part}/{name}"] = value
            summary[part][name] = float(value.mean())
            error = ratio_standard_error(value, np.ones(pairs), first.numpy(), second.numpy())
            summary[part][f"{name}_standard_error"] = error
    return summary, arrays

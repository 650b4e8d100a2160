"""How fast does the function vary close to an image? Spectra along short random lines through images.

Zhang, Xiong and Wu ("Rethink the Connections among Generalization, Memorization and the Spectral Bias of DNNs", IJCAI
2021): images in [0, 1] without normalisation, logits, energies. Frequencies here are in cycles per unit of L2 distance
in [0, 1] pixel units, not of normalised distance as elsewhere.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from specbias.data import Data, Split
from specbias.measurement.paths import Predict, Sampler, walk
from specbias.settings import SettingError
from specbias.settings.seeds import derive_seed

TINY = 1e-300  # in place of an energy of 0, where one is divided by or its logarithm taken
POINTS = 128  # at -1/2, -1/2 + 1/128, ... < 1/2 along a direction of length 1


def random_lines(data: Data, split: Split, rows: Tensor, directions: Tensor) -> Sampler:
    """Return the sampler of x + h v for images at `rows` (P,) and unit directions v (P, 3, H, W), in [0, 1] units."""
    device = split.images.device

    def sample(path: Tensor, step: Tensor) -> Tensor:
        offset = (step / POINTS - 0.5).float().view(-1, 1, 1, 1).to(device)
        few, place = path.unique_consecutive(return_inverse=True)
        images, along = split.images[rows[few].to(device)].float(), 255 * directions[few].to(device)
        place = place.to(device)
        return data.normalise(torch.addcmul(images[place], along[place], offset))

    return sample


def measure_local(
    predict: Predict, data: Data, *, split: str, images: int, seed: int = 0, batch_size: int
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return the energy's mean frequency, and `local/energy` and `local/log_energy_share` (65,) at `local/axis`.

    One random line through each of the first `images` images of the split (the paper: 500). Energy: the mean over
    images and classes of |rfft of the logits|^2; its log share is what the paper draws. The mean frequency is without
    the constant part, which is the level of the logits. Raises SettingError if the split has fewer images.
    """
    chosen: Split = getattr(data, split)
    if len(chosen.labels) < images:
        raise SettingError(f"{images} local lines need as many images, {split} has {len(chosen.labels)}")
    generator = torch.Generator().manual_seed(derive_seed(seed, "local lines"))
    directions = torch.randn(images, *chosen.images.shape[1:], generator=generator)
    directions /= directions.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    sample = random_lines(data, chosen, torch.arange(images), directions)
    energy = torch.zeros(POINTS // 2 + 1, dtype=torch.float64)
    for _, logits in walk(predict, sample, torch.full((images,), POINTS), batch_size=batch_size):
        energy += torch.fft.rfft(logits.double(), dim=1).abs().square().mean(-1).sum(0).cpu() / images
    axis = torch.arange(len(energy), dtype=torch.float64)
    share = energy / energy.sum().clamp(min=TINY)
    arrays = {"local/axis": axis.numpy(), "local/energy": energy.numpy()}
    arrays["local/log_energy_share"] = share.clamp(min=TINY).log().numpy()
    return {"mean_frequency": float((axis * energy).sum() / energy[1:].sum().clamp(min=TINY))}, arrays

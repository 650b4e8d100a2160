"""How is a label made to follow a wave over image space, of known function frequency? To train with, and to measure.

Label noise of "Spectral Bias in Practice" (section 2 of the paper's code): the label y of image x becomes
y'(x) = (1 - s(x)) y + s(x) / classes, with s(x) = a w(x) / mean(w) and w(x) = 1 + sin(2 pi f p(x)). Here p(x) is the
place of the normalised image along the wave, in units of L2 distance: its norm less the norm to be expected (radial),
or its projection onto a direction of length one (random, fourier, f, 1/f); uniform is s = a, label smoothing, the
control. It differs from the code in the mean, by default that of the un-augmented training split, so that an image has
one target for the whole trial; and where the mean is each batch's, in s never being above 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import gammaln
from torch import Tensor

from specbias.data import Data
from specbias.settings import SettingError
from specbias.settings.config import TrialConfig


@dataclass(frozen=True)
class LabelNoise:
    """A wave on the labels. It draws nothing and never writes to its inputs."""

    strength: float  # a, the mean of s
    frequency: float  # cycles per unit of normalised L2 distance
    place: Callable[[Tensor], Tensor]  # normalised images (B, C, H, W) -> p (B,) in float64
    train: Tensor  # p of each un-augmented training image
    test: Tensor  # p of each test image
    mean: float | None  # of w; None: the batch's own
    only: int | None  # the one class whose labels are smoothed; None: all

    def smoothing(self, images: Tensor) -> Tensor:
        """Return s (B,) in float64 for normalised images (B, C, H, W)."""
        return self.smoothing_at(self.place(images))

    def smoothing_at(self, places: Tensor) -> Tensor:
        """Return s for images at these places along the wave: of one batch, where the batch's mean is taken."""
        wave = _wave(places, self.frequency)
        if self.mean is not None:
            return self.strength * wave / self.mean
        mean = wave.mean()
        return torch.where(mean > 0, self.strength * wave / mean, 0.0).clamp(max=1)

    def apply(self, images: Tensor, targets: Tensor) -> Tensor:
        """Return the targets (B, classes) of normalised images, smoothed by s.

        With `only`, those targets whose largest entry is that class; the mean is still over all images.
        """
        share = self.smoothing(images)
        if self.only is not None:
            share = torch.where(targets.argmax(dim=1) == self.only, share, 0.0)
        share = share.to(targets.dtype).unsqueeze(1)
        return (1 - share) * targets + share / targets.shape[1]

    @property
    def frequency_times_std(self) -> float:
        """How many cycles one standard deviation of the training images' places is; far below 1 the wave is flat."""
        return self.frequency * self.train.std(correction=0).item()


def build_label_noise(config: TrialConfig, data: Data) -> LabelNoise | None:
    """Return the label noise of a trial, None at strength 0.

    Raises SettingError if s could be above 1 for some image, or if no training image is of `noise_class`.
    """
    if not config.label_noise:
        return None
    if config.noise_class is not None and not (data.train.labels == config.noise_class).any():
        raise SettingError(f"noise_class={config.noise_class}: no training image is of that class")
    place = _place(config, data)
    train, test = (
        torch.cat([place(data.normalise(part)) for part in split.images.split(config.measure_batch)])
        for split in (data.train, data.test)
    )
    mean, highest = _wave(train, config.noise_frequency).mean().item(), 1 if config.noise_type == "uniform" else 2
    if config.label_noise * highest > mean:
        raise SettingError(
            f"label_noise={config.label_noise:g}: this wave could smooth a label by more than all of it, "
            f"so at most {math.floor(1e4 * mean / highest) / 1e4:g}"
        )
    return LabelNoise(
        strength=config.label_noise,
        frequency=config.noise_frequency,
        place=place,
        train=train,
        test=test,
        mean=mean if config.noise_normalise == "split" else None,
        only=config.noise_class,
    )


def _wave(places: Tensor, frequency: float) -> Tensor:
    return 1 + torch.sin(2 * math.pi * frequency * places)


def _place(config: TrialConfig, data: Data) -> Callable[[Tensor], Tensor]:
    """Return the function from normalised images to their places along the wave, in float64: one image, one place."""
    channels, size, _ = data.train.images.shape[1:]
    if config.noise_type == "uniform":
        return lambda images: images.new_zeros(len(images), dtype=torch.float64)
    if config.noise_type == "radial":
        expected = expected_norm(channels * size * size)
        return lambda images: images.double().flatten(1).norm(dim=1) - expected
    pattern = random_image(size, config.noise_seed) if config.noise_type == "random" else _grey(config, size)
    direction = torch.from_numpy(pattern / np.linalg.norm(pattern)).to(config.device).flatten()
    return lambda images: (images.double().flatten(1) * direction).sum(dim=1)


def _grey(config: TrialConfig, size: int) -> np.ndarray:
    if config.noise_type == "fourier":
        return fourier_image(size, config.noise_spatial_frequency)
    return composite_image(size, power=2 if config.noise_type == "f" else -2)


def expected_norm(dimensions: int) -> float:
    """Return the mean norm of so many independent standard normal numbers: the mean of a chi distribution."""
    return math.sqrt(2) * math.exp(gammaln((dimensions + 1) / 2) - gammaln(dimensions / 2))


def random_image(size: int, seed: int) -> np.ndarray:
    """Return independent normal numbers (3, size, size), those of the paper's code: by row, column, channel."""
    drawn = np.random.RandomState(seed).normal(size=(size, size, 3))  # noqa: NPY002
    return np.ascontiguousarray(drawn.transpose(2, 0, 1))


def fourier_image(size: int, spatial_frequency: float) -> np.ndarray:
    """Return a grey wave (3, size, size) along the diagonal, of norm sqrt(3) (Yin et al. 2019, as in the paper's code).

    Its frequency is k cycles per image on either axis, k = spatial_frequency / sqrt(2) rounded down, at most what the
    grid holds: 1 gives k = 0, a constant.
    """
    centre = size // 2
    point = min(size - 1, int(spatial_frequency / math.sqrt(2)) + centre)
    mirrored = (2 * centre - point) % size
    spectrum = np.zeros((size, size), dtype=complex)
    spectrum[point, point] = 0.5 + 0.5j
    spectrum[mirrored, mirrored] = 1 if mirrored == point else 0.5 - 0.5j
    return _image_of(spectrum)


def composite_image(size: int, *, power: int) -> np.ndarray:
    """Return the sum (3, size, size) of all grey waves, weighted by spatial frequency (at least 1) to that power.

    The paper's code calls power 2 "f" and power -2 "1/f". Phases cancel in pairs: it is an impulse in the corner.
    """
    steps = np.arange(size) - size // 2
    squares = np.maximum(1, steps[:, None] ** 2 + steps[None, :] ** 2)
    return _image_of(squares ** (power / 2))


def _image_of(spectrum: np.ndarray) -> np.ndarray:
    """Return the grey image (3, size, size) of a spectrum whose zero frequency is in the centre."""
    size = len(spectrum)
    return np.tile(size * np.fft.ifft2(np.fft.ifftshift(spectrum)).real, (3, 1, 1))

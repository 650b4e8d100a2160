"""What decides the result where inputs are images of digits? The settings of experiments 3, 4 and 8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from specbias.settings.ranges import ABOVE_ZERO, Count, Positive, Range, Strength, at_least, one_of
from specbias.synthetic.config.runs import RunsConfig

IMAGES = {"digits": (1_797, 64, 32), "mnist": (60_000, 784, 64)}  # images, pixels, dimensions of the code
KERNEL_NOISES = ("ramp", "white")
ImageSet = Annotated[str, one_of(*IMAGES)]
KernelNoise = Annotated[str, one_of(*KERNEL_NOISES)]
Bandwidth = Annotated[float | None, Range(f"{ABOVE_ZERO.words}, or none", ABOVE_ZERO.holds)]


@dataclass(frozen=True)
class DigitsConfig(RunsConfig):
    """Two digits, 3 and 8, as targets -1 and 1: what experiments 3 and 4 have in common."""

    dataset: ImageSet = "digits"  # digits (scikit-learn's scans of 8 x 8, no download) or mnist
    steps: Count = 5_000  # updates
    record_every: Count = 10  # updates: what is of interest is over after a few hundred
    learning_rate: Positive = 1e-4  # constant; the notebooks' for MNIST


@dataclass(frozen=True)
class DigitNoiseConfig(DigitsConfig):
    """Labels with noise of known frequency: which noise is learned before the labels? (Experiment 3)"""

    kind: ClassVar[str] = "digit_noise"
    noise_frequency: Positive = 1.0  # k of sin(2 pi k |x|): periods per unit of an image's L2 norm, pixels in [0, 1]
    noise_strength: Strength = 1.0  # beta, its amplitude, where the labels are -1 and 1; 0: no noise


@dataclass(frozen=True)
class KernelSpectrumConfig(DigitsConfig):
    """Noisy labels learned, seen in the eigenfunctions of a Gaussian kernel (Experiment 4)."""

    kind: ClassVar[str] = "kernel_spectrum"
    samples: Annotated[int, at_least(20)] = 2_000  # the first images of the two digits, or all where there are fewer
    bandwidth: Bandwidth = None  # of the kernel, L2 distance of images; none: the data set's
    noise: KernelNoise = "ramp"  # ramp, in the last eigenfunctions most, or white, uniform on -1..1, drawn for each run
    noise_strength: Strength = 1.0  # what the noise is multiplied by; 0: no noise
    bins: Count = 100  # of the spectrum, of equally many eigenfunctions; at most a tenth of the samples


@dataclass(frozen=True)
class CurvatureConfig(RunsConfig):
    """Noise as labels on a curved or a flat manifold: which is fitted faster? (Appendix A.6, experiment 8)"""

    kind: ClassVar[str] = "curvature"
    # curved: reconstructed images; flat: uniform on `code` axes; scaled: flat, with neighbours as far apart as curved
    inputs: Annotated[str, one_of("curved", "flat", "scaled", words="curved, flat or scaled")] = "curved"
    dataset: ImageSet = "digits"  # the images: digits (scikit-learn, 8 x 8) or mnist (28 x 28, the paper's)
    samples: int = 1_000  # drawn from the images, the same for all runs
    code: int | None = None  # dimensions of either manifold; none: 64 for mnist, the paper's, and 32 for digits
    noise: Strength = 0.2  # standard deviation added to pixels in [0, 1], which the auto-encoder removes; ours
    autoencoder_updates: Count = 2_000  # of the auto-encoder's training; ours, the paper says nothing of it

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        images, pixels, _ = IMAGES.get(self.dataset, (0, 0, 0))
        code = self.code is None or 1 <= self.code < pixels
        return (
            *super().rules(),
            ("samples", 2 <= self.samples <= images, f"from 2 to {images}, the images of {self.dataset}"),
            ("code", code, f"from 1, below {pixels}, the pixels of an image"),
        )

    @property
    def dimensions(self) -> int:
        """The dimensions of either manifold: `code`, or what suits the images."""
        return self.code or IMAGES[self.dataset][2]

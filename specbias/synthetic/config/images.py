"""What decides the result where inputs are images of digits? The settings of experiments 3, 4 and 8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from specbias.synthetic.config.runs import FINITE, RunsConfig

IMAGES = {"digits": (1_797, 64, 32), "mnist": (60_000, 784, 64)}  # images, pixels, dimensions of the code
KERNEL_NOISES = ("ramp", "white")


@dataclass(frozen=True)
class DigitsConfig(RunsConfig):
    """Two digits, 3 and 8, as targets -1 and 1: what experiments 3 and 4 have in common."""

    dataset: str = "digits"  # digits (scikit-learn's scans of 8 x 8, no download) or mnist
    steps: int = 5_000  # updates
    record_every: int = 10  # updates: what is of interest is over after a few hundred
    learning_rate: float = 1e-4  # constant; the notebooks' for MNIST

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        return (*super().rules(), ("dataset", self.dataset in IMAGES, " or ".join(IMAGES)))


@dataclass(frozen=True)
class DigitNoiseConfig(DigitsConfig):
    """Labels with noise of known frequency: which noise is learned before the labels? (Experiment 3)"""

    kind: ClassVar[str] = "digit_noise"
    noise_frequency: float = 1.0  # k of sin(2 pi k |x|): periods per unit of an image's L2 norm, pixels in [0, 1]
    noise_strength: float = 1.0  # beta, its amplitude, where the labels are -1 and 1; 0: no noise

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        return (
            *super().rules(),
            ("noise_frequency", 0 < self.noise_frequency < FINITE, "above 0 and finite"),
            ("noise_strength", 0 <= self.noise_strength < FINITE, "at least 0 and finite"),
        )


@dataclass(frozen=True)
class KernelSpectrumConfig(DigitsConfig):
    """Noisy labels learned, seen in the eigenfunctions of a Gaussian kernel (Experiment 4)."""

    kind: ClassVar[str] = "kernel_spectrum"
    samples: int = 2_000  # the first images of the two digits, or all where there are fewer
    bandwidth: float | None = None  # of the kernel, L2 distance of images; none: the data set's
    noise: str = "ramp"  # ramp (in the last eigenfunctions most) or white (uniform on -1..1, drawn for each run)
    noise_strength: float = 1.0  # what the noise is multiplied by; 0: no noise
    bins: int = 100  # of the spectrum, of equally many eigenfunctions; at most a tenth of the samples

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        return (
            *super().rules(),
            ("samples", self.samples >= 20, "at least 20"),
            ("bandwidth", self.bandwidth is None or 0 < self.bandwidth < FINITE, "above 0 and finite, or none"),
            ("noise", self.noise in KERNEL_NOISES, " or ".join(KERNEL_NOISES)),
            ("noise_strength", 0 <= self.noise_strength < FINITE, "at least 0 and finite"),
            ("bins", self.bins >= 1, "at least 1"),
        )


@dataclass(frozen=True)
class CurvatureConfig(RunsConfig):
    """Noise as labels on a curved or a flat manifold: which is fitted faster? (Appendix A.6, experiment 8)"""

    kind: ClassVar[str] = "curvature"
    # curved: reconstructed images; flat: uniform on `code` axes; scaled: flat, with neighbours as far apart as curved
    inputs: str = "curved"
    dataset: str = "digits"  # the images: digits (scikit-learn, 8 x 8) or mnist (28 x 28, the paper's)
    samples: int = 1_000  # drawn from the images, the same for all runs
    code: int | None = None  # dimensions of either manifold; none: 64 for mnist, the paper's, and 32 for digits
    noise: float = 0.2  # standard deviation added to pixels in [0, 1], which the auto-encoder removes; ours
    autoencoder_updates: int = 2_000  # of the auto-encoder's training; ours, the paper says nothing of it

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        images, pixels, _ = IMAGES.get(self.dataset, (0, 0, 0))
        return (
            *super().rules(),
            ("inputs", self.inputs in ("curved", "flat", "scaled"), "curved, flat or scaled"),
            ("dataset", self.dataset in IMAGES, " or ".join(IMAGES)),
            ("samples", 2 <= self.samples <= images, f"from 2 to {images}, the images of {self.dataset}"),
            ("code", self.code is None or 1 <= self.code < pixels, f"from 1, below {pixels}, the pixels of an image"),
            ("noise", 0 <= self.noise < FINITE, "at least 0 and finite"),
            ("autoencoder_updates", self.autoencoder_updates >= 1, "at least 1"),
        )

    @property
    def dimensions(self) -> int:
        """The dimensions of either manifold: `code`, or what suits the images."""
        return self.code or IMAGES[self.dataset][2]

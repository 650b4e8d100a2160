"""What decides the result of an experiment on targets of known frequency? A frozen record of settings for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from specbias.settings import Settings

ACTIVATIONS = ("relu", "tanh", "gelu", "sine", "kan")
OPTIMIZERS = ("adam", "sgd", "momentum", "rmsprop")
AMPLITUDES = ("equal", "increasing")
DIGITS = ("digits", "mnist")
KERNEL_NOISES = ("ramp", "white")
FINITE = float("inf")


@dataclass(frozen=True)
class RunsConfig(Settings):
    """What all experiments have: a batch of runs, their networks and how these are trained.

    The defaults are those of "On the Spectral Bias of Neural Networks" (Rahaman et al. 2019) and its notebooks. A batch
    is all there is to train on: an update is an epoch.
    """

    runs: int = 10  # networks, each with targets of its own, trained side by side
    steps: int = 10_000  # updates; the notebooks take 60,000 for sinusoids
    record_every: int = 100  # updates between two points of the curves
    seed: int = 0  # every run has streams of its own, the same however many runs there are

    # Network: affine maps, with the activation between them
    width: int = 256  # units of each hidden layer
    depth: int = 6  # affine maps, the last one included
    activation: str = "relu"  # relu, tanh, gelu, sine (SIREN, with its initialisation), kan (splines on every edge)
    fourier_features: float = 0.0  # standard deviation of the frequencies that inputs are encoded by; 0: not encoded

    # Training, on all samples at once
    optimizer: str = "adam"  # adam, sgd, momentum (sgd with 0.9), rmsprop; all but the rate as in torch
    learning_rate: float = 3e-4  # constant
    weight_clip: float = 0.0  # all parameters are kept within plus and minus this; 0: free

    # Execution
    device: str = "cpu"  # cpu or cuda
    threads: int | None = None  # CPU threads of torch; none: as many as torch takes

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        return (
            ("runs", self.runs >= 1, "at least 1"),
            ("steps", self.steps >= 1, "at least 1"),
            ("record_every", self.record_every >= 1, "at least 1"),
            ("width", self.width >= 1, "at least 1"),
            ("depth", self.depth >= 2, "at least 2"),
            ("activation", self.activation in ACTIVATIONS, "one of " + ", ".join(ACTIVATIONS)),
            ("fourier_features", 0 <= self.fourier_features < FINITE, "at least 0 and finite"),
            ("fourier_features", not (self.fourier_features and self.width % 2), "0, or the width even"),
            ("optimizer", self.optimizer in OPTIMIZERS, "one of " + ", ".join(OPTIMIZERS)),
            ("learning_rate", 0 < self.learning_rate < FINITE, "above 0 and finite"),
            ("weight_clip", 0 <= self.weight_clip < FINITE, "at least 0 and finite"),
            ("device", self.device in ("cpu", "cuda"), "cpu or cuda"),
            ("threads", self.threads is None or self.threads >= 1, "at least 1, or none"),
        )

    @property
    def epochs(self) -> int:
        """The last epoch, as the service asks for it."""
        return self.steps

    @property
    def steps_to_record(self) -> tuple[int, ...]:
        """The updates after which a point of every curve is taken: 0, every `record_every`, and the last."""
        return (*range(0, self.steps, self.record_every), self.steps)

    @property
    def steps_to_measure(self) -> tuple[int, ...]:
        """The updates after which results are reported: about logarithmic at first, then every tenth of all."""
        every, points = self.record_every, self.steps_to_record
        early = {lead * 10**power * every for power in range(len(str(self.steps))) for lead in (1, 2, 5)}
        tenths = {round(i * self.steps / 10 / every) * every for i in range(11)}
        chosen = {step for step in early if step < self.steps / 10} | tenths | {self.steps}
        return tuple(step for step in points if step in chosen)


@dataclass(frozen=True)
class SinusoidsConfig(RunsConfig):
    """Learning sums of sines of one variable: which frequencies come first? (Section 3.1, experiment 1)"""

    kind: ClassVar[str] = "sinusoids"
    frequencies: tuple[int, ...] = (5, 10, 15, 20, 25, 30, 35, 40, 45, 50)  # of the sines: periods on [0, 1]
    amplitudes: str = "equal"  # of the sines: equal, all 1; or increasing with frequency, from 1/n to 1
    samples: int = 200  # on an equal grid on [0, 1), so that a frequency is a bin of the discrete Fourier transform

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        names = ", ".join(map(str, self.frequencies))
        nyquist = f"whole numbers from 1, below {self.samples / 2:g}, the Nyquist frequency of {self.samples} samples"
        return (
            *super().rules(),
            ("samples", self.samples >= 4, "at least 4"),
            ("frequencies", bool(names) and all(0 < k < self.samples / 2 for k in self.frequencies), nyquist),
            ("amplitudes", self.amplitudes in AMPLITUDES, " or ".join(AMPLITUDES)),
        )


@dataclass(frozen=True)
class PerturbationConfig(SinusoidsConfig):
    """Sines learned, then parameters moved at random: which frequencies survive? (Section 3.2, experiment 2)"""

    kind: ClassVar[str] = "perturbation"
    deltas: int = 100  # lengths of the steps in parameter space, from 0 to `largest_delta` at equal distances
    largest_delta: float = 5.001  # L2 norm of the longest
    directions: int = 100  # drawn anew for every length and run

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        return (
            *super().rules(),
            ("deltas", self.deltas >= 2, "at least 2"),
            ("largest_delta", 0 < self.largest_delta < FINITE, "above 0 and finite"),
            ("directions", self.directions >= 1, "at least 1"),
        )


@dataclass(frozen=True)
class ManifoldConfig(SinusoidsConfig):
    """Sines along a flower in the plane: do more petals make high frequencies easier? (Section 4, experiment 5)"""

    kind: ClassVar[str] = "manifold"
    petals: int = 0  # of the flower; 0: a circle
    frequencies: tuple[int, ...] = (20, 40, 60, 80, 100, 120, 140, 160, 180, 200)  # of the sines along the flower
    samples: int = 1000  # on the flower, at equal distances of its parameter

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        return (*super().rules(), ("petals", self.petals >= 0, "at least 0"))


@dataclass(frozen=True)
class ClassificationConfig(RunsConfig):
    """The sign of a sine along a flower as a class: for which frequencies, with how many petals? (Experiment 6)"""

    kind: ClassVar[str] = "classification"
    petals: int = 0  # of the flower; 0: a circle
    frequency: int = 200  # of the sine along the flower
    samples: int = 1000  # on the flower, at equal distances of its parameter

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        nyquist = f"from 1, below {self.samples / 2:g}, the Nyquist frequency of {self.samples} samples"
        return (
            *super().rules(),
            ("petals", self.petals >= 0, "at least 0"),
            ("samples", self.samples >= 4, "at least 4"),
            ("frequency", 0 < self.frequency < self.samples / 2, nyquist),
        )


@dataclass(frozen=True)
class DigitsConfig(RunsConfig):
    """Two digits, 3 and 8, as targets -1 and 1: what experiments 3 and 4 have in common."""

    dataset: str = "digits"  # digits (scikit-learn's scans of 8 x 8, no download) or mnist
    steps: int = 5_000  # updates
    record_every: int = 10  # updates: what is of interest is over after a few hundred
    learning_rate: float = 1e-4  # constant; the notebooks' for MNIST

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        return (*super().rules(), ("dataset", self.dataset in DIGITS, " or ".join(DIGITS)))


@dataclass(frozen=True)
class DigitNoiseConfig(DigitsConfig):
    """Labels with noise of known frequency: which noise is learned before the labels? (Section 3.1, experiment 3)"""

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
    """Noisy labels learned, seen in the eigenfunctions of a Gaussian kernel (Section 3.1, experiment 4)."""

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

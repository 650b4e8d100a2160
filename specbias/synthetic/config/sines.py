"""What decides the result where targets are functions of one variable? The settings of experiments 1, 2, 5 to 7."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from specbias.settings.ranges import Count, CountOrZero, Positive, Strength, at_least, one_of
from specbias.synthetic.config.runs import RunsConfig

AMPLITUDES = ("equal", "increasing")
Amplitudes = Annotated[str, one_of(*AMPLITUDES)]
FourOrMore = Annotated[int, at_least(4)]
TwoOrMore = Annotated[int, at_least(2)]


@dataclass(frozen=True)
class SinusoidsConfig(RunsConfig):
    """Learning sums of sines of one variable: which frequencies come first? (Experiment 1)"""

    kind: ClassVar[str] = "sinusoids"
    frequencies: tuple[int, ...] = (5, 10, 15, 20, 25, 30, 35, 40, 45, 50)  # of the sines: periods on [0, 1]
    amplitudes: Amplitudes = "equal"  # of the sines: equal, all 1; or increasing with frequency, from 1/n to 1
    samples: FourOrMore = 200  # on an equal grid on [0, 1): a frequency is a bin of the discrete Fourier transform

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        names = ", ".join(map(str, self.frequencies))
        nyquist = f"whole numbers from 1, below {self.samples / 2:g}, the Nyquist frequency of {self.samples} samples"
        below = bool(names) and all(0 < k < self.samples / 2 for k in self.frequencies)
        return (*super().rules(), ("frequencies", below, nyquist))


@dataclass(frozen=True)
class PerturbationConfig(SinusoidsConfig):
    """Sines learned, then parameters moved at random: which frequencies survive? (Experiment 2)"""

    kind: ClassVar[str] = "perturbation"
    deltas: TwoOrMore = 100  # lengths of the steps in parameter space, from 0 to `largest_delta` at equal distances
    largest_delta: Positive = 5.001  # L2 norm of the longest
    directions: Count = 100  # drawn anew for every length and run


@dataclass(frozen=True)
class ManifoldConfig(SinusoidsConfig):
    """Sines along a flower in the plane: do more petals make high frequencies easier? (Experiment 5)"""

    kind: ClassVar[str] = "manifold"
    petals: CountOrZero = 0  # of the flower; 0: a circle
    frequencies: tuple[int, ...] = (20, 40, 60, 80, 100, 120, 140, 160, 180, 200)  # of the sines along the flower
    samples: FourOrMore = 1000  # on the flower, at equal distances of its parameter


@dataclass(frozen=True)
class ClassificationConfig(RunsConfig):
    """The sign of a sine along a flower as a class: for which frequencies, with how many petals? (Experiment 6)"""

    kind: ClassVar[str] = "classification"
    petals: CountOrZero = 0  # of the flower; 0: a circle
    frequency: int = 200  # of the sine along the flower
    samples: FourOrMore = 1000  # on the flower, at equal distances of its parameter

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        nyquist = f"from 1, below {self.samples / 2:g}, the Nyquist frequency of {self.samples} samples"
        return (*super().rules(), ("frequency", 0 < self.frequency < self.samples / 2, nyquist))


@dataclass(frozen=True)
class NeighboursConfig(ClassificationConfig):
    """Classes along a flower, for a network and for K nearest neighbours: is the bias the network's? (Appendix E.2)"""

    kind: ClassVar[str] = "neighbours"
    petals: CountOrZero = 20  # of the flower; 0: a circle
    frequency: int = 150  # of the sine along the flower
    neighbours: tuple[int, ...] = (1, 5, 10, 15, 20)  # that vote, all with the same weight

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        counts = bool(self.neighbours) and all(1 <= count <= self.samples for count in self.neighbours)
        return (*super().rules(), ("neighbours", counts, f"from 1 to {self.samples}, the samples"))


@dataclass(frozen=True)
class SpikeConfig(RunsConfig):
    """A spike, the target of all frequencies alike: how many of them with more depth, width, and freer weights?

    (Appendix A.5, experiment 7)
    """

    kind: ClassVar[str] = "spike"
    steps: Count = 60_000  # updates
    width: Count = 16  # units of each hidden layer, where it is the depth that changes
    depth: TwoOrMore = 3  # affine maps, where it is the width that changes
    weight_clip: Strength = 10.0  # all parameters are kept within plus and minus this
    samples: int = 200  # on an equal grid on [0, 1); the spike is the one at 0.5, so that each bin has 1 / samples

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        even = self.samples >= 4 and self.samples % 2 == 0
        return (*super().rules(), ("samples", even, "even, so that one is at 0.5, and at least 4"))

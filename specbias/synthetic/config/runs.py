"""What have all experiments in common? A batch of runs, their networks, and how these are trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from specbias.settings import Settings
from specbias.settings.ranges import Count, Device, Positive, Strength, ThreadsOrNone, at_least, one_of

ACTIVATIONS = ("relu", "tanh", "gelu", "sine", "kan")
OPTIMIZERS = ("adam", "sgd", "momentum", "rmsprop")

Activation = Annotated[str, one_of(*ACTIVATIONS, words="one of " + ", ".join(ACTIVATIONS))]
Optimizer = Annotated[str, one_of(*OPTIMIZERS, words="one of " + ", ".join(OPTIMIZERS))]


@dataclass(frozen=True)
class RunsConfig(Settings):
    """What all experiments have: a batch of runs, their networks and how these are trained.

    The defaults are those of "On the Spectral Bias of Neural Networks" (Rahaman et al. 2019) and its notebooks. A batch
    is all there is to train on: an update is an epoch.
    """

    runs: Count = 10  # networks, each with targets of its own, trained side by side
    steps: Count = 10_000  # updates; the notebooks take 60,000 for sinusoids
    record_every: Count = 100  # updates between two points of the curves
    seed: int = 0  # every run has streams of its own, the same however many runs there are

    # Network: affine maps, with the activation between them
    width: Count = 256  # units of each hidden layer
    depth: Annotated[int, at_least(2)] = 6  # affine maps, the last one included
    # relu, tanh, gelu, sine (SIREN, with its initialisation), kan (splines on every edge)
    activation: Activation = "relu"
    fourier_features: Strength = 0.0  # standard deviation of the frequencies that inputs are encoded by; 0: not encoded

    # Training, on all samples at once
    optimizer: Optimizer = "adam"  # adam, sgd, momentum (sgd with 0.9), rmsprop; all but the rate as in torch
    learning_rate: Positive = 3e-4  # constant
    weight_clip: Strength = 0.0  # all parameters are kept within plus and minus this; 0: free

    # Execution
    device: Device = "cpu"  # cpu or cuda
    threads: ThreadsOrNone = None  # CPU threads of torch; none: as many as torch takes

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        even = not (self.fourier_features and self.width % 2)
        return (("fourier_features", even, "0, or the width even"),)

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

"""What have all experiments in common? A batch of runs, their networks, and how these are trained."""

from __future__ import annotations

from dataclasses import dataclass

from specbias.settings import Settings

ACTIVATIONS = ("relu", "tanh", "gelu", "sine", "kan")
OPTIMIZERS = ("adam", "sgd", "momentum", "rmsprop")
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

"""What is measured of a function or a network that was trained elsewhere? The settings of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from specbias.settings import Settings
from specbias.settings.config import Float32Layers, MeasurePrecision, Pairing, PathSettings, Split
from specbias.settings.own_code import identify
from specbias.settings.ranges import (
    ABOVE_ZERO,
    Count,
    CountOrZero,
    Range,
    ThreadsOrNone,
    at_least,
    between,
    one_of,
)

Outputs = Annotated[str, one_of("auto", "logits")]
ShareOrNone = Annotated[float | None, between(0, 1)]
PositiveOrNone = Annotated[float | None, ABOVE_ZERO]
CountOrExact = Annotated[int | None, at_least(1, "none for exact")]
PixelsOrNone = Annotated[int | None, at_least(8, "none")]
SeverityOrNone = Annotated[int | None, between(1, 5)]
ClassOutputs = Annotated[str, one_of("all", "own")]
ExtraTestOrNone = Annotated[str | None, one_of("v4", "v6", words="v4, v6 or none")]
DeviceOrNone = Annotated[str | None, one_of("cpu", "cuda", words="cpu, cuda or none")]
Means = Annotated[tuple[float, float, float] | None, between(0, 1)]
Deviations = Annotated[tuple[float, float, float] | None, Range("above 0, at most 1", lambda value: 0 < value <= 1)]


@dataclass(frozen=True)
class InputSettings(Settings):
    """What the network takes and gives: both normalisations are None, or both are given."""

    # Paths and distances are in the data set's normalised space, whatever the network expects.
    input_mean: Means = None  # of channels in [0, 1] that the network expects subtracted
    input_std: Deviations = None  # and divided by; none: what a timm or hf network says, or the data set's own
    outputs: Outputs = "auto"  # auto: logits, or probabilities, used directly; logits: whatever they look like
    answers: Count = 1  # of a network that answers differently each time: the mean probabilities of so many answers
    expect_accuracy: ShareOrNone = None  # refuse to measure a network whose accuracy is further off than 0.01
    # all: accuracy and probabilities are over all outputs; own: over those of the data set's classes alone
    class_outputs: ClassOutputs = "all"

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        both = (self.input_mean is None) == (self.input_std is None)
        return (*super().rules(), ("input_std", both, "given together with input_mean, or neither"))


@dataclass(frozen=True)
class PairSettings(Settings):
    """Which images the paths join."""

    split: Split = "test"  # whose images: train, validation, test or extra
    pairs: Count = 200  # straight paths within each class, and between each two classes, as in the papers
    pairing: Pairing = "official"  # official: in the order of the data; random: from half of each class's images
    until_se: PositiveOrNone = None  # add pairs in rounds, up to `pairs`, until both released shares' errors are below
    seed: int = 0  # of random pairs, Fourier pairs, local lines and projections


@dataclass(frozen=True)
class FurtherSettings(Settings):
    """What is measured besides straight paths; a zero leaves it out."""

    fourier: CountOrZero = 0  # pairs of images on Fourier amplitude and phase paths; RobustNets takes 5000
    local: CountOrZero = 0  # images with a random line through each; Zhang et al. 2021 take 500
    jacobian: CountOrZero = 0  # images at which the norm of the Jacobian is taken; RobustNets takes 400
    keep_paths: bool = False  # keep the class probabilities along every path, in float16
    projections: CountOrExact = None  # estimate that norm from so many random directions; none: exact

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        together = self.projections is None or self.jacobian > 0
        return (*super().rules(), ("projections", together, "given together with jacobian, whose norm it estimates"))


@dataclass(frozen=True)
class BatchSettings(Settings):
    """How much is computed at once."""

    batch_size: CountOrZero = 0  # images per forward pass; 0: 256, on a GPU 2048

    def batch_on(self, device: str) -> int:
        """Return the number of images per forward pass on cpu or cuda."""
        return self.batch_size or (2048 if device == "cuda" else 256)


@dataclass(frozen=True)
class MeasureSettings(BatchSettings, FurtherSettings, PathSettings, PairSettings, InputSettings):
    """What is measured of a function from images to logits, and how."""


@dataclass(frozen=True)
class ImageSettings(Settings):
    """The images that a network is measured on."""

    # cifar10, cifar100, digits, leaves, tiny_imagenet, or images of one's own, in imagefolder:DIR, npz:FILE, npy:FILE
    # or parquet:FILE
    dataset: str = "cifar10"
    labels: str | None = None  # file with the labels of an npy, or other labels for the images: CIFAR-10N, CIFAR-10H
    labels_key: str | None = None  # which array or column of a file holds the labels, where several may
    severity: SeverityOrNone = None  # of CIFAR-10-C's files: 1 to 5; none: all five
    space: str | None = None  # whose channel constants scale distances between images of files; none: imagenet
    class_map: str | None = None  # JSON file with the output of each class; none: as the classes' names decide
    extra_test: ExtraTestOrNone = None  # for the split extra: v4 or v6 of CIFAR-10.1
    image_size: PixelsOrNone = None  # images of a folder are resized and cropped to it; none: they have one size


@dataclass(frozen=True)
class NetworkSettings(Settings):
    """The network, and its weights."""

    # FILE.py:factory, package.module:factory, torchvision:NAME, timm:NAME, hf:FOLDER, a TorchScript or torch.export
    # file, or a name in specbias.models.MODELS
    model: str = "resnet18"
    model_args: str = "{}"  # what the factory is called with, as JSON
    checkpoint: str | None = None  # file with the weights; none: as the factory makes them
    weights_key: str | None = None  # the place of the weights in a file that holds several, as of an average
    network_size: PixelsOrNone = None  # images are resized to it inside the network's function; none: its own, if known

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        together = self.weights_key is None or self.checkpoint is not None
        return (*super().rules(), ("weights_key", together, "given together with checkpoint, the file that it is in"))


@dataclass(frozen=True)
class ComputeSettings(Settings):
    """On what a network computes, and how exactly."""

    device: DeviceOrNone = None  # cpu or cuda; none: cuda if torch finds a GPU
    # float32; bf16: autocast, faster, for the released share and mean frequency alone; or corrected: paths in bf16, a
    # few of them in float32 too, by which means are put right
    precision: MeasurePrecision = "float32"
    # of a network in bf16: none, the last, or its ends (first and last); auto: the ends for corrected, none for bf16
    float32_layers: Float32Layers = "auto"
    threads: ThreadsOrNone = None  # CPU threads of torch; none: as many as torch takes
    compile: bool = False  # on a CPU, in float32: by torch.compile, with a C++ compiler; takes seconds first

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        possible = self.device != "cuda" and self.precision == "float32"
        said = "with device=cpu and precision=float32: nothing else is compiled"
        return (*super().rules(), ("compile", possible or not self.compile, said))


@dataclass(frozen=True)
class NetworkConfig(ComputeSettings, MeasureSettings, ImageSettings, NetworkSettings):
    """A network that was trained elsewhere, the images it is measured on, and what is measured of it."""

    own_code: ClassVar[tuple[str, ...]] = ("model",)

    @classmethod
    def parse(cls, name: str, text: str) -> Any:
        """Return the value of a setting on a command line; a file that `model` names is read, and goes to trials."""
        value = super().parse(name, text)
        return identify(value, setting=name) if name in cls.own_code and ".py:" in value else value

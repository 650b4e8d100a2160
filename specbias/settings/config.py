"""What decides the result of a trial? Its settings, composed of those of data, training, paths and execution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from specbias.settings import Settings
from specbias.settings.own_code import identify, is_own
from specbias.settings.ranges import (
    Count,
    CountOrZero,
    Device,
    Positive,
    Range,
    Share,
    ShareBelowOne,
    Strength,
    at_least,
    between,
    one_of,
)
from specbias.settings.selection import Selection

MEMORY_FORMATS = ("channels_last", "contiguous_format")
SPLITS = ("train", "validation", "test", "extra")
PAIRINGS = ("random", "official")
SIGNALS = ("probabilities", "logits", "margin")
BAND = 0.05  # cycles per unit of normalised L2 distance: a tenth of the Nyquist frequency at spacing 1
# Of what is measured on paths. 1: shares of whole bins, under every boundary; 2: those of a fixed band, and crossings.
MEASURE_VERSION = 2
MIXING = ("mixup", "cutmix")
POLICY_SOURCES = ("code", "torchvision")
PENALTIES = ("spectral_penalty", "jacobian_penalty", "path_penalty")
NOISE_TYPES = ("radial", "random", "fourier", "f", "1/f", "uniform")

Split = Annotated[str, one_of(*SPLITS)]
Pairing = Annotated[str, one_of(*PAIRINGS)]
Signal = Annotated[str, one_of(*SIGNALS)]
NoiseType = Annotated[str, one_of(*NOISE_TYPES, words="one of " + ", ".join(NOISE_TYPES))]
PolicySource = Annotated[str, one_of(*POLICY_SOURCES)]
MemoryFormat = Annotated[str, one_of(*MEMORY_FORMATS)]
Precision = Annotated[str, one_of("float32", "bf16")]
MEASURE_PRECISIONS = ("float32", "bf16", "corrected")
MeasurePrecision = Annotated[str, one_of(*MEASURE_PRECISIONS)]
MeasurePrecisionOrNone = Annotated[str | None, one_of(*MEASURE_PRECISIONS, words="float32, bf16, corrected or None")]
Float32Layers = Annotated[str, one_of("auto", "none", "last", "ends")]
BatchSize = Annotated[int, Range("at least 2 (batch norm needs two images)", lambda value: value >= 2)]
Epochs = Annotated[tuple[int, ...], at_least(0)]
MixingProbability = Annotated[float, Range("above 0 and at most 1 (none: alpha 0)", lambda value: 0 < value <= 1)]
NoiseMean = Annotated[str, one_of("split", "batch")]
NoiseSeed = Annotated[int, Range("at least 0 and below 2**32", lambda value: 0 <= value < 2**32)]
Generation = Annotated[int, Range("from 0 to 20", lambda value: 0 <= value <= 20)]
TeacherShare = Annotated[float, Range("above 0 and at most 1 (no teacher: generation=0)", lambda share: 0 < share <= 1)]
ExtraTest = Annotated[str | None, one_of("v4", "v6", words="v4, v6 or None")]
CountOrAll = Annotated[int | None, at_least(1, "None for all")]
ClassOrAll = Annotated[int | None, at_least(0, "None for all")]
CountOrSpacing = Annotated[int | None, at_least(4, "None for a spacing")]


@dataclass(frozen=True)
class DataSettings(Settings):
    """Which images are learned, and which of their classes."""

    dataset: str = "cifar10"  # a name in specbias.data.DATASETS
    train_size: CountOrAll = None  # training images, drawn by `seed`, smaller sets inside larger; None: all there are
    legacy_split: bool = False  # validation images join the training split, as in the paper's code
    # Of a data set that classes can be chosen from: tiny_imagenet, imagenet, leaves
    image_size: Annotated[int | None, at_least(8, "None")] = None  # pixels; None: as published, 64 and 224
    classes: Annotated[int | None, at_least(2, "None for all")] = None  # of an order drawn by class_seed
    first_class: CountOrZero = 0  # the place in that order from which on they are taken: for sets that do not overlap
    class_seed: int = 0  # draws that order
    classes_id: str | None = None  # which they are, a hash of their ids found by complete_config

    @property
    def selection(self) -> Selection:
        """Which classes of the data set, and how large its images."""
        return Selection(self.image_size, self.classes, self.first_class, self.class_seed)


@dataclass(frozen=True)
class TrainingSettings(Settings):
    """Which network is trained, and how: the learning rate follows a cosine to zero over all steps."""

    model: str = "resnet18"  # a name in specbias.models.MODELS, torchvision:NAME, or FILE.py:FUNCTION of one's own
    width: Annotated[int | None, at_least(1, "None for the published width")] = None  # channels of the first stage
    dropout: ShareBelowOne = 0.0  # share of features dropped before the last layer in training
    zero_head: bool = False  # the last layer starts at zero; that of the paper's networks and of ViT always does

    optimizer: Annotated[str, one_of("sgd", "adamw")] = "sgd"  # sgd, with Nesterov momentum 0.9, or adamw
    epochs: Count = 30  # passes over the training images
    equal_steps: bool = False  # an epoch has the steps of all images there are, also with fewer: they come round again
    stop_accuracy: Share = 0.0  # of the validation images, at which training ends; 0: at the last epoch
    stop_loss: Strength = 0.0  # mean training loss of an epoch, at or below which training ends; 0: at the last epoch
    batch_size: BatchSize = 128  # images per step; the rest of an epoch's last batch is dropped
    learning_rate: Positive = 0.1  # the highest: at the first step, or at the end of the warm-up
    warmup: ShareBelowOne = 0.0  # share of all steps while the learning rate rises from zero, before the cosine
    weight_decay: Strength = 5e-4  # on all parameters, as in the paper's code
    gradient_clip: Strength = 0.0  # norm of the gradient, weight decay inside, above which it is cut; paper 5; 0: none
    lookahead: ShareBelowOne = 0.0  # share of the way back to the weights of five steps ago, every fifth step; 0: none


@dataclass(frozen=True)
class InterventionSettings(Settings):
    """What is changed in a batch, added to the loss, or done to the labels; a strength of 0 leaves it out."""

    # On a batch: the strength of each
    mixup: Strength = 0.0  # alpha of Beta(alpha, alpha), one mixing weight per batch
    cutmix: Strength = 0.0  # alpha of Beta(alpha, alpha), one box per batch
    mixing_probability: MixingProbability = 1.0  # that a batch is mixed; the code of CutMix on CIFAR: 0.5
    mix_last: bool = False  # after crop and cutout, as mixup's and CutMix's own code; else first, as the paper's
    image_frequency: Strength = 0.0  # normalised L2 norm of the image of high or low frequencies that is added
    image_frequency_probability: Share = 1.0  # that an image gets one
    image_frequency_share: Share = 0.5  # of those, with high frequencies ("f") and not with low ones ("1/f")
    image_frequency_smoothing: Share = 0.5  # share of their labels spread evenly over the classes
    autoaugment: Share = 0.0  # probability that an image gets a sub-policy; the paper: 1
    randaugment: Annotated[float, between(0, 10)] = 0.0  # magnitude of the operations, up to 10; the paper's code: 4
    randaugment_layers: Count = 3  # operations on an image, one after the other
    policy_source: PolicySource = "code"  # whose amounts these two take: the paper's, or torchvision: from none upwards
    augmix: Annotated[float, between(0, 10)] = 0.0  # highest severity of the operations, up to 10; their article: 3
    gaussian_noise: Strength = 0.0  # standard deviation, in normalised units
    own_strength: Strength = 0.0  # of the one that own_intervention names
    own_intervention: str | None = None  # FILE.py:FUNCTION of one's own that builds it
    flip_crop: CountOrZero = 4  # pixels of padding for the random crop; a left-right flip goes with it
    alternating_flip: bool = False  # that flip is not at random: an image is mirrored in every other epoch
    cutout: CountOrZero = 0  # pixels of the side of the blanked square
    label_smoothing: Share = 0.0  # share of the label spread evenly over the classes

    # Penalties on the function, added to the loss: the strength of each
    spectral_penalty: Strength = 0.0  # on half the squared spectral norms of all weight matrices
    jacobian_penalty: Strength = 0.0  # on half the squared norm of the Jacobian at training images, logits per unit
    path_penalty: Strength = 0.0  # on the total variation of probabilities per unit, on paths within a class

    # Label noise: a wave over image space moves that mean share of the label onto all classes
    label_noise: Annotated[float, between(0, 0.5)] = 0.0  # the mean share; above 0 noise fitting is measured with it
    noise_type: NoiseType = "radial"  # what the wave runs along (training/label_noise.py); uniform: no wave, a control
    noise_frequency: Positive = 0.038  # cycles per unit of normalised L2 distance
    noise_spatial_frequency: Strength = 2.0  # of the fourier type's image, cycles per image, down to a diagonal one
    noise_seed: NoiseSeed = 0  # draws the random type's direction
    noise_class: ClassOrAll = None  # only labels of this class are smoothed; None: all
    noise_normalise: NoiseMean = "split"  # the wave's mean: of the training split; batch: of each batch, the release

    # Self-distillation: a trained network's probabilities take a share of the target, after the label noise
    generation: Generation = 0  # taught by the same trial, one generation before; 0: by the labels alone
    distillation: TeacherShare = 1.0  # share of the target that is the teacher's; the paper's code: 1
    teacher: str | None = None  # where it is, for generation 1: folder of a finished trial or file of weights
    teacher_id: str | None = None  # its trial_id or its file's hash, found by complete_config and never set by hand


@dataclass(frozen=True)
class ProbeSettings(Settings):
    """When a trial is measured, and on which images."""

    measurement_epochs: Epochs = ()  # at which to measure, and at the last; (): 0, 1, 2, 5, 10, 20, ...
    probe_pairs: CountOrZero = 20  # paths per class and per pair of classes; the papers use 200; 0: none
    probe_seed: int = 0  # chooses the probe images: equal for all trials that are compared
    probe_split: Split = "test"  # whose images the paths join: train, validation, test or extra
    pairing: Pairing = "random"  # from half of the images; official: in the order of the data, as in the paper's code


@dataclass(frozen=True)
class PathSettings(Settings):
    """Where a function is evaluated on the straight path between two images, and what of it."""

    spacing: Positive = 1.0  # between the samples of a path, in normalised L2 distance
    path_samples: CountOrSpacing = None  # a fixed number of samples on every path, instead of a spacing
    signal: Signal = "probabilities"  # whose frequency: probabilities, logits, or the class margin
    band: Positive = BAND  # cycles per unit of distance, above which a frequency is high

    @property
    def measure_version(self) -> int:
        return MEASURE_VERSION


@dataclass(frozen=True)
class ExperimentSettings(PathSettings, ProbeSettings, InterventionSettings, TrainingSettings, DataSettings):
    """What a trial does, whatever it is executed on."""

    jacobian_images: CountOrZero = 0  # test images at which the norm of the Jacobian is measured; the papers use 400
    extra_test: ExtraTest = None  # a second test set: v4 or v6 of CIFAR-10.1
    seed: int = 0  # model, batches, augmentation and the training subset, each in a stream of its own


@dataclass(frozen=True)
class ExecutionSettings(Settings):
    """On what a trial is computed, and how exactly: written by the driver once per sweep, never decided in a trial."""

    device: Device = "cpu"  # cpu or cuda
    precision: Precision = "float32"  # float32, or bf16: autocast, weights stay float32
    memory_format: MemoryFormat = "channels_last"  # of weights and images, in torch's names
    threads: Count = 1  # CPU threads of torch
    measure_batch: Count = 256  # images per forward pass when measuring
    # Of function frequencies: float32, bf16, or corrected: bf16, and a few paths in float32 too, by which means are put
    # right; None: as in training
    measure_precision: MeasurePrecisionOrNone = None
    float32_layers: Float32Layers = (
        "auto"  # of a network measured in bf16: none, last, or ends; auto: ends for corrected
    )
    measure_compile: bool = False  # on a CPU, measuring in float32 goes through torch.compile; needs a C++ compiler

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        possible = self.device == "cpu" and (self.measure_precision or self.precision) == "float32"
        said = "with device=cpu and measure_precision=float32: nothing else is compiled"
        return (*super().rules(), ("measure_compile", possible or not self.measure_compile, said))


@dataclass(frozen=True)
class TrialConfig(ExecutionSettings, ExperimentSettings):
    """The settings of one trial; two trials with equal settings give equal measurements (bit for bit on a CPU).

    Whether they fit the data set and the model is for `specbias.training.check.check_config` to say.
    """

    compile: bool = False  # training's forward pass goes through torch.compile: half a minute first, and no sure gain

    not_in_identity: ClassVar[tuple[str, ...]] = ("teacher",)
    own_code: ClassVar[tuple[str, ...]] = ("model", "own_intervention")

    @classmethod
    def parse(cls, name: str, text: str) -> Any:
        """Return the value of a setting on a command line; a file of one's own that it names is read here alone."""
        value = super().parse(name, text)
        own = name in cls.own_code and (is_own(value) or name == "own_intervention" and value is not None)
        return identify(value, setting=name) if own else value

    @property
    def measure_version(self) -> int:
        return MEASURE_VERSION if self.probe_pairs else 1

    @property
    def streams(self) -> tuple[object, ...]:
        """What the names of this trial's random streams begin with: a student does not start where its teacher did."""
        return (self.seed, "generation", self.generation) if self.generation else (self.seed,)

    @property
    def epochs_to_measure(self) -> tuple[int, ...]:
        """The epochs at which this trial is measured, in order: about logarithmic, as low frequencies come early."""
        steps = (leading * 10**power for power in range(len(str(self.epochs))) for leading in (1, 2, 5))
        default = (0, *steps)
        chosen = (epoch for epoch in self.measurement_epochs or default if epoch < self.epochs)
        return (*chosen, self.epochs)

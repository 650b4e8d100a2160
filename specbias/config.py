"""What decides a result? Frozen records of settings: of a trial, and of the measurement of any function or network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from specbias.selection import Selection
from specbias.settings import Settings

MEMORY_FORMATS = ("channels_last", "contiguous_format")
SPLITS = ("train", "validation", "test", "extra")
PAIRINGS = ("random", "official")
SIGNALS = ("probabilities", "logits", "margin")
PENALTIES = ("spectral_penalty", "jacobian_penalty", "path_penalty")
NOISE_TYPES = ("radial", "random", "fourier", "f", "1/f", "uniform")


@dataclass(frozen=True)
class TrialConfig(Settings):
    """The settings of one trial; two trials with equal settings give equal measurements (bit for bit on a CPU).

    Whether they fit the data set and the model is for `specbias.check.check_config` to say.
    """

    # Data
    dataset: str = "cifar10"  # a name in specbias.data.DATASETS
    train_size: int | None = None  # training images, drawn by `seed`, smaller sets inside larger; None: all there are
    legacy_split: bool = False  # validation images join the training split, as in the paper's code
    # Of a data set that classes can be chosen from: tiny_imagenet, imagenet, leaves
    image_size: int | None = None  # pixels that images are brought to; None: as published, 64 and 224
    classes: int | None = None  # of an order drawn by class_seed; None: all that follow
    first_class: int = 0  # the place in that order from which on classes are taken: of two sets that do not overlap
    class_seed: int = 0  # draws that order
    classes_id: str | None = None  # which they are, a hash of their ids found by complete_config

    # Model
    model: str = "resnet18"  # a name in specbias.models.MODELS, or torchvision:NAME
    width: int | None = None  # channels of the first stage; None: the published width
    dropout: float = 0.0  # share of features dropped before the last layer in training
    zero_head: bool = False  # the last layer starts at zero; that of the paper's networks and of ViT always does

    # Training: a cosine to zero over all steps
    optimizer: str = "sgd"  # sgd, with Nesterov momentum 0.9, or adamw
    epochs: int = 30  # passes over the training images
    equal_steps: bool = False  # an epoch has the steps of all images there are, also with fewer: they come round again
    stop_accuracy: float = 0.0  # of the validation images, at which training ends; 0: at the last epoch
    stop_loss: float = 0.0  # mean training loss of an epoch, at or below which training ends; 0: at the last epoch
    batch_size: int = 128  # images per step; the rest of an epoch's last batch is dropped
    learning_rate: float = 0.1  # the highest: at the first step, or at the end of the warm-up
    warmup: float = 0.0  # share of all steps over which the learning rate rises from zero, before the cosine; 0: none
    weight_decay: float = 5e-4  # on all parameters, as in the paper's code
    gradient_clip: float = 0.0  # norm of the gradient, weight decay inside, above which it is cut; paper 5; 0: none
    lookahead: float = 0.0  # share of the way back to the weights of five steps ago, every fifth step; 0: none

    # Interventions on a batch: the strength of each, 0 leaves it out
    mixup: float = 0.0  # alpha of Beta(alpha, alpha), one mixing weight per batch
    cutmix: float = 0.0  # alpha of Beta(alpha, alpha), one box per batch
    image_frequency: float = 0.0  # normalised L2 norm of the image of high or low frequencies that is added
    image_frequency_probability: float = 1.0  # that an image gets one
    image_frequency_share: float = 0.5  # of those, with high frequencies ("f") and not with low ones ("1/f")
    image_frequency_smoothing: float = 0.5  # share of their labels spread evenly over the classes
    autoaugment: float = 0.0  # probability that an image gets a sub-policy; the paper: 1
    randaugment: float = 0.0  # magnitude of the operations, up to 10; the paper's code: 4
    randaugment_layers: int = 3  # operations on an image, one after the other
    augmix: float = 0.0  # highest severity of the operations, up to 10; their article: 3
    gaussian_noise: float = 0.0  # standard deviation, in normalised units
    flip_crop: int = 4  # pixels of padding for the random crop; a left-right flip goes with it
    alternating_flip: bool = False  # that flip is not at random: an image is mirrored in every other epoch
    cutout: int = 0  # pixels of the side of the blanked square
    label_smoothing: float = 0.0  # share of the label spread evenly over the classes

    # Penalties on the function, added to the loss: the strength of each, 0 leaves it out
    spectral_penalty: float = 0.0  # on half the squared spectral norms of all weight matrices
    jacobian_penalty: float = 0.0  # on half the squared norm of the Jacobian at training images, logits per unit
    path_penalty: float = 0.0  # on the total variation of probabilities per unit, on paths within a class

    # Label noise, an intervention too: a wave over image space moves that mean share of the label onto all classes
    label_noise: float = 0.0  # the mean share, above 0 also what noise fitting is measured with
    noise_type: str = "radial"  # what the wave runs along, in specbias.label_noise; uniform: no wave, the control
    noise_frequency: float = 0.038  # cycles per unit of normalised L2 distance
    noise_spatial_frequency: float = 2.0  # of the fourier type's image, cycles per image, down to a diagonal one
    noise_seed: int = 0  # draws the random type's direction
    noise_class: int | None = None  # only labels of this class are smoothed; None: all
    noise_normalise: str = "split"  # the wave's mean is that of the training split; batch: of each batch, the release

    # Self-distillation: a trained network's probabilities take a share of the target, after the label noise
    generation: int = 0  # taught by the same trial, one generation before; 0: by the labels alone
    distillation: float = 1.0  # share of the target that is the teacher's; the paper's code: 1
    teacher: str | None = None  # where it is, for generation 1: folder of a finished trial or file of weights
    teacher_id: str | None = None  # its trial_id or its file's hash, found by complete_config and never set by hand

    # Measurement
    measurement_epochs: tuple[int, ...] = ()  # at which to measure, and at the last; (): 0, 1, 2, 5, 10, 20, ...
    probe_pairs: int = 20  # paths per class and per pair of classes; the papers use 200; 0: none
    probe_seed: int = 0  # chooses the probe images: equal for all trials that are compared
    probe_split: str = "test"  # whose images the paths join: train, validation, test or extra
    pairing: str = "random"  # random, from half of the images; official: in the order of the data, as the paper's code
    spacing: float = 1.0  # between the samples of a path, in normalised L2 distance
    path_samples: int | None = None  # a fixed number of samples on every path, instead of a spacing
    signal: str = "probabilities"  # whose frequency is measured: probabilities, logits, or the class margin
    jacobian_images: int = 0  # test images at which the norm of the Jacobian is measured; the papers use 400; 0: none
    extra_test: str | None = None  # a second test set: v4 or v6 of CIFAR-10.1

    # Repeats
    seed: int = 0  # model, batches, augmentation and the training subset, each in a stream of its own

    # Execution: written by the driver once per sweep, never decided in a trial
    device: str = "cpu"  # cpu or cuda
    precision: str = "float32"  # float32, or bf16: autocast, weights stay float32
    memory_format: str = "channels_last"  # of weights and images: channels_last or contiguous_format, torch's names
    threads: int = 1  # CPU threads of torch
    measure_batch: int = 256  # images per forward pass when measuring
    measure_precision: str | None = None  # of function frequencies: float32 or bf16; None: as in training
    compile: bool = False  # training's forward pass goes through torch.compile: half a minute first, and no sure gain

    not_in_identity: ClassVar[tuple[str, ...]] = ("teacher",)

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        return (
            ("train_size", self.train_size is None or self.train_size >= 1, "at least 1, or None for all"),
            ("image_size", self.image_size is None or self.image_size >= 8, "at least 8, or None"),
            ("classes", self.classes is None or self.classes >= 2, "at least 2, or None for all"),
            ("first_class", self.first_class >= 0, "at least 0"),
            ("width", self.width is None or self.width >= 1, "at least 1, or None for the published width"),
            ("dropout", 0 <= self.dropout < 1, "at least 0 and below 1"),
            ("epochs", self.epochs >= 1, "at least 1"),
            ("optimizer", self.optimizer in ("sgd", "adamw"), "sgd or adamw"),
            ("stop_accuracy", 0 <= self.stop_accuracy <= 1, "between 0 and 1"),
            ("stop_loss", 0 <= self.stop_loss < float("inf"), "at least 0 and finite"),
            ("batch_size", self.batch_size >= 2, "at least 2 (batch norm needs two images)"),
            ("learning_rate", 0 < self.learning_rate < float("inf"), "above 0 and finite"),
            ("weight_decay", 0 <= self.weight_decay < float("inf"), "at least 0 and finite"),
            ("warmup", 0 <= self.warmup < 1, "at least 0 and below 1"),
            ("lookahead", 0 <= self.lookahead < 1, "at least 0 and below 1"),
            ("gradient_clip", 0 <= self.gradient_clip < float("inf"), "at least 0 and finite"),
            ("mixup", 0 <= self.mixup < float("inf"), "at least 0 and finite"),
            ("cutmix", 0 <= self.cutmix < float("inf"), "at least 0 and finite"),
            ("image_frequency", 0 <= self.image_frequency < float("inf"), "at least 0 and finite"),
            ("image_frequency_probability", 0 <= self.image_frequency_probability <= 1, "between 0 and 1"),
            ("image_frequency_share", 0 <= self.image_frequency_share <= 1, "between 0 and 1"),
            ("image_frequency_smoothing", 0 <= self.image_frequency_smoothing <= 1, "between 0 and 1"),
            ("autoaugment", 0 <= self.autoaugment <= 1, "between 0 and 1"),
            ("randaugment", 0 <= self.randaugment <= 10, "between 0 and 10"),
            ("randaugment_layers", self.randaugment_layers >= 1, "at least 1"),
            ("augmix", 0 <= self.augmix <= 10, "between 0 and 10"),
            ("gaussian_noise", 0 <= self.gaussian_noise < float("inf"), "at least 0 and finite"),
            ("flip_crop", self.flip_crop >= 0, "at least 0"),
            ("cutout", self.cutout >= 0, "at least 0"),
            ("label_smoothing", 0 <= self.label_smoothing <= 1, "between 0 and 1"),
            *((name, 0 <= getattr(self, name) < float("inf"), "at least 0 and finite") for name in PENALTIES),
            ("label_noise", 0 <= self.label_noise <= 0.5, "between 0 and 0.5"),
            ("noise_type", self.noise_type in NOISE_TYPES, "one of " + ", ".join(NOISE_TYPES)),
            ("noise_frequency", 0 < self.noise_frequency < float("inf"), "above 0 and finite"),
            ("noise_spatial_frequency", 0 <= self.noise_spatial_frequency < float("inf"), "at least 0 and finite"),
            ("noise_seed", 0 <= self.noise_seed < 2**32, "at least 0 and below 2**32"),
            ("noise_class", self.noise_class is None or self.noise_class >= 0, "at least 0, or None for all"),
            ("noise_normalise", self.noise_normalise in ("split", "batch"), "split or batch"),
            ("generation", 0 <= self.generation <= 20, "from 0 to 20"),
            ("distillation", 0 < self.distillation <= 1, "above 0 and at most 1 (no teacher: generation=0)"),
            ("measurement_epochs", all(epoch >= 0 for epoch in self.measurement_epochs), "at least 0"),
            ("probe_pairs", self.probe_pairs >= 0, "at least 0"),
            ("probe_split", self.probe_split in SPLITS, " or ".join(SPLITS)),
            ("pairing", self.pairing in PAIRINGS, " or ".join(PAIRINGS)),
            ("spacing", 0 < self.spacing < float("inf"), "above 0 and finite"),
            ("path_samples", self.path_samples is None or self.path_samples >= 4, "at least 4, or None for a spacing"),
            ("signal", self.signal in SIGNALS, " or ".join(SIGNALS)),
            ("jacobian_images", self.jacobian_images >= 0, "at least 0"),
            ("extra_test", self.extra_test in (None, "v4", "v6"), "v4, v6 or None"),
            ("device", self.device in ("cpu", "cuda"), "cpu or cuda"),
            ("precision", self.precision in ("float32", "bf16"), "float32 or bf16"),
            ("measure_precision", self.measure_precision in (None, "float32", "bf16"), "float32, bf16 or None"),
            ("memory_format", self.memory_format in MEMORY_FORMATS, " or ".join(MEMORY_FORMATS)),
            ("threads", self.threads >= 1, "at least 1"),
            ("measure_batch", self.measure_batch >= 1, "at least 1"),
        )

    @property
    def selection(self) -> Selection:
        """Which classes of the data set, and how large its images."""
        return Selection(self.image_size, self.classes, self.first_class, self.class_seed)

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


@dataclass(frozen=True)
class MeasureSettings(Settings):
    """What is measured of a function from images to logits, and how; a zero leaves that measurement out."""

    split: str = "test"  # whose images: train, validation, test or extra
    pairs: int = 200  # straight paths within each class, and between each two classes, as in the papers
    pairing: str = "official"  # official: in the order of the data; random: from half of each class's images
    seed: int = 0  # of random pairs, Fourier pairs, local lines and projections
    spacing: float = 1.0  # between the samples of a path, in normalised L2 distance
    path_samples: int | None = None  # a fixed number of samples on every path, instead of a spacing
    signal: str = "probabilities"  # whose frequency: probabilities, logits, or the class margin
    until_se: float | None = None  # add pairs in rounds, up to `pairs`, until both shares' standard errors are below
    fourier: int = 0  # pairs of images on Fourier amplitude and phase paths; RobustNets takes 5000
    local: int = 0  # images with a random line through each; Zhang et al. 2021 take 500
    jacobian: int = 0  # images at which the norm of the Jacobian is taken; RobustNets takes 400
    projections: int | None = None  # estimate that norm from so many random directions; none: exact
    batch_size: int = 0  # images per forward pass; 0: 256, on a GPU 2048

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        return (
            ("split", self.split in SPLITS, " or ".join(SPLITS)),
            ("pairs", self.pairs >= 1, "at least 1"),
            ("pairing", self.pairing in PAIRINGS, " or ".join(PAIRINGS)),
            ("spacing", 0 < self.spacing < float("inf"), "above 0 and finite"),
            ("path_samples", self.path_samples is None or self.path_samples >= 4, "at least 4, or none for a spacing"),
            ("signal", self.signal in SIGNALS, " or ".join(SIGNALS)),
            ("until_se", self.until_se is None or 0 < self.until_se < float("inf"), "above 0 and finite"),
            ("fourier", self.fourier >= 0, "at least 0"),
            ("local", self.local >= 0, "at least 0"),
            ("jacobian", self.jacobian >= 0, "at least 0"),
            ("projections", self.projections is None or self.projections >= 1, "at least 1, or none for exact"),
            ("batch_size", self.batch_size >= 0, "at least 0"),
        )


@dataclass(frozen=True)
class NetworkConfig(MeasureSettings):
    """A network that was trained elsewhere, the images it is measured on, and what is measured of it."""

    model: str = "resnet18"  # torchvision:NAME, package.module:factory, or a name in specbias.models.MODELS
    model_args: str = "{}"  # what the factory is called with, as JSON
    checkpoint: str | None = None  # file with the weights; none: as the factory makes them
    dataset: str = "cifar10"  # a name in specbias.data.DATASETS, or imagefolder:DIR
    extra_test: str | None = None  # for the split extra: v4 or v6 of CIFAR-10.1
    image_size: int | None = None  # images of a folder are resized and cropped to it; none: they have one size
    # Paths and distances are in the data set's normalised space, whatever the network expects.
    input_mean: tuple[float, float, float] | None = None  # of channels in [0, 1] that the network expects subtracted
    input_std: tuple[float, float, float] | None = None  # and divided by; none: the data set's own
    device: str | None = None  # cpu or cuda; none: cuda if torch finds a GPU
    precision: str = "float32"  # float32, or bf16: autocast, faster, for the released share and mean frequency alone
    threads: int | None = None  # CPU threads of torch; none: as many as torch takes

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        return (
            *super().rules(),
            ("extra_test", self.extra_test in (None, "v4", "v6"), "v4, v6 or none"),
            ("image_size", self.image_size is None or self.image_size >= 8, "at least 8, or none"),
            ("input_mean", self.input_mean is None or all(0 <= m <= 1 for m in self.input_mean), "between 0 and 1"),
            ("input_std", self.input_std is None or all(0 < s <= 1 for s in self.input_std), "above 0, at most 1"),
            ("device", self.device in (None, "cpu", "cuda"), "cpu, cuda or none"),
            ("precision", self.precision in ("float32", "bf16"), "float32 or bf16"),
            ("threads", self.threads is None or self.threads >= 1, "at least 1, or none"),
        )

"""What decides the function frequency, or the diversity, of every class? The settings of a trial of many classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

from specbias.data import facts_of
from specbias.models import TORCHVISION
from specbias.settings import SettingError, file_identity
from specbias.settings.config import MEASURE_VERSION, ExecutionSettings, TrialConfig
from specbias.settings.ranges import Count, at_least, one_of
from specbias.training.check import check_classes, check_config, complete_config, teacher_of

PARTS = ("training", "frequency", "diversity")
Part = Annotated[str, one_of(*PARTS)]
ClassSplits = Annotated[str | None, one_of("test", "validation", "both", words="test or validation or both, or None")]
OUTPUTS = 1000  # of torchvision's published networks: the classes of ImageNet in the order of their ids


@dataclass(frozen=True)
class ClassConfig(TrialConfig):
    """The settings of a trial that trains a network, or measures what it, or its data, have in each of many classes.

    `step` of a measurement is then the class's number; the epochs of training are the network's. A training has the
    identity of a TrialConfig.
    """

    part: Part = "training"  # or frequency: of the network's classes, or diversity: of the images of each class
    shard: int = 1  # which part of the classes is measured
    shards: Count = 1  # parts of about equal size, measured side by side
    class_splits: ClassSplits = None  # whose images paths join: test, validation, both; None: all not trained on
    class_pairs: Count = 40  # paths within a class, at most: no image is in two; as many lead to other classes
    class_partners: Count = 8  # other classes that those lead to, drawn by probe_seed
    class_samples: Annotated[int, at_least(4)] = 100  # on a path, where their number is fixed and not their spacing
    diversity_images: Annotated[int, at_least(2)] = 200  # training images of a class that it is seen in, at most
    feature_model: str | None = None  # of the network, taught by other classes, in whose features too; None: pixels
    feature_width: int | None = None  # its width, None: the published one
    feature_epochs: Count = 15  # its epochs
    pretrained: str | None = None  # torchvision's published weights, DEFAULT or IMAGENET1K_V1; None: trained here
    checkpoint: str | None = None  # the file of these weights; None: torchvision downloads them
    checkpoint_id: str | None = None  # its hash, found by `complete` and never set by hand

    not_in_identity: ClassVar[tuple[str, ...]] = (*TrialConfig.not_in_identity, "checkpoint")
    own_code: ClassVar[tuple[str, ...]] = (*TrialConfig.own_code, "feature_model")

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        return (
            *super().rules(),
            ("shard", 1 <= self.shard <= self.shards, f"from 1 to shards={self.shards}"),
        )

    @property
    def labels(self) -> range:
        """The classes that a complete config measures, by number."""
        total = self.classes or facts_of(self.dataset, self.selection).num_classes
        ends = [total * part // self.shards for part in (self.shard - 1, self.shard)]
        return range(*ends)

    @property
    def measure_version(self) -> int:
        """A diversity is of images, and a class's paths are not those of `probe_pairs`."""
        parts = {"training": super().measure_version, "frequency": MEASURE_VERSION}
        return parts.get(self.part, 1)

    def describe(self, names: Iterable[str]) -> str:
        """Return what the trial does, and the settings of these names, as a person reads them."""
        others = [name for name in names if name not in ("part", "shard")]
        what = f"{self.part} {self.shard}/{self.shards}"
        if self.part == "training":
            what = f"training, classes from {self.first_class} on" if self.first_class else "training"
        return " ".join([what, super().describe(others)]).strip()

    @property
    def trained_on_validation(self) -> bool:
        """Whether the images that are held out here taught the network that is measured."""
        return self.pretrained is not None or self.legacy_split

    @property
    def last_epoch(self) -> int:
        """The number of the last measurement: of a class, or the last epoch of training."""
        return self.epochs if self.part == "training" else self.labels[-1]


# What is left of a trial's settings where no network is trained for it, and what then belongs to which part.
DATA = ("dataset", "image_size", "classes", "first_class", "class_seed")
PATHS = ("class_splits", "class_pairs", "class_partners", "class_samples", "probe_seed", "spacing", "signal", "band")
EXECUTION = tuple(field.name for field in fields(ExecutionSettings))
SEEN = ("diversity_images", "feature_model", "feature_width", "feature_epochs")
PUBLISHED = ("model", "pretrained", "checkpoint")
TRAINING = tuple(field.name for field in fields(TrialConfig))
FEATURES = {"batch_size": 128, "learning_rate": 0.1, "warmup": 0.2, "label_smoothing": 0.1, "measurement_epochs": (0,)}


def complete(config: ClassConfig) -> ClassConfig:
    """Return the same trial with all said that was left to be usual, and what it does not use at its default.

    SettingError for what is not there.
    """
    if config.part == "training":
        return complete_config(_only(config, *TRAINING))  # type: ignore[return-value]
    shared = ("part", "shard", "shards", *DATA, *EXECUTION)
    if config.part == "diversity":
        config = _only(config, *shared, *SEEN)
        if (seen_by := trained_before(config)) is None:
            return replace(config, feature_width=None, feature_epochs=15)
        return replace(config, teacher_id=seen_by.trial_id)
    unseen = "test" if config.trained_on_validation else "both"
    config = replace(config, class_splits=config.class_splits or unseen)
    if config.pretrained is None:
        if config.checkpoint is not None:
            raise SettingError(
                f"checkpoint={config.checkpoint}: of which weights? Say pretrained=DEFAULT, or their name"
            )
        return complete_config(_only(config, *TRAINING, *shared, *PATHS))  # type: ignore
    config = _only(config, *shared, *PATHS, *PUBLISHED)
    if config.checkpoint is None:
        return config
    try:
        file = Path(config.checkpoint).expanduser().resolve()  # trials run in folders of their own
        return replace(config, checkpoint=str(file), checkpoint_id=file_identity(file))
    except OSError as error:
        raise SettingError(f"checkpoint={config.checkpoint}: {error.strerror or error}") from None


def _only(config: ClassConfig, *names: str) -> ClassConfig:
    """Return a config with these settings alone; the number of classes is said, where it is known."""
    facts = facts_of(config.dataset, config.selection)
    kept: dict[str, Any] = {name: getattr(config, name) for name in names}
    classes = {"classes": facts.num_classes, "classes_id": facts.classes_id} if facts.look else {}
    return ClassConfig(**kept | classes)


def check(config: ClassConfig) -> None:
    """Raise SettingError, one line, if a complete config cannot be run."""
    if config.part == "training":
        check_config(config)
        return
    check_classes(config)
    facts = facts_of(config.dataset, config.selection)
    if config.shards > facts.num_classes:
        raise SettingError(f"shards={config.shards}: more than the {facts.num_classes} classes")
    if config.part == "diversity" and not facts.sizes[0]:
        raise SettingError(
            "part=diversity: it is seen in training images, which supply no path; put train/ beside val/"
        )
    if config.pretrained is not None and not config.model.startswith(TORCHVISION):
        raise SettingError(f"pretrained={config.pretrained}: weights of a {TORCHVISION}NAME, not of {config.model}")
    if config.part == "frequency" and config.trained_on_validation and config.class_splits != "test":
        raise SettingError(f"class_splits={config.class_splits}: the network was trained on these images; take test")


def trained_before(config: ClassConfig) -> ClassConfig | None:
    """Return the training, complete, that must be finished before this trial: whose network it measures or sees by.

    Features are those of a network taught by the classes that follow the chosen ones, in the order they are drawn from.
    """
    if config.part == "training":
        return teacher_of(config)  # type: ignore[return-value]
    if config.part == "frequency":
        return None if config.pretrained is not None else complete(replace(config, part="training"))
    if config.feature_model is None:
        return None
    data: dict[str, Any] = {"first_class": config.first_class + (config.classes or 0), "classes": None}
    network = {"model": config.feature_model, "width": config.feature_width, "epochs": config.feature_epochs}
    settings = data | network | FEATURES | {"probe_pairs": 0}
    try:
        return complete(replace(_only(config, *DATA, *EXECUTION), **settings))
    except SettingError as error:
        said = f"feature_model={config.feature_model}: what other classes teach it? {error}"
        raise SettingError(f"{said}; feature_model=none looks at pixels alone") from None

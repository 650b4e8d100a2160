"""What decides a trial's result? One frozen record of settings, and the identity derived from it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from dataclasses import dataclass

MEMORY_FORMATS = ("channels_last", "contiguous_format")
NOISE_TYPES = ("radial", "random", "fourier", "f", "1/f", "uniform")


class SettingError(ValueError):
    """Something asked for that cannot be: one line that says what, why, and what is known or possible."""


@dataclass(frozen=True)
class TrialConfig:
    """The settings of one trial; two trials with equal settings give equal measurements (bit for bit on a CPU).

    A default is never changed and a field never renamed once records exist: `trial_id` leaves out what is at its
    default, so that a new field keeps old identities. Values of another type are refused, values out of range too
    (SettingError); whether they fit the data set and the model is for `specbias.check.check_config` to say.
    """

    # Data
    dataset: str = "cifar10"  # a name in specbias.data.DATASETS
    train_size: int | None = None  # training images, drawn by `seed`, smaller sets inside larger; None: all there are
    legacy_split: bool = False  # validation images join the training split, as in the paper's code

    # Model
    model: str = "resnet18"  # a name in specbias.models.MODELS
    width: int | None = None  # channels of the first stage; None: the published width

    # Training: SGD with Nesterov momentum 0.9, cosine to zero over all steps
    epochs: int = 30  # passes over the training images
    batch_size: int = 128  # images per step; the rest of an epoch's last batch is dropped
    learning_rate: float = 0.1  # at the first step
    weight_decay: float = 5e-4  # on all parameters, as in the paper's code

    # Interventions on a batch: the strength of each, 0 leaves it out
    mixup: float = 0.0  # alpha of Beta(alpha, alpha), one mixing weight per batch
    flip_crop: int = 4  # pixels of padding for the random crop; a left-right flip goes with it
    cutout: int = 0  # pixels of the side of the blanked square
    label_smoothing: float = 0.0  # share of the label spread evenly over the classes

    # Label noise, an intervention too: a wave over image space moves that mean share of the label onto all classes
    label_noise: float = 0.0  # the mean share, above 0 also what noise fitting is measured with
    noise_type: str = "radial"  # what the wave runs along, in specbias.label_noise; uniform: no wave, the control
    noise_frequency: float = 0.038  # cycles per unit of normalised L2 distance
    noise_spatial_frequency: float = 2.0  # of the fourier type's image, cycles per image, down to a diagonal one
    noise_seed: int = 0  # draws the random type's direction
    noise_class: int | None = None  # only labels of this class are smoothed; None: all
    noise_normalise: str = "split"  # the wave's mean is that of the training split; batch: of each batch, the release

    # Measurement
    measurement_epochs: tuple[int, ...] = ()  # at which to measure, and at the last; (): 0, 1, 2, 5, 10, 20, ...
    probe_pairs: int = 20  # paths per class and per pair of classes, 0: none are measured; the papers use 200
    probe_seed: int = 0  # chooses the probe images: equal for all trials that are compared

    # Repeats
    seed: int = 0  # model, batches, augmentation and the training subset, each in a stream of its own

    # Execution: written by the driver once per sweep, never decided in a trial
    device: str = "cpu"  # cpu or cuda
    precision: str = "float32"  # float32, or bf16: autocast, weights stay float32
    memory_format: str = "channels_last"  # of weights and images: channels_last or contiguous_format, torch's names
    threads: int = 1  # CPU threads of torch
    measure_batch: int = 256  # images per forward pass when measuring

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = _typed(field.name, hints[field.name], getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        for name, holds, rule in self._rules():
            if not holds:
                raise SettingError(f"{name}={getattr(self, name)}: must be {rule}")

    def _rules(self) -> tuple[tuple[str, bool, str], ...]:
        return (
            ("train_size", self.train_size is None or self.train_size >= 1, "at least 1, or None for all"),
            ("width", self.width is None or self.width >= 1, "at least 1, or None for the published width"),
            ("epochs", self.epochs >= 1, "at least 1"),
            ("batch_size", self.batch_size >= 2, "at least 2 (batch norm needs two images)"),
            ("learning_rate", 0 < self.learning_rate < float("inf"), "above 0 and finite"),
            ("weight_decay", 0 <= self.weight_decay < float("inf"), "at least 0 and finite"),
            ("mixup", 0 <= self.mixup < float("inf"), "at least 0 and finite"),
            ("flip_crop", self.flip_crop >= 0, "at least 0"),
            ("cutout", self.cutout >= 0, "at least 0"),
            ("label_smoothing", 0 <= self.label_smoothing <= 1, "between 0 and 1"),
            ("label_noise", 0 <= self.label_noise <= 0.5, "between 0 and 0.5"),
            ("noise_type", self.noise_type in NOISE_TYPES, "one of " + ", ".join(NOISE_TYPES)),
            ("noise_frequency", 0 < self.noise_frequency < float("inf"), "above 0 and finite"),
            ("noise_spatial_frequency", 0 <= self.noise_spatial_frequency < float("inf"), "at least 0 and finite"),
            ("noise_seed", 0 <= self.noise_seed < 2**32, "at least 0 and below 2**32"),
            ("noise_class", self.noise_class is None or self.noise_class >= 0, "at least 0, or None for all"),
            ("noise_normalise", self.noise_normalise in ("split", "batch"), "split or batch"),
            ("measurement_epochs", all(epoch >= 0 for epoch in self.measurement_epochs), "at least 0"),
            ("probe_pairs", self.probe_pairs >= 0, "at least 0"),
            ("device", self.device in ("cpu", "cuda"), "cpu or cuda"),
            ("precision", self.precision in ("float32", "bf16"), "float32 or bf16"),
            ("memory_format", self.memory_format in MEMORY_FORMATS, " or ".join(MEMORY_FORMATS)),
            ("threads", self.threads >= 1, "at least 1"),
            ("measure_batch", self.measure_batch >= 1, "at least 1"),
        )

    @property
    def trial_id(self) -> str:
        """The identity of the trial: 12 hex digits of the SHA-256 of the settings that are not at their default."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        chosen = {name: value for name, value in dataclasses.asdict(self).items() if value != defaults[name]}
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def epochs_to_measure(self) -> tuple[int, ...]:
        """The epochs at which this trial is measured, in order: about logarithmic, as low frequencies come early."""
        steps = (leading * 10**power for power in range(len(str(self.epochs))) for leading in (1, 2, 5))
        default = (0, *steps)
        chosen = (epoch for epoch in self.measurement_epochs or default if epoch < self.epochs)
        return (*chosen, self.epochs)

    def to_dict(self) -> dict[str, typing.Any]:
        """Return the settings as a flat dict of plain values (JSON-ready; tuples become lists)."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, settings: typing.Mapping[str, typing.Any]) -> TrialConfig:
        """Build a config from a flat dict; an unknown name raises SettingError and lists the known ones."""
        for name in settings:
            cls.check_name(name)
        return cls(**settings)

    @classmethod
    def check_name(cls, name: str) -> None:
        """Raise SettingError, listing the known settings, if `name` is none of them."""
        known = [field.name for field in dataclasses.fields(cls)]
        if name not in known:
            raise SettingError(f"unknown setting {name!r}; known: {', '.join(known)}")

    @classmethod
    def parse(cls, name: str, text: str) -> typing.Any:
        """Return the value of setting `name` written as `text` on a command line; SettingError where it is none."""
        cls.check_name(name)
        hint = typing.get_type_hints(cls)[name]
        kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        if type(None) in kinds and text.lower() == "none":
            return None
        try:
            if kinds[0] is bool:
                return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
            if typing.get_origin(kinds[0]) is tuple:
                return tuple(int(part) for part in text.split(",") if part)
            return kinds[0](text)
        except (KeyError, ValueError):
            raise SettingError(f"{name}={text}: not {_said(hint)}") from None


def _typed(name: str, hint: typing.Any, value: typing.Any) -> typing.Any:
    """Return `value` in the field's own type (1 becomes 1.0, a list a tuple), or raise SettingError."""
    if typing.get_origin(hint) is tuple and isinstance(value, (tuple, list)) and all(type(v) is int for v in value):
        return tuple(sorted(set(value)))
    if hint is float and type(value) is int:
        return float(value)
    if typing.get_origin(hint) is not tuple and type(value) in (typing.get_args(hint) or (hint,)):
        return value
    raise SettingError(f"{name}={value!r}: not {_said(hint)}")


def _said(hint: typing.Any) -> str:
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a name"}
    if typing.get_origin(hint) is tuple:
        return "whole numbers with commas between"
    kinds = [kind for kind in typing.get_args(hint) or (hint,) if kind is not type(None)]
    return words[kinds[0]] + (" or none" if typing.get_args(hint) else "")

"""Can a trial with these settings run at all? Answered from the registries, and a teacher's file: no torch, no data."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from specbias.config import NOISE_TYPES, TrialConfig
from specbias.data import facts_of
from specbias.models import look_up_model
from specbias.settings import Clash, SettingError, file_identity

# Which types of label noise use a setting of it.
NOISE_SETTINGS = {
    "noise_type": NOISE_TYPES,
    "noise_class": NOISE_TYPES,
    "noise_normalise": NOISE_TYPES,
    "noise_frequency": tuple(name for name in NOISE_TYPES if name != "uniform"),
    "noise_spatial_frequency": ("fourier",),
    "noise_seed": ("random",),
}

# Which settings only say how an intervention is done.
DETAILS = {
    "image_frequency": ("image_frequency_probability", "image_frequency_share", "image_frequency_smoothing"),
    "randaugment": ("randaugment_layers",),
    "flip_crop": ("alternating_flip",),
    "generation": ("distillation", "teacher", "teacher_id"),
}

# Interventions of which a trial takes one: two ways to mix a batch, two policies of the same operations.
EXCLUSIVE = (("mixup", "cutmix"), ("autoaugment", "randaugment"))


def training_images(config: TrialConfig) -> int:
    """Return the number of training images the trial will see."""
    train, validation, _ = facts_of(config.dataset, config.selection).sizes
    return config.train_size or train + (validation if config.legacy_split else 0)


def whole_size(config: TrialConfig) -> int:
    """Return the number of training images there are, whatever `train_size` says."""
    return training_images(replace(config, train_size=None))


def complete_config(config: TrialConfig) -> TrialConfig:
    """Return the same trial with its width and number of training images said, where they were left to be all or usual.

    Settings of a label noise or an intervention that it does not use are put to their defaults. So that one trial has
    one identity, and tables have numbers. A student's teacher is given its identity. Raises SettingError on an unknown
    name and on a teacher that is not there.
    """
    model, facts = look_up_model(config.model), facts_of(config.dataset, config.selection)
    noise = config.noise_type if config.label_noise else None
    unused = [name for name, types in NOISE_SETTINGS.items() if noise not in types]
    unused += [name for strength, names in DETAILS.items() if not getattr(config, strength) for name in names]
    unused += ["zero_head"] if model.zero_head else []
    idle = {name: getattr(TrialConfig, name) for name in unused}
    width, size = config.width or model.width, training_images(config)
    if not size:
        raise SettingError(f"dataset={config.dataset}: there are no training images, its folder has no train/")
    chosen: dict[str, Any] = {}
    if facts.look is not None:
        chosen = {"image_size": facts.image_size, "classes": facts.num_classes, "classes_id": facts.classes_id}
    config = replace(config, width=width, train_size=size, **chosen, **idle)
    if config.teacher is not None:
        place, identity = find_teacher(config.teacher)
        if config.generation > 1:
            said = f"its student is generation=1, not {config.generation}, whatever taught it"
            raise SettingError(f"teacher={config.teacher}: {said}")
        return replace(config, teacher=str(place), teacher_id=identity)
    if (before := teacher_of(config)) is not None:
        return replace(config, teacher_id=before.trial_id)
    return config


def teacher_of(config: TrialConfig) -> TrialConfig | None:
    """Return the trial, complete, whose network teaches this one: itself, one generation before.

    None for generation 0, and where `teacher` says what teaches generation 1.
    """
    if not config.generation or config.teacher is not None:
        return None
    return complete_config(replace(config, generation=config.generation - 1, teacher_id=None))


def find_teacher(place: str) -> tuple[Path, str]:
    """Return where a teacher is, and its identity; SettingError if it is not there.

    That is the folder that a trial was saved to (or weights.pt in it) and its trial_id, or else a file of weights and
    the first 12 digits of its SHA-256.
    """
    try:
        path = Path(place).expanduser().resolve()
        folder = path if path.is_dir() else path.parent
        if (path.is_dir() or path.name == "weights.pt") and (folder / "state.json").is_file():
            return folder, saved_record(folder)["trial_id"]
        return path, file_identity(path)
    except IsADirectoryError:
        said = "no trial was saved to that folder, it has no state.json; or name a file of weights"
    except (OSError, RuntimeError):
        said = "there is no file of weights that can be read, and no folder that a trial was saved to"
    raise SettingError(f"teacher={place}: {said}")


def saved_record(folder: Path) -> dict[str, Any]:
    """Return the state.json of a saved trial; SettingError if it is none."""
    try:
        record = json.loads((folder / "state.json").read_text())
        return {key: record[key] for key in ("trial_id", "settings", "epoch", "ended")}
    except (OSError, ValueError, KeyError, TypeError):
        raise SettingError(f"teacher={folder}: its state.json is none that a trial was saved with") from None


def check_config(config: TrialConfig) -> None:
    """Raise SettingError, one line, if the settings name something unknown or do not fit the data set."""
    look_up_model(config.model, width=config.width, dropout=config.dropout)
    facts = facts_of(config.dataset, config.selection)
    check_classes(config)
    size, available = training_images(config), whole_size(config)
    if size > available:
        raise SettingError(f"train_size={size}: {config.dataset} has {available} training images")
    if config.batch_size > size:
        raise SettingError(f"batch_size={config.batch_size}: more than the {size} training images")
    for split in sorted({config.probe_split, "test"} & facts.probe_supply.keys()):
        supply = facts.probe_supply[split] * (2 if config.pairing == "official" else 1)
        if 2 * config.probe_pairs > supply:
            raise SettingError(
                f"probe_pairs={config.probe_pairs}: a within-class path takes two of the {supply} probe images "
                f"of a class of {config.dataset}'s {split} images, so at most {supply // 2}"
            )
    if config.stop_accuracy and config.legacy_split:
        raise SettingError("stop_accuracy: legacy_split leaves no validation images to tell by")
    if config.probe_split == "validation" and config.legacy_split:
        raise SettingError("probe_split=validation: legacy_split leaves no validation images")
    if config.probe_split == "extra" and config.extra_test is None:
        raise SettingError("probe_split=extra: name the extra test set, extra_test=v4 or v6")
    if config.extra_test is not None and facts.extra is None:
        raise SettingError(f"extra_test={config.extra_test}: {config.dataset} has no second test set")
    if config.jacobian_images > facts.sizes[2]:
        raise SettingError(
            f"jacobian_images={config.jacobian_images}: {config.dataset} has {facts.sizes[2]} test images"
        )
    if config.noise_class is not None and config.noise_class >= facts.num_classes:
        raise SettingError(
            f"noise_class={config.noise_class}: {config.dataset} has classes 0 to {facts.num_classes - 1}"
        )
    for one, other in EXCLUSIVE:
        if getattr(config, one) and getattr(config, other):
            raise Clash(f"{config.said((one, other))}: a trial takes one of the two, set the other to 0")
    _check_student(config)
    for name in ("flip_crop", "cutout"):
        if getattr(config, name) > facts.image_size:
            raise SettingError(f"{name}={getattr(config, name)}: more than the image's {facts.image_size} pixels")


def check_classes(config: TrialConfig) -> None:
    """Raise SettingError where the classes are not those that the trial was planned with: on another node, say."""
    facts = facts_of(config.dataset, config.selection)
    if config.classes_id not in (None, facts.classes_id):
        raise SettingError(
            f"classes_id={config.classes_id}: {config.dataset} has other classes here, {facts.classes_id}"
        )


def _check_student(config: TrialConfig) -> None:
    if config.teacher is not None and not config.generation:
        raise SettingError(f"teacher={config.teacher}: nothing is taught at generation=0; its student is generation=1")
    if config.generation and config.teacher_id is None:
        said = "specbias.check.complete_config finds the teacher's identity"
        raise SettingError(f"generation={config.generation}: whose student? {said}")
    if config.teacher is not None and Path(config.teacher).is_dir():
        check_teacher(Path(config.teacher), config)


def check_teacher(folder: Path, student: TrialConfig) -> TrialConfig:
    """Return the config of the trial that was saved to the folder; SettingError if it cannot teach this student."""
    record = saved_record(folder)
    config = TrialConfig.from_dict(record["settings"])
    refused = None
    if not record["ended"] and record["epoch"] < config.epochs:
        refused = f"it is at epoch {record['epoch']} of {config.epochs}, and only a finished trial teaches"
    elif config.dataset != student.dataset:
        refused = f"it has learned {config.dataset}, this trial is to learn {student.dataset}"
    elif not (folder / "weights.pt").is_file():
        refused = "its weights.pt is gone"
    if refused:
        raise SettingError(f"teacher={folder}: {refused}")
    return config

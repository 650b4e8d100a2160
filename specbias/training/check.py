"""Can a trial with these settings run at all? Checked by names, sizes and a teacher's file: no torch, no data."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from specbias.data import facts_of
from specbias.models import look_up_model
from specbias.settings import Clash, SettingError, file_identity
from specbias.settings.config import MIXING, NOISE_TYPES, TrialConfig
from specbias.settings.own_code import parameters

# Which types of label noise use a setting of it.
NOISE_SETTINGS = {
    "noise_type": NOISE_TYPES,
    "noise_class": NOISE_TYPES,
    "noise_normalise": NOISE_TYPES,
    "noise_frequency": tuple(name for name in NOISE_TYPES if name != "uniform"),
    "noise_spatial_frequency": ("fourier",),
    "noise_seed": ("random",),
}

# Which interventions use a setting that only says how they are done.
DETAILS = {
    "mixing_probability": MIXING,
    "mix_last": MIXING,
    "image_frequency_probability": ("image_frequency",),
    "image_frequency_share": ("image_frequency",),
    "image_frequency_smoothing": ("image_frequency",),
    "policy_source": ("autoaugment", "randaugment"),
    "randaugment_layers": ("randaugment",),
    "own_intervention": ("own_strength",),
    "alternating_flip": ("flip_crop",),
    "distillation": ("generation",),
    "teacher": ("generation",),
    "teacher_id": ("generation",),
}

# Interventions of which a trial takes one: two ways to mix a batch, two policies of the same operations.
EXCLUSIVE = (MIXING, ("autoaugment", "randaugment"))


def training_images(config: TrialConfig) -> int:
    """Return the number of training images the trial will see."""
    train, validation, _ = facts_of(config.dataset, config.selection).sizes
    return config.train_size or train + (validation if config.legacy_split else 0)


def whole_size(config: TrialConfig) -> int:
    """Return the number of training images there are, whatever `train_size` says."""
    return training_images(replace(config, train_size=None))


def complete_config(config: TrialConfig) -> TrialConfig:
    """Return the same trial with nothing left open, so that it has one identity however it was asked for.

    Width, number of training images and classes are filled in where they are None. Settings of a label noise or an
    intervention that the trial does not use go back to their defaults. CutMix is done last (`mix_last`): before crop
    and cutout its targets would be wrong, as they are in incomplete configs and in records from before there was a
    choice. A student gets its teacher's identity. SettingError for an unknown name, and for a teacher that does not
    exist.
    """
    model, facts = look_up_model(config.model), facts_of(config.dataset, config.selection)
    noise = config.noise_type if config.label_noise else None
    unused = [name for name, types in NOISE_SETTINGS.items() if noise not in types]
    unused += [name for name, users in DETAILS.items() if not any(getattr(config, user) for user in users)]
    unused += ["zero_head"] if model.zero_head else []
    idle = {name: getattr(TrialConfig, name) for name in unused}
    width, size = config.width or model.width, training_images(config)
    if not size:
        raise SettingError(f"dataset={config.dataset}: there are no training images, its folder has no train/")
    chosen: dict[str, Any] = {"mix_last": True} if config.cutmix else {}
    if facts.look is not None:
        chosen |= {"image_size": facts.image_size, "classes": facts.num_classes, "classes_id": facts.classes_id}
    config = replace(config, width=width, train_size=size, **chosen, **idle)
    if config.teacher is not None:
        place, identity = find_teacher(config.teacher)
        if config.generation > 1:
            reason = f"its student is generation=1, not {config.generation}, whatever taught it"
            raise SettingError(f"teacher={config.teacher}: {reason}")
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
    """Return the path of a teacher, and its identity; SettingError if it does not exist.

    A teacher is the folder that a trial was saved to (or weights.pt in it), with its trial_id for an identity; or a
    file of weights, with the first 12 digits of its SHA-256.
    """
    try:
        path = Path(place).expanduser().resolve()
        folder = path if path.is_dir() else path.parent
        if (path.is_dir() or path.name == "weights.pt") and (folder / "state.json").is_file():
            return folder, saved_record(folder)["trial_id"]
        return path, file_identity(path)
    except IsADirectoryError:
        reason = "no trial was saved to that folder, it has no state.json; or name a file of weights"
    except (OSError, RuntimeError):
        reason = "there is no file of weights that can be read, and no folder that a trial was saved to"
    raise SettingError(f"teacher={place}: {reason}")


def saved_record(folder: Path) -> dict[str, Any]:
    """Return what is in the state.json of a saved trial; SettingError if that cannot be read."""
    try:
        record = json.loads((folder / "state.json").read_text())
        return {key: record[key] for key in ("trial_id", "settings", "epoch", "ended")}
    except (OSError, ValueError, KeyError, TypeError):
        raise SettingError(f"teacher={folder}: its state.json is not that of a saved trial") from None


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
        raise SettingError("stop_accuracy: legacy_split leaves no validation images to measure it on")
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
            raise Clash(f"{config.describe((one, other))}: a trial takes one of the two, set the other to 0")
    if config.own_strength and config.own_intervention is None:
        raise SettingError(f"own_strength={config.own_strength}: of what? own_intervention=FILE.py:FUNCTION names it")
    if config.own_intervention is not None:
        parameters(config.own_intervention, setting="own_intervention")
    _check_student(config)
    for name in ("flip_crop", "cutout"):
        if getattr(config, name) > facts.image_size:
            raise SettingError(f"{name}={getattr(config, name)}: more than the image's {facts.image_size} pixels")


def check_classes(config: TrialConfig) -> None:
    """Raise SettingError for a band beyond all paths, and for other classes than planned with, as on another node."""
    facts = facts_of(config.dataset, config.selection)
    if config.classes_id not in (None, facts.classes_id):
        raise SettingError(
            f"classes_id={config.classes_id}: {config.dataset} has other classes here, {facts.classes_id}"
        )
    highest = 0.5 / config.spacing
    if config.measure_version > 1 and config.path_samples is None and config.band >= highest:  # it measures paths
        raise SettingError(
            f"band={config.band:g}: no path tells what is above it; at spacing={config.spacing:g} they end at "
            f"{highest:g} cycles per unit of distance"
        )


def _check_student(config: TrialConfig) -> None:
    if config.teacher is not None and not config.generation:
        raise SettingError(f"teacher={config.teacher}: nothing is taught at generation=0; its student is generation=1")
    if config.generation and config.teacher_id is None:
        cure = "specbias.training.check.complete_config finds the teacher's identity"
        raise SettingError(f"generation={config.generation}: whose student? {cure}")
    if config.teacher is not None and Path(config.teacher).is_dir():
        check_teacher(Path(config.teacher), config)


def check_teacher(folder: Path, student: TrialConfig) -> TrialConfig:
    """Return the config of the trial that was saved to a folder; SettingError if it cannot teach this student."""
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

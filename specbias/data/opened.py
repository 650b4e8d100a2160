"""Which images does `dataset` name? A data set of ours, or files of the user's, read as the settings say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from specbias.data import Data, Split, data_directory, load_dataset
from specbias.data.datasets import DATASETS
from specbias.data.labels import read_labels
from specbias.data.outputs import apply_class_map
from specbias.settings import SettingError, file_identity
from specbias.settings.measurement import NetworkConfig
from specbias.settings.registry import load, look_up
from specbias.settings.selection import Selection

READERS = {  # of files: what follows the colon, and the settings that say how they are read
    "imagefolder": ("DIR", ("image_size",)),
    "parquet": ("FILE", ("image_size", "labels_key")),
    "npz": ("FILE", ("labels", "labels_key")),
    "npy": ("FILE", ("labels", "labels_key", "severity")),
}
OF_OURS = ("image_size", "labels", "labels_key", "extra_test")  # settings that a data set in DATASETS takes


def open_images(config: NetworkConfig) -> Data:
    """Return the images that `config.dataset` names; SettingError, one line, for what is not there or does not fit."""
    name, colon, place = config.dataset.partition(":")
    takes = (*READERS[name][1], "space") if colon and name in READERS else OF_OURS
    for setting in ("image_size", "labels", "labels_key", "severity", "extra_test", "space"):
        if setting not in takes and getattr(config, setting) is not None:
            value, known = getattr(config, setting), ", ".join(takes)
            raise SettingError(f"{setting}={value}: not for {config.dataset}, which takes {known}")
    data = _from_files(name, place, config) if colon and name in READERS else _of_ours(config)
    return data if config.class_map is None else apply_class_map(data, _path(config.class_map))


def identity_of(config: NetworkConfig) -> str | None:
    """Return the identity of the files that images, labels and class map are read from; None for a data set of ours.

    It follows from what is in them; of a folder of images, from their names and sizes. SettingError where one is not
    there.
    """
    from specbias.data.arrays import labels_beside
    from specbias.data.imagefolder import folder_identity
    from specbias.data.parquet import parts_of

    name, _, place = config.dataset.partition(":")
    files = [_path(text) for text in (config.labels, config.class_map) if text is not None]
    if name in ("npz", "npy", "parquet"):
        files += parts_of(_path(place))
    if name == "npy" and config.labels is None:
        files.append(labels_beside(_path(place)))
    try:
        found = [file_identity(file) for file in files]
        if name == "imagefolder":
            found.append(folder_identity(_path(place)))
    except OSError as error:
        raise SettingError(f"images={error.filename}: {error.strerror or error}") from None
    return "/".join(found) or None


def _from_files(name: str, place: str, config: NetworkConfig) -> Data:
    from specbias.data import arrays, imagefolder, parquet

    if not place or place in ("DIR", "FILE"):
        raise SettingError(f"dataset={config.dataset}: name the {'folder' if name == 'imagefolder' else 'file'}")
    labels = None if config.labels is None else _path(config.labels)
    if name == "imagefolder":
        data = imagefolder.load_imagefolder(_path(place), image_size=config.image_size)
    elif name == "parquet":
        data = parquet.load_parquet(_path(place), image_size=config.image_size, labels_key=config.labels_key)
    elif name == "npz":
        data = arrays.load_npz(_path(place), labels=labels, labels_key=config.labels_key)
    else:
        data = arrays.load_npy(_path(place), labels=labels, labels_key=config.labels_key, severity=config.severity)
    if config.space is None:
        said = "distances are in the space of ImageNet's channel constants; --space names another data set's"
        return replace(data, notes=(*data.notes, said))
    facts = look_up(DATASETS, config.space, "space")
    return replace(data, mean=facts.mean, std=facts.std)


def _of_ours(config: NetworkConfig) -> Data:
    files: dict[str, None] = {f"{name}:{what}": None for name, (what, _) in READERS.items()}
    facts = look_up({**DATASETS, **files}, config.dataset, "data set")
    if facts is None:
        raise SettingError(f"dataset={config.dataset}: name the {config.dataset.partition(':')[2].lower()}")
    data = load_dataset(config.dataset, Selection(image_size=config.image_size))
    if config.extra_test is not None:
        if facts.extra is None:
            raise SettingError(f"extra_test={config.extra_test}: {config.dataset} has no second test set")
        data = replace(data, extra=load(facts.extra)(data_directory(), config.extra_test))
    if config.labels is not None:
        return relabel(data, config.split, _path(config.labels), config.labels_key)
    if config.labels_key is not None:
        raise SettingError(f"labels_key={config.labels_key}: of which file? --labels FILE")
    return data


def relabel(data: Data, split: str, file: Path, key: str | None = None) -> Data:
    """Return the data with other labels for the images of a split: CIFAR-10N's for training, CIFAR-10H's for test.

    They are in the order of the split, or in that of the published file of which the split is a part.
    """
    labels, said = read_labels(file, key)
    own: Split | None = data.splits.get(split)
    if own is None:
        return data  # that there is no such split is said where it is asked for
    rows = data.rows.get(split)
    if rows is not None and len(labels) == sum(map(len, data.rows.values())):
        labels = labels[rows]
    if len(labels) != len(own.labels):
        raise SettingError(f"labels={file}: {len(labels)} labels, for {len(own.labels)} images in split {split}")
    changed = (labels != own.labels).double().mean().item()
    note = f"labels of {split} are those of {file}; {changed:.1%} of them are not the data set's own"
    notes = (*data.notes, *filter(None, (said, note)))
    return replace(data, notes=notes, **{split: Split(own.images, labels)})  # type: ignore[arg-type]


def _path(text: str) -> Path:
    return Path(text).expanduser()

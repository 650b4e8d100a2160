"""What is known of every class? Frequency, accuracy and path length by network, and how diverse its images are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.table import RecordError, Records

KIND = "frequency/within_class"


@dataclass(frozen=True)
class Classes:
    """What is known of every class: (trials, classes) of each trial, and (classes,) of the images."""

    names: list[str]
    labels: list[str]  # of the trials
    frequency: np.ndarray
    accuracy: np.ndarray
    length: np.ndarray  # mean distance of the ends of its paths, in normalised L2
    diversity: dict[str, np.ndarray]


def load_classes(records: Records, data_dir: Path | None) -> Classes:
    """Read every trial's paths and accuracies by class, and the diversity of the data set's training images."""
    from analysis.records import last_arrays
    from specbias.config import TrialConfig
    from specbias.data import DATASETS, load_data
    from specbias.measure.diversity import class_diversity as diversity_of
    from specbias.settings import SettingError

    dataset = records.said("dataset")
    if dataset not in DATASETS:
        raise RecordError(
            f"{records.source}: classes are compared within one data set of {', '.join(DATASETS)}; here it is {dataset}"
        )
    labels, rows = [], []
    for row, arrays in last_arrays(records):
        if f"{KIND}/share" in arrays:
            labels.append(row["label"])
            rows.append(by_class(arrays))
    if not rows:
        raise RecordError(f"the trials of {records.source} have no paths within classes")
    if data_dir is not None:
        os.environ["SPECBIAS_DATA_DIR"] = str(data_dir)
    try:
        data = load_data(TrialConfig(dataset=dataset))
    except SettingError as error:
        raise RecordError(str(error)) from None
    names = [*data.class_names] or [str(label) for label in range(data.num_classes)]
    frequency, accuracy, length = np.stack(rows, axis=1)
    return Classes(names, labels, frequency, accuracy, length, diversity_of(data, data.train))


def by_class(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return a network's mean high-frequency share, accuracy and mean path length by class: (3, classes)."""
    accuracy = arrays["generalization/test_accuracy_per_class"]
    label = arrays[f"{KIND}/first_class"]
    counts = np.bincount(label, minlength=len(accuracy)).astype(float)
    counts[counts == 0] = np.nan
    columns = [arrays[f"{KIND}/{name}"].astype(float) for name in ("share", "distance")]
    share, length = (np.bincount(label, column, minlength=len(accuracy)) / counts for column in columns)
    return np.stack([share, accuracy, length])

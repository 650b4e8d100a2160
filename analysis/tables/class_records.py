"""What is known of every class? Frequency, accuracy and path length by network, and how diverse its images are.

It reads the arrays of networks that were trained in the sweep. If the sweep has trials of part=frequency and
part=diversity, it reads their rows, one per class (`epoch` is its number); then a file of records is enough.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.tables.networks import network_labels
from analysis.tables.paths_by_class import (
    BAND,
    KIND,
    by_class,
    count_paths,
    notes_without_band,
    refuse_without_band,
)
from analysis.tables.table import RecordError, Records

ACCURACY, LENGTH = "generalization/class_accuracy", f"{KIND}/path_length"
OTHERS = {
    "released": KIND,
    "fixed_samples": f"{KIND}/fixed_samples",
    "between_class": "frequency/between_class/fixed_band",
}
RELEASED = (
    "these records have the released share alone, which steps with a path's length, in which classes differ: measure "
    "them anew to compare classes by the share on a fixed band"
)
OLDER = {"fixed_samples": OTHERS["fixed_samples"], "between_class": "frequency/between_class"}  # beside the released
DIVERSITY = "diversity/"
PICTURES = 5  # of a class
WITHOUT_BAND = f"{KIND}/without_band"  # of each class; its paths that have no share above the band

Pictures = Callable[[int], np.ndarray]  # the class -> its first training images (n, 3, H, W) in uint8


@dataclass(frozen=True)
class Classes:
    """What is known of every class: (networks, classes) of each network, (classes,) of the images; NaN if not known."""

    names: list[str]
    labels: list[str]  # of the networks
    frequency: np.ndarray
    accuracy: np.ndarray
    length: np.ndarray  # mean distance of the ends of its paths, in normalised L2
    diversity: dict[str, np.ndarray]
    standard_error: np.ndarray | None = None  # of the frequency, over a class's pairs
    others: dict[str, np.ndarray] = field(default_factory=dict)  # frequencies measured in another way, by name
    pictures: Pictures | None = None  # None: the images are not here
    notes: list[str] = field(default_factory=list)  # what was left out, and why
    ids: list[str] = field(default_factory=list)  # WordNet's, where the images are here
    metric: str = BAND  # what `frequency` is


def load_classes(records: Records, data_dir: Path | None) -> Classes:
    """Read the measurements of every network by class, and the diversity of classes; RecordError if there are none."""
    if data_dir is not None:
        os.environ["SPECBIAS_DATA_DIR"] = str(data_dir)
    return rows_by_class(records) if "part" in records.table else arrays_by_class(records)


def rows_by_class(records: Records) -> Classes:
    """Read the trials of part=frequency and part=diversity: a row is a class, a network all trials but for the shard.

    A class that a shard lacks is NaN. RecordError where either part has no trials, and where classes of different
    trials are not the same.
    """
    networks, diversities = records.of_part("frequency"), records.of_part("diversity")
    networks.need(KIND, ACCURACY, LENGTH)
    measured = _diversity_metrics(diversities)
    seen = 1 + int(max(networks.table["epoch"].max(), diversities.table["epoch"].max()))
    names, ids, pictures, notes = look_up_classes(networks, pd.concat([networks.last, diversities.last]), seen)
    of = networks.table["trial_id"].map(network_labels(networks))
    labels = sorted(of.unique())

    def by_network(metric: str) -> np.ndarray:
        means = networks.table.groupby([of, "epoch"])[metric].mean().unstack()
        return means.reindex(columns=range(len(names))).to_numpy(float)

    banded = BAND in networks.table or (networks.measure_versions > 1).any()
    notes += [] if banded else [RELEASED]
    chosen, others = (BAND, OTHERS) if banded else (KIND, OLDER)
    length, error = by_network(LENGTH), f"{chosen}/standard_error"
    frequency = by_network(chosen) if chosen in networks.table else np.full_like(length, np.nan)
    if banded:
        refuse_without_band(networks, labels, frequency, length)
    if WITHOUT_BAND in networks.table:
        counts = by_network(WITHOUT_BAND)
        paths = np.full(counts.shape, f"up to {networks.values_of('class_pairs')}")
        notes += notes_without_band(labels, names, counts, paths)
    diversity = diversities.table.groupby("epoch")[measured].mean().reindex(range(len(names)))
    notes += _notes_on_missing(labels, frequency, diversity)
    return Classes(
        names,
        labels,
        frequency,
        by_network(ACCURACY),
        length,
        {name.removeprefix(DIVERSITY): diversity[name].to_numpy(float) for name in measured},
        by_network(error) if error in networks.table else None,
        {name: by_network(metric) for name, metric in others.items() if metric in networks.table},
        pictures,
        notes,
        ids,
        chosen,
    )


def _diversity_metrics(diversities: Records) -> list[str]:
    """Return the metrics of diversity; RecordError where there are none, or they were measured in several ways."""
    if len(ways := sorted(set(network_labels(diversities).values()))) > 1:
        raise RecordError(
            f"{diversities.source}: diversity was measured in {len(ways)} ways, one is needed: {'; '.join(ways)}"
        )
    names = [name for name in diversities.metrics if name.startswith(DIVERSITY)]
    if not names:
        raise RecordError(f"the trials of {diversities.source} with part=diversity have no {DIVERSITY}...")
    return names


def _notes_on_missing(labels: list[str], frequency: np.ndarray, diversity: pd.DataFrame) -> list[str]:
    """Return a note per network (networks, classes) and per measure of diversity on the classes without a number."""
    classes = len(diversity)
    lost = zip(labels, np.isnan(frequency).sum(axis=1), strict=True)
    notes = [f"{label}: {count} of {classes} classes without frequency" for label, count in lost if count]
    missing = diversity.isna().sum()
    return notes + [f"{name}: {count} of {classes} classes without it" for name, count in missing.items() if count]


def selection_of(records: Records, table: pd.DataFrame) -> dict[str, Any]:
    """Return which classes, and of what image size, these trials of the records chose from their data set.

    RecordError where they are not the same: a class's number would not be one class.
    """
    from specbias.settings.selection import Selection

    chosen = table[[name for name in ("dataset", *Selection._fields) if name in table]]
    texts = chosen.map(str)
    varied = [name for name in texts if texts[name].nunique() > 1 and name != "image_size"]
    if mixed := [f"{name}={', '.join(texts[name].unique())}" for name in varied]:
        raise RecordError(f"{records.source}: classes are compared within one choice of them; here {'; '.join(mixed)}")
    values = chosen.drop(columns="dataset", errors="ignore").astype(object).bfill().iloc[0]
    return {str(name): None if pd.isna(value) else int(value) for name, value in values.items()}


def look_up_classes(
    records: Records, table: pd.DataFrame, seen: int
) -> tuple[list[str], list[str], Pictures | None, list[str]]:
    """Return names, ids and pictures of the classes, and a note if the data set cannot be read here."""
    from specbias.data import open_classes
    from specbias.settings import SettingError
    from specbias.settings.selection import Selection

    selection, dataset = Selection(**selection_of(records, table)), records.values_of("dataset")
    try:
        found = open_classes(dataset, selection)
        asked = set(table["classes_id"].dropna()) if "classes_id" in table else set()
        if len(found.names) < seen or asked - {found.classes_id}:
            raise SettingError("it has other classes than the records")
    except (SettingError, OSError) as error:
        why = f"classes have their numbers for names, and no pictures, as {dataset} cannot be read here: {error}"
        return [f"class {number}" for number in range(seen)], [], None, [why]
    return list(found.names), list(found.ids), lambda label: found.images("train", label, PICTURES).numpy(), []


def arrays_by_class(records: Records) -> Classes:
    """Read every trial's paths and accuracies by class, and the diversity of the data set's training images."""
    from analysis.tables.arrays import last_arrays
    from specbias.data import load_data
    from specbias.data.datasets import DATASETS
    from specbias.measurement.diversity import class_diversity as diversity_of
    from specbias.settings import SettingError
    from specbias.settings.config import TrialConfig

    records.need(KIND)
    dataset = records.values_of("dataset")
    if dataset not in DATASETS:
        raise RecordError(
            f"{records.source}: classes are compared within one data set of {', '.join(DATASETS)}; here it is {dataset}"
        )
    labels, released, above, counts = [], [], [], []
    for row, arrays in last_arrays(records):
        if f"{KIND}/share" in arrays:
            labels.append(row["label"])
            released.append(by_class(arrays, "share"))
            if BAND in arrays:
                above.append(by_class(arrays))
                counts.append(count_paths(arrays))
    if not labels:
        raise RecordError(f"the trials of {records.source} have no paths within classes")
    banded = len(above) == len(labels)
    try:
        data = load_data(TrialConfig(dataset=dataset, **selection_of(records, records.last)))
    except SettingError as error:
        raise RecordError(str(error)) from None
    names = [*data.class_names] or [str(label) for label in range(data.num_classes)]
    frequency, accuracy, length = np.stack(above if banded else released, axis=1)
    notes = [] if banded else [RELEASED]
    if banded:
        refuse_without_band(records, labels, frequency, length)
        notes += notes_without_band(labels, names, *np.stack(counts, axis=1))
    lost = len(records.last) - len(labels)
    return Classes(
        names,
        labels,
        frequency,
        accuracy,
        length,
        diversity_of(data, data.train) | {name: np.array(values) for name, values in data.known.items()},
        others={"released": np.stack(released)[:, 0]} if banded else {},
        pictures=lambda label: data.train.images[data.train.labels == label][:PICTURES].numpy(),
        notes=[f"left out: {lost} trials without paths within classes"] * bool(lost) + notes,
        metric=BAND if banded else KIND,
    )

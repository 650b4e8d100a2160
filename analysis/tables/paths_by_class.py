"""What do a network's paths within classes say of each class? Means, and which paths are too short for the band."""

from __future__ import annotations

import numpy as np

from analysis.tables.table import RecordError, Records

KIND = "frequency/within_class"
BAND = f"{KIND}/fixed_band"  # by which classes are compared: their paths differ in length, and the released share steps
NAMED = 5  # classes in a note


def by_class(arrays: dict[str, np.ndarray], scalar: str = "fixed_band") -> np.ndarray:
    """Return a network's mean share (`scalar`), accuracy and mean path length by class: (3, classes)."""
    from specbias.measurement.correction import column  # and torch

    accuracy = arrays["generalization/test_accuracy_per_class"]
    label = arrays[f"{KIND}/first_class"]
    values, distance = column(arrays, KIND, scalar).astype(float), arrays[f"{KIND}/distance"].astype(float)
    known = np.isfinite(values)

    def mean(column: np.ndarray, rows: np.ndarray) -> np.ndarray:
        counts = np.bincount(label[rows], minlength=len(accuracy)).astype(float)
        counts[counts == 0] = np.nan
        return np.bincount(label[rows], column[rows], minlength=len(accuracy)) / counts

    return np.stack([mean(values, known), accuracy, mean(distance, np.ones_like(known))])


def count_paths(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return a network's numbers of paths by class, those without a share above the band and all: (2, classes)."""
    label, classes = arrays[f"{KIND}/first_class"], len(arrays["generalization/test_accuracy_per_class"])
    return np.stack([np.bincount(label[rows], minlength=classes) for rows in (np.isnan(arrays[BAND]), label >= 0)])


def notes_without_band(labels: list[str], names: list[str], without: np.ndarray, paths: np.ndarray) -> list[str]:
    """Return as a note per network how many of which classes' `paths` have no share: (networks, classes) both."""
    why, notes = "paths too short for the band (or of samples too far apart), in the released share alone", []
    for label, counts, of in zip(labels, without, paths, strict=True):
        short = np.flatnonzero(counts > 0)
        each = [f"{names[i]} ({counts[i]:.0f} of {of[i]})" for i in short[:NAMED]]
        each += [f"{len(short) - NAMED} more classes"] * (len(short) > NAMED)
        notes += [f"{label}: {why}: {', '.join(each)}"] if each else []
    return notes


def refuse_without_band(records: Records, labels: list[str], frequency: np.ndarray, length: np.ndarray) -> None:
    """Raise RecordError, with the lengths, where a network has paths (networks, classes), and none tells the band."""
    for label, shares, lengths in zip(labels, frequency, length, strict=True):
        if np.isfinite(lengths).any() and not np.isfinite(shares).any():
            ends = f"{np.nanmin(lengths):.3g} to {np.nanmax(lengths):.3g}"
            raise RecordError(
                f"{records.source}: no path within classes of {label} tells what is above "
                f"band={records.values_of('band')}: on average they are {ends} units long by class, at "
                f"spacing={records.values_of('spacing')}; measure with another band"
            )

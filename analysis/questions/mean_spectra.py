"""Which frequencies do the networks of a sweep have, by setting, and which come first in training?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from analysis.inference.learning_time import first_reached, rank_correlation
from analysis.inference.rows import setting_text
from analysis.tables.arrays import arrays_of, last_arrays, note_on_missing
from analysis.tables.conditions import BASELINE, changes, setting_names
from analysis.tables.table import RecordError, Records
from specbias.pictures import KINDS, Arrays, Share, Spectrum, share_of, spectrum_of
from specbias.trials.record import STEP

BOUNDARY = "mirror"  # of spectra over epochs: the jump between a path's ends, which has all frequencies, is not in them
FEWEST = 3  # epochs at which frequencies are learned that an order is of
REACHED = 0.9  # of its last amplitude: where a frequency counts as learned


class OfOne(NamedTuple):
    """The mean spectra and shares of one setting, or one network, by kind of path; `level` orders those of one name."""

    name: str
    intervention: str
    level: object
    trials: int
    spectra: dict[str, Spectrum]
    shares: dict[str, Share]


class ByEpoch(NamedTuple):
    """How the mean spectrum of one trial grows: amplitudes (epochs, F) at frequencies (F,), by kind of path."""

    trial: str
    epochs: np.ndarray
    frequency: np.ndarray
    amplitude: dict[str, np.ndarray]


def by_setting(records: Records) -> tuple[list[OfOne], list[str]]:
    """Return the spectra of each setting at its last epoch, means over its seeds, in the sweep's order; and notes.

    All are at the frequencies of the first trial; one whose paths reach others is left out, and counted. Seeds have the
    same images: the standard error is the mean of theirs, and says nothing of other seeds. RecordError without arrays.
    """
    changed, names = changes(records), setting_names(records)
    found: dict[str, list[Arrays]] = {}
    axis, others, seen = np.zeros(0), 0, 0
    for row, arrays in last_arrays(records):
        seen += 1
        axis = axis if len(axis) else arrays["frequency/axis"]
        if np.allclose(arrays["frequency/axis"], axis):
            found.setdefault(row["trial_id"], []).append(arrays)
        else:
            others += 1
    settings: dict[str, list[str]] = {}
    for trial_id in found:
        settings.setdefault(names[trial_id], []).append(trial_id)
    rows = records.last.set_index("trial_id")
    made = []
    for name, trials in settings.items():
        intervention = str(rows.loc[trials[0], "intervention"])
        level = changed[trials[0]][intervention].value if intervention in changed[trials[0]] else setting_text(name)
        made.append(mean_of(name, intervention, level, [arrays for trial in trials for arrays in found[trial]]))
    notes = [f"left out: {others} trials whose paths reach other frequencies"] * bool(others)
    return made, [*notes, *note_on_missing(records, seen)]


def mean_of(name: str, intervention: str, level: object, measured: Sequence[Arrays]) -> OfOne:
    """Return the mean over measurements of one setting on the same images."""
    kinds = [kind for kind in KINDS if all(f"frequency/{kind}/spectrum" in arrays for arrays in measured)]
    spectra, shares = {}, {}
    for kind in kinds:
        each = [spectrum_of(arrays, kind) for arrays in measured]
        errors = [spectrum.standard_error for spectrum in each]
        error = None if any(e is None for e in errors) else np.mean([e for e in errors if e is not None], axis=0)
        spectra[kind] = Spectrum(each[0].frequency, np.mean([s.amplitude for s in each], axis=0), error)
        known = [share_of(arrays, kind) for arrays in measured]
        shares[kind] = known[0]._replace(value=float(np.mean([share.value for share in known])))
    return OfOne(name, intervention, level, len(measured), spectra, shares)


def by_epoch(records: Records, trial: str | None = None) -> tuple[ByEpoch, Arrays]:
    """Return how the spectra of a trial grow, by default the baseline's first, and its last arrays; RecordError."""
    last = records.last
    chosen = last[last["trial_id"].str.startswith(trial)] if trial else last[last["intervention"] == BASELINE]
    if trial and len(chosen) != 1:
        raise RecordError(f"--trial {trial}: {len(chosen)} trials of the sweep begin so")
    row = (chosen if len(chosen) else last).iloc[0]
    epochs = sorted(records.table.loc[records.table["trial_id"] == row["trial_id"], STEP])
    measured = [arrays_of(records, row, int(epoch)) for epoch in epochs]
    kinds = [kind for kind in KINDS if all(f"frequency/{kind}/spectrum" in arrays for arrays in measured)]
    spectra = {kind: [spectrum_of(arrays, kind, boundary=BOUNDARY) for arrays in measured] for kind in kinds}
    if not kinds:
        raise RecordError(f"trial {row['trial_id']} has no spectra")
    amplitude = {kind: np.stack([spectrum.amplitude for spectrum in own]) for kind, own in spectra.items()}
    return ByEpoch(row["label"], np.array(epochs), spectra[kinds[0]][0].frequency, amplitude), measured[-1]


def order_of(found: ByEpoch) -> dict[str, float]:
    """Return by kind the rank correlation of frequency with the epoch at which it first has 0.9 of its last amplitude.

    Above 0 low frequencies come first, as in Rahaman et al. (ICML 2019), for targets of known frequency. NaN where they
    come at fewer than 3 epochs.
    """
    orders = {}
    for kind, amplitude in found.amplitude.items():
        with np.errstate(invalid="ignore"):
            times = first_reached(found.epochs, amplitude / amplitude[-1], REACHED)
        orders[kind] = rank_correlation(found.frequency, times) if len(set(times)) >= FEWEST else np.nan
    return orders


def groups_of(settings: Sequence[OfOne]) -> Mapping[str, list[OfOne]]:
    """Return what is drawn together: the levels of an intervention that has several, in order; and all the others."""
    baseline = [one for one in settings if one.name == BASELINE]
    by_name: dict[str, list[OfOne]] = {}
    for one in settings:
        if one not in baseline:
            by_name.setdefault(one.intervention, []).append(one)
    several = {name: sorted(levels, key=_order) for name, levels in by_name.items() if len(levels) > 1}
    single = [one for name, levels in by_name.items() if name not in several for one in levels]
    found = {name: [*levels, *baseline] for name, levels in several.items()}
    rest = [*single, *baseline]
    return found | ({"others" if several else "settings": rest} if single or not several else {})


def _order(one: OfOne) -> tuple[bool, float, str]:
    """Return what sorts levels: numbers by size, then the others by name."""
    number = isinstance(one.level, (int, float)) and not isinstance(one.level, bool)
    return not number, float(one.level) if isinstance(one.level, (int, float)) else 0.0, one.name

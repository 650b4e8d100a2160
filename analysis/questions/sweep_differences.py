"""Why do the settings of a sweep differ from the baseline, and a network in training from what it was before?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.inference.claim import Claim, judge_sign
from analysis.inference.slopes import Slope, slopes
from analysis.questions.differences import Comparison, Network, compare, metric_of
from analysis.tables.arrays import arrays_of, first_of_baseline, last_arrays, note_on_missing
from analysis.tables.conditions import BASELINE, seeds_of, setting_names
from analysis.tables.table import RecordError, Records
from specbias.trials.record import STEP

ACCURACY = "generalization/test_accuracy"
# What is claimed of either kind of path: whether the part is to rise with accuracy. Better networks leave a class less
# often on a path within it, are right at more of the ends between classes, and change more sharply.
CLAIMED = {
    ("within_class", "composition"): False,
    ("within_class", "rates"): True,
    ("between_class", "composition"): True,
    ("between_class", "rates"): True,
}
CLAIMED_OF = ("high_frequency_share", "mirror")  # the released share, which falls within classes, and one that rises
PARTS = ("whole", "composition", "rates")
MOST = 6  # notes on single comparisons that are printed
FEWEST = 3  # settings, with the reference, that a slope is of


class OfSettings(NamedTuple):
    """The settings of a sweep, each less the reference, with the change of accuracy by setting; and notes."""

    comparisons: list[Comparison]
    accuracy: dict[str, float]
    reference: str
    notes: list[str]


def by_setting(records: Records) -> OfSettings:
    """Return why each setting differs from the baseline, or else from the first setting, at the last epoch.

    Trials of the same seed are compared, and their parts averaged. What cannot be compared is in the notes: a setting
    without a seed of the reference's, one measured on other images, one whose arrays are gone. RecordError where those
    of the reference are: another would make other differences.
    """
    names, seeds = setting_names(records), seeds_of(records)
    table, notes = _by_seed(records, names, seeds)
    reference = BASELINE if BASELINE in names.values() else next(iter(names.values()))
    known, accuracy = table.pop(reference), {}
    if not known:
        raise RecordError(f"{records.source}: the arrays of {reference} are gone, from which the others are to differ")
    planned = {setting: {seeds[i] for i, own in names.items() if own in (setting, reference)} for setting in table}
    comparisons = []
    for setting, trials in table.items():
        both = [seed for seed in trials if seed in known]
        if not both:
            why = f"no trial of a seed of {reference}" if trials else "its arrays are gone"
            notes.append(f"{setting}: not compared: {why}")
            continue
        try:
            comparisons.append(compare(setting, reference, [(known[seed][0], trials[seed][0]) for seed in both]))
        except ValueError as error:
            notes.append(f"{setting}: not compared: {error}")
            continue
        if len(both) < len(planned[setting]):
            notes.append(f"{setting}: seeds {_listed(both)} of {_listed(planned[setting])}")
        accuracy[setting] = float(np.mean([trials[seed][1] - known[seed][1] for seed in both]))
    return OfSettings(comparisons, accuracy, reference, notes)


def _by_seed(
    records: Records, names: Mapping[str, str], seeds: pd.Series
) -> tuple[dict[str, dict[Any, tuple[Network, float]]], list[str]]:
    """Return each setting's networks, with their test accuracy, by seed, and notes on the trials that are left out."""
    table: dict[str, dict[Any, tuple[Network, float]]] = {setting: {} for setting in names.values()}
    seen = repeats = 0
    for row, arrays in last_arrays(records):
        setting, seed = names[row["trial_id"]], seeds[row["trial_id"]]
        seen, repeats = seen + 1, repeats + (seed in table[setting])
        network = Network.of(f"{setting}, seed {seed}", arrays)
        table[setting].setdefault(seed, (network, float(row.get(ACCURACY, np.nan))))
    again = [f"left out: {repeats} trials that repeat the setting and seed of another"] * bool(repeats)
    return table, [*note_on_missing(records, seen), *again]


def _listed(seeds: Iterable[Any]) -> str:
    return ", ".join(map(str, sorted(seeds)))


def along_training(records: Records, trial: str | None) -> tuple[str, list[Comparison], list[str]]:
    """Return a trial's label, why it differs at each measured epoch from the one before, and notes.

    It is the trial whose id begins so, by default the first of the baseline. RecordError where there is none.
    """
    row, epochs = _trial(records, trial)
    label = str(row["label"])
    networks, notes = [], []
    for epoch in epochs:
        try:
            found = arrays_of(records, row, epoch)
        except RecordError as error:
            notes.append(f"{label}: {error}")
            continue
        networks.append((epoch, Network.of(f"{label}, epoch {epoch}", found)))
    steps = []
    for (before, first), (after, second) in zip(networks[:-1], networks[1:], strict=True):
        try:
            steps.append(compare(f"epoch {before} to {after}", f"epoch {before}", [(first, second)]))
        except ValueError as error:
            notes.append(str(error))
    return label, steps, notes


def _trial(records: Records, trial: str | None) -> tuple[pd.Series, list[int]]:
    """Return the last row of a trial, and its measured epochs."""
    last = records.last
    if trial is None:
        row = first_of_baseline(records)
    else:
        own = last[last["trial_id"].str.startswith(trial)] if trial else last.iloc[:0]
        if len(own) != 1:
            there = ", ".join(f"{i} ({label})" for i, label in zip(last["trial_id"], last["label"], strict=True))
            raise RecordError(f"--trial {trial!r} begins the id of {len(own)} trials; there are: {there}")
        row = own.iloc[0]
    epochs = records.table.loc[records.table["trial_id"] == row["trial_id"], STEP]
    return row, sorted(map(int, epochs))


def with_accuracy(found: OfSettings, kind: str, scalar: str) -> dict[str, Slope]:
    """Return the slopes over settings of the difference and its two parts on the change of test accuracy.

    The reference is a row, of 0, so that no setting's slope is more than another's; the slopes of the parts sum to that
    of the difference. Intervals leave out a setting at a time. Empty for fewer than FEWEST settings with an accuracy.
    """
    rows: list[dict[str, Any]] = [{"setting": found.reference, "accuracy": 0.0, **dict.fromkeys(PARTS, 0.0)}]
    for each in found.comparisons:
        if scalar in each.parts[kind] and np.isfinite(found.accuracy[each.name]):
            own = each.parts[kind][scalar]
            parts = {part: getattr(own, part).statistic for part in PARTS}
            rows.append({"setting": each.name, "accuracy": found.accuracy[each.name], **parts})
    if len(rows) < FEWEST:
        return {}
    table = pd.DataFrame(rows).assign(family="all")
    over: dict[str, Any] = {"target": "accuracy", "family": "family", "cluster": "setting"}
    return {part: slopes(table, measure=part, **over).pooled for part in PARTS}


def claims(found: OfSettings) -> list[Claim]:
    """Return how the parts go with test accuracy, of either kind of path, in the shares of CLAIMED_OF."""
    ways = {"composition": "through other numbers of crossings", "rates": "at equal numbers of crossings"}
    made = []
    for (kind, part), rises in CLAIMED.items():
        for scalar in CLAIMED_OF:
            if slope := with_accuracy(found, kind, scalar):
                all_of_it = slope["whole"].statistic
                whole = f"of {all_of_it:+.3g} in all, per 1 of test accuracy" if np.isfinite(all_of_it) else ""
                name = f"{metric_of(kind, scalar)} with test accuracy, {ways[part]}"
                judged: dict[str, Any] = {"trials": "slopes over settings", "of": "settings"}
                made.append(judge_sign(name, slope[part], positive=rises, note=whole, **judged))
    return made


def all_notes(comparisons: Sequence[Comparison]) -> list[str]:
    """Return the notes of the comparisons, with a count of those beyond the first few; what all say is there once."""
    said = [(each.name, note.removeprefix(f"{each.name}, ")) for each in comparisons for note in each.notes]
    count = Counter(note for _, note in said)
    everywhere = {note for note in count if count[note] == len(comparisons) > 1}
    notes = list(dict.fromkeys(note if note in everywhere else f"{name}, {note}" for name, note in said))
    return notes[:MOST] + [f"and {len(notes) - MOST} such notes more, in the JSON"] * (len(notes) > MOST)

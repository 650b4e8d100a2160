"""Does what the paper claims of frequency and accuracy hold under every measure of frequency?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from analysis.questions.by_intervention import ACCURACY, FEWEST, KINDS, LOSS, associations, sound_trials

if TYPE_CHECKING:
    import pandas as pd

    from analysis.inference.claim import Claim
    from analysis.tables.table import Records

WITHIN, BETWEEN = KINDS
MEASURES = {  # the end of a metric's name -> what it is
    "": "released share",
    "fixed_band": "fixed band",
    "mirror": "mirrored",
    "hann": "Hann window",
    "detrend": "trend removed",
}
RISES = "1. later in training, in most settings"
OVERALL = "2. in more accurate networks"
SLOPE = "2. the same within interventions (slope)"
GIVEN = "2. the same at equal training loss and intervention"
AMONG = "3. in more accurate networks, by"  # and then an intervention


class Row(NamedTuple):
    """A claim on one kind of frequency, and what each measure says of it."""

    name: str
    kind: str  # one of KINDS
    claims: dict[str, Claim]  # by the measure's name, those of MEASURES that the records have


def measures_of(records: Records) -> list[str]:
    """Return the ends of the names of the measures, MEASURES, that trials have of both kinds at their last epoch."""
    last = records.last
    known = {end: [named(kind, end) for kind in KINDS] for end in MEASURES}
    there = {end: last[names] for end, names in known.items() if {*names} <= {*last}}
    return [end for end, values in there.items() if np.isfinite(values).all(axis=1).any()]


def by_measure(records: Records) -> tuple[list[Row], list[str]]:
    """Return the paper's claims 1 to 3 of the records' trials, each under every measure that there is; and notes.

    Claim 3 is made of interventions with at least 5 settings. A note says how many trials a measure is over, where some
    lack it. RecordError without trials.
    """
    found: dict[tuple[str, str], dict[str, Claim]] = {}
    said: dict[str, list[str]] = {}
    there = measures_of(records)
    for end in there:
        claims, notes = _claims(under(records, end))
        for claim in claims:
            found.setdefault((claim.name, claim.trials), {})[MEASURES[end]] = claim
        for note in notes:
            said.setdefault(note, []).append(MEASURES[end])
    lost = [MEASURES[end] for end in MEASURES if end not in there and named(WITHIN, end) in records.table]
    said |= {"no trial has it at its last epoch": lost} if lost else {}
    notes = [note if len(of) == len(there) else f"{', '.join(of)}: {note}" for note, of in said.items()]
    names, kinds = list(dict.fromkeys(name for name, _ in found)), list(KINDS)
    keys = sorted(found, key=lambda key: (names.index(key[0]), kinds.index(key[1])))
    return [Row(*key, found[key]) for key in keys], notes


def named(kind: str, end: str) -> str:
    """Return the name of a metric: one kind of frequency by one of MEASURES."""
    return f"{kind}/{end}" if end else kind


def under(records: Records, end: str) -> Records:
    """Return the records with the frequencies that a measure gives in the place of the released shares."""
    columns = {kind: records.table[named(kind, end)] for kind in KINDS}
    return replace(records, table=records.table.assign(**columns))


def _claims(records: Records) -> tuple[list[Claim], list[str]]:
    """Return the claims of records whose shares are by one measure, `trials` the kind of frequency; and notes."""
    from analysis.inference.claim import judge_sign
    from analysis.questions.time_order import curves_table, rising_claims, time_orders

    last, sound = sound_trials(records)
    notes = [f"{len(sound)} of {len(last)} trials have it"] * (len(sound) < len(last))
    rising, _ = rising_claims(time_orders(curves_table(records)[0]))
    found = [
        replace(each, name=RISES, trials=BETWEEN)
        for each in rising
        if each.name == f"share of settings in which {BETWEEN} rises with epoch"
    ]
    asked: list[tuple[str, str, Any]] = []
    for row in associations(sound):
        name = OVERALL if row.trials == "all" else f"{AMONG} {row.trials}"
        asked += [(name, kind, row.spearman[kind]) for kind in KINDS if row.spearman is not None]
        if row.trials == "all" and row.units >= FEWEST and sound["intervention"].nunique() > 1:
            fixed, why = _held_fixed(sound)
            asked, notes = asked + fixed, notes + why
    claims = [
        judge_sign(name, result, trials=kind, positive=KINDS[kind], of="settings") for name, kind, result in asked
    ]
    return found + claims, notes


def _held_fixed(sound: pd.DataFrame) -> tuple[list[tuple[str, str, Any]], list[str]]:
    """Return the relations that hold intervention, and training loss, fixed, and why one is missing."""
    from analysis.inference import partial_correlation, slopes

    found: list[tuple[str, str, Any]] = []
    columns: dict[str, Any] = {"target": ACCURACY, "cluster": "unit"}
    for kind in KINDS:
        found.append((SLOPE, kind, slopes(sound, measure=kind, family="intervention", **columns).within))
    missing = len(sound) if LOSS not in sound else int((~np.isfinite(sound[LOSS])).sum())
    if missing:
        return found, [f"not at equal training loss: {missing} trials have none"]
    try:
        for kind in KINDS:
            given = partial_correlation(sound, measure=kind, given=[LOSS, "intervention"], **columns)
            found.append((GIVEN, kind, given))
    except ValueError as error:
        return found, [f"not at equal training loss: {error}"]
    return found, []

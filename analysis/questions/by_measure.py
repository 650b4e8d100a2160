"""Does what the paper claims of frequency and accuracy hold under every measure of frequency?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from analysis.questions.by_intervention import ACCURACY, FEWEST, KINDS, associations, sound_trials

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
RISES = "1. rises with epoch, share of settings"
OVERALL = "2. with accuracy, over all settings"
SLOPE = "2. with accuracy, slope within interventions"
GIVEN = "2. with accuracy, given training loss and intervention"
AMONG = "3. with accuracy, by"  # and then an intervention


class Row(NamedTuple):
    """A claim on one kind of frequency, and what each measure says of it."""

    name: str
    kind: str  # one of KINDS
    claims: dict[str, Claim]  # by the measure's name, those of MEASURES that the records have


def measures_of(records: Records) -> list[str]:
    """Return the ends of the names of the measures, MEASURES, that the records have of both kinds of path."""
    return [end for end in MEASURES if all(_named(kind, end) in records.table for kind in KINDS)]


def by_measure(records: Records, loss: str) -> list[Row]:
    """Return the paper's claims 1 to 3 of the records' trials, each under every measure that there is.

    Claim 3 is made of interventions with at least 5 settings. `loss` names what is held fixed. RecordError without
    trials.
    """
    found: dict[tuple[str, str], dict[str, Claim]] = {}
    for end in measures_of(records):
        for claim in _claims(under(records, end), loss):
            found.setdefault((claim.name, claim.trials), {})[MEASURES[end]] = claim
    order = {kind: place for place, kind in enumerate((BETWEEN, WITHIN))}
    names = list(dict.fromkeys(name for name, _ in found))
    keys = sorted(found, key=lambda key: (names.index(key[0]), order[key[1]]))
    return [Row(*key, found[key]) for key in keys]


def _named(kind: str, end: str) -> str:
    return f"{kind}/{end}" if end else kind


def under(records: Records, end: str) -> Records:
    """Return the records with the frequencies that a measure gives in the place of the released shares."""
    columns = {kind: records.table[_named(kind, end)] for kind in KINDS}
    return replace(records, table=records.table.assign(**columns))


def _claims(records: Records, loss: str) -> list[Claim]:
    """Return the claims of records whose shares are by one measure; `trials` is the kind of frequency."""
    from analysis.inference.claim import judge_sign
    from analysis.questions.time_order import curves_table, rising_claims, time_orders

    _, sound = sound_trials(records)
    rising, _ = rising_claims(time_orders(curves_table(records)[0]))
    found = [replace(each, name=RISES, trials=BETWEEN) for each in rising if each.name.startswith(_rises(BETWEEN))]
    asked: list[tuple[str, str, Any]] = []
    for row in associations(sound):
        name = OVERALL if row.trials == "all" else f"{AMONG} {row.trials}"
        asked += [(name, kind, row.spearman[kind]) for kind in KINDS if row.spearman is not None]
        if row.trials == "all" and row.units >= FEWEST:
            asked += _held_fixed(sound, loss)
    return found + [
        judge_sign(name, result, trials=kind, positive=KINDS[kind], of="settings") for name, kind, result in asked
    ]


def _rises(kind: str) -> str:
    return f"share of settings in which {kind} rises"


def _held_fixed(sound: pd.DataFrame, loss: str) -> list[tuple[str, str, Any]]:
    """Return the relations that hold intervention, and training loss, fixed; none where too little is left."""
    from analysis.inference import partial_correlation, slopes

    found: list[tuple[str, str, Any]] = []
    for kind in KINDS:
        columns: dict[str, Any] = {"measure": kind, "target": ACCURACY, "cluster": "unit"}
        found.append((SLOPE, kind, slopes(sound, family="intervention", **columns).within))
        if loss in sound and np.isfinite(sound[loss]).all():
            try:
                found.append((GIVEN, kind, partial_correlation(sound, given=[loss, "intervention"], **columns)))
            except ValueError:  # as many interventions as settings
                continue
    return found

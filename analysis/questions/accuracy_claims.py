"""Do more accurate networks have a higher frequency between classes and a lower one within? By every way of asking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.questions.by_intervention import FEWEST, KINDS

if TYPE_CHECKING:
    import pandas as pd

    from analysis.inference.claim import Claim
    from analysis.inference.relation import Relation

NO_PROBE = "generalization/test_accuracy/no_probe"
NAMES = {"frequency/within_class": "within-class frequency", "frequency/between_class": "between-class frequency"}
PLAIN = "test accuracy, Spearman"  # the claim that answers the question
ANSWERED = {kind: f"the {name} is {'higher' if KINDS[kind] else 'lower'}" for kind, name in NAMES.items()}
MANY_SETTINGS = 20


def claims(sound: pd.DataFrame, relations: list[Relation], right: dict[str, Any]) -> list[Claim]:
    """Return the paper's claim on either kind of frequency, by every way of asking that there is."""
    from analysis.inference import spearman
    from analysis.inference.claim import judge_sign

    found = []
    for each in relations:
        asked: dict[str, Any] = {PLAIN: each.spearman}
        if NO_PROBE in sound and sound["unit"][np.isfinite(sound[NO_PROBE])].nunique() >= FEWEST:
            name = "accuracy on images without probes, Spearman"
            asked[name] = spearman(sound[NO_PROBE], sound[each.measure], clusters=sound["unit"])
        if each.measure in right:
            asked["paths that all trials get right, Spearman"] = right[each.measure]
        if each.slopes is not None:
            asked["slope within interventions"] = each.slopes.within
        asked |= {"given training loss and intervention": each.partial} if each.partial and each.given else {}
        asked |= {"granulated Kendall": each.granulated} if each.granulated else {}
        for name, result in asked.items():
            note = each.slopes.simpson if each.slopes is not None and name.startswith("slope") else ""
            positive = KINDS[each.measure]
            found.append(judge_sign(name, result, trials=each.measure, positive=positive, note=note, of="settings"))
    return found


def answers(asked: list[Claim]) -> list[str]:
    """Return the two relations in words."""
    from analysis.inference.claim import in_words

    said = {kind: f"{ANSWERED[kind]} in more accurate networks" for kind in KINDS}
    plain = {claim.trials: claim for claim in asked if claim.name == PLAIN}
    return [in_words(plain[kind], said[kind], "Spearman") for kind in KINDS if kind in plain]


def few_units(sound: pd.DataFrame) -> list[str]:
    """Return a note where so few settings are compared that intervals say little."""
    settings = sound["unit"].nunique()
    return [f"{settings} settings are few: intervals are wide, and what is undecided is no evidence of nothing"] * (
        settings < MANY_SETTINGS
    )


def disagreeing(asked: list[Claim]) -> list[str]:
    """Return what other ways of asking say where it is not what the plain correlation says."""
    notes = []
    for kind, said in ANSWERED.items():
        verdict = {claim.name: claim.verdict for claim in asked if claim.trials == kind}
        against = [name for name, each in verdict.items() if {each, verdict[PLAIN]} == {"held", "not held"}]
        if against:
            notes.append(f"that {said} in more accurate networks is turned round by: {', '.join(against)}")
    return notes


def opposite(others: pd.DataFrame) -> list[str]:
    """Return a note on the measures of either kind that go with accuracy the other way than the paper's, surely."""
    notes = []
    for kind, positive in KINDS.items():
        own = others[others["measure"].str.startswith(kind + "/")]
        against = own[own["high"] < 0 if positive else own["low"] > 0]["measure"].tolist()
        if against:
            names = ", ".join(name.removeprefix(kind + "/") for name in against)
            notes.append(
                f"{kind}: {len(against)} of its {len(own)} other measures have the opposite sign surely: {names}"
            )
    return notes

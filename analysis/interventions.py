"""Do interventions that raise test accuracy raise the frequency between classes and lower it within them?

Claim 2 of "Spectral Bias in Practice" (NeurIPS 2022), for the trials of one sweep: the relation of test accuracy to
the frequency within and between classes, over all trials and per intervention. It also uses accuracy on test images
that are on no path, and only the paths whose ends all trials classify correctly. It checks what makes such relations
misleading: interventions that reverse them, training loss, repeats, many measures, a selected sample.

  python analysis/interventions.py --experiment cifar-quick
  python analysis/interventions.py --records records.csv
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis.questions.by_intervention import (
    ACCURACY,
    FEWEST,
    KINDS,
    LOSS,
    associations,
    associations_text,
    coefficient_text,
    effects,
    effects_text,
    sound_trials,
)
from analysis.tables.options import Options, read_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from analysis.findings import Findings
    from analysis.inference.relation import Relation
    from analysis.tables.table import Records

FEWEST_PATHS = 20  # that all trials get right, for a correlation over them
PUBLISHED = " Grey: published networks that were not pruned (RobustNets), and the line through all 447."
NOTE = (
    "unit: a setting with its repeats, left out as one; family: the trials of one intervention. 95% intervals; p"
    " within families permutes accuracy among the settings of one; q is Benjamini and Hochberg's over the measures of"
    " the last table, all there are. Claims:"
)


def interventions(records: Records) -> Findings:
    """Return what each setting changed, the figure and, with enough settings, how frequency goes with accuracy.

    RecordError without trials.
    """
    from analysis.figures import interventions_figure
    from analysis.findings import Findings
    from analysis.questions.robustnets import beside, comparable, compared
    from analysis.tables.conditions import data_and_model

    records = records.of_part("training")
    last, sound = sound_trials(records)
    changed, settings = effects(records, sound), sound["unit"].nunique()
    if settings >= FEWEST:
        found = correlations(records, sound)
    else:
        few = f"they take {FEWEST} settings with a finite accuracy and frequency, and there are {settings}"
        found = Findings(answers=[f"no correlation and no claim: {few}"])
    found.tables.insert(0, effects_text(changed))
    found.numbers["effects"] = changed
    found.careful += twins(records, sound)
    if len(sound) < len(last):
        left_out = len(last) - len(sound)
        found.careful.append(f"left out: {left_out} trials whose accuracy or frequency is missing or not finite")
    if published := comparable(records):
        found.answers.append(beside(sound))
        found.notes.append(compared(sound))
    caption = f"{len(sound)} trials, {data_and_model(records)}; points and lines are single trials, without intervals. "
    found.captions = {"interventions": caption + found.captions.get("interventions", "") + PUBLISHED * published}
    found.figures["interventions"] = interventions_figure(records.table, url=records.url, published=published)
    return found


def correlations(records: Records, sound: pd.DataFrame) -> Findings:
    """Return the claims, the associations overall and per intervention in every way, and the caption."""
    from analysis.findings import Findings
    from analysis.inference.claim import SIGN
    from analysis.inference.many import as_text as many_text
    from analysis.inference.many import associate_all
    from analysis.inference.relation import as_text as relation_text
    from analysis.questions.accuracy_claims import answers, claims, disagreeing, few_units, opposite
    from analysis.tables.waves import CYCLES

    rows = associations(sound)
    relations = [relation(records, sound, kind) for kind in KINDS]
    names = [name for name in records.metrics if not name.startswith("generalization/") and name != CYCLES]
    others = associate_all(sound, names, target=ACCURACY, family="intervention", cluster="unit")
    right, notes = right_by_all_trials(records, sound)
    judged = f"{len(sound)} trials of {sound['unit'].nunique()} settings; {NOTE} {SIGN}"
    asked = claims(sound, relations, right)
    return Findings(
        claims=asked,
        answers=answers(asked),
        tables=[associations_text(rows), *map(relation_text, relations), many_text(others, ACCURACY)],
        captions={"interventions": _caption(relations)},
        notes=[judged, *notes],
        careful=[*few_units(sound), *disagreeing(asked), *opposite(others)],
        numbers={"associations": rows, "relations": relations, "measures": others, "right_by_all": right},
    )


def twins(records: Records, sound: pd.DataFrame) -> list[str]:
    """Return a note on trials that are the same in every measure, bit for bit, if there are any."""
    groups = sound.groupby(records.metrics, dropna=False, sort=False)["label"]
    same = "; ".join(" and ".join(labels) for _, labels in groups if len(labels) > 1)
    return [f"the same in every measure, so that what they differ in had no effect: {same}"] if same else []


def relation(records: Records, sound: pd.DataFrame, kind: str) -> Relation:
    """Return how one kind of frequency goes with test accuracy, training loss held fixed where it is known."""
    from analysis.inference.relation import relate
    from specbias.data.datasets import DATASETS

    dataset = DATASETS.get(records.values_of("dataset"))
    given = [LOSS] if LOSS in sound and sound[LOSS].notna().all() else []
    return relate(
        sound.assign(**records.texts.loc[sound.index, records.varied]),
        measure=kind,
        target=ACCURACY,
        family="intervention",
        axes=records.varied,
        given=given,
        cluster="unit",
        test_size=None if dataset is None else dataset.sizes[2],
    )


def right_by_all_trials(records: Records, sound: pd.DataFrame) -> tuple[dict[str, Any], list[str]]:
    """Return the association over the paths whose ends all trials get right, by kind, and notes on what it rests on."""
    from analysis.inference import spearman
    from analysis.inference.paired import right_by_all
    from analysis.tables.arrays import last_arrays, note_on_missing
    from analysis.tables.table import RecordError

    found: dict[str, Any] = {}
    seen: list[str] = []

    def arrays() -> Iterator[tuple[str, dict[str, Any]]]:
        for row, each in last_arrays(records):
            seen.append(row["trial_id"])
            yield row["trial_id"], each

    try:
        common = right_by_all(arrays(), kinds=[kind.removeprefix("frequency/") for kind in KINDS])
    except (RecordError, ValueError) as error:
        return found, [f"over the paths that all trials get right: not done ({error})"]
    by_id, notes = sound.set_index("trial_id"), note_on_missing(records, len(seen))
    for kind, right in common.items():
        compared = by_id.loc[[trial for trial in right.means if trial in by_id.index]]
        few = right.paths < FEWEST_PATHS
        why = f", too few for a correlation ({FEWEST_PATHS} needed)" if few else ""
        notes.append(f"paths that all trials get right, {kind}: {right.paths} of {right.of}{why}")
        if right.left_out:
            notes.append(f"measured on other paths, left out there: {len(right.left_out)} trials")
        if not few and compared["unit"].nunique() >= FEWEST:
            values = [right.means[trial] for trial in compared.index]
            found[f"frequency/{kind}"] = spearman(compared[ACCURACY], values, clusters=compared["unit"])
    return found, notes


def _caption(relations: list[Relation]) -> str:
    return (
        "; ".join(f"{each.measure}: Spearman {coefficient_text(each.spearman)}" for each in relations)
        + " (95% jackknife)."
    )


def main() -> None:
    """Print claims and tables, save the figure and the numbers, and attach them to the sweep's parent run."""
    options = read_options(Options, __doc__)
    from analysis.findings import publish  # pandas, matplotlib and mlflow only past --help

    publish("interventions", interventions, options)


if __name__ == "__main__":
    main()

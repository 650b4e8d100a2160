"""Which numbers does docs/study.md hold? The tables that follow from docs/study/records.csv, as lines of Markdown.

python -m tests.analysis.study_page       prints them, for the page
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from analysis.class_diversity import class_diversity
from analysis.decompose import decompose
from analysis.inference import spearman
from analysis.inference.claim import WORDS, Claim
from analysis.measures import as_markdown
from analysis.questions.accuracy_claims import NO_PROBE
from analysis.questions.by_intervention import ACCURACY, KINDS, coefficient_text, effects, sound_trials
from analysis.questions.by_measure import MEASURES, by_measure, named, under
from analysis.questions.robustnets import compared
from analysis.tables.records_file import read_records
from analysis.tables.table import Records
from analysis.tables.waves import UNIFORM, noise_groups

DOCS = Path(__file__).parents[2] / "docs"
TABLE, NETWORKS, PAGE = DOCS / "study" / "records.csv", DOCS / "study" / "networks.csv", DOCS / "study.md"
SHOWN = ("", "mirror")  # the measures of the table of settings


@cache
def records_of(study: str) -> Records:
    """Return the records of one study of the page, those of networks that others trained as `checkpoints`."""
    return read_records(NETWORKS if study == "checkpoints" else TABLE, study)


def claims() -> list[str]:
    """Claims 1 to 3 under every measure."""
    return as_markdown(by_measure(records_of("cifar"))[0]).splitlines()


def settings() -> list[str]:
    """What every setting has, a mean over seeds: accuracy, and each kind of frequency by two measures."""
    records = records_of("cifar")
    tables = [effects(changed, sound_trials(changed)[1]) for changed in (under(records, end) for end in SHOWN)]
    found = [table.set_index("setting") for table in tables]
    heads = [f"{kind.split('/')[1].partition('_')[0]}, {MEASURES[end]}" for kind in KINDS for end in SHOWN]
    lines = [["setting", "test accuracy", *heads], ["---"] * (2 + len(heads))]
    for setting, row in found[0].iterrows():
        cells = [row[ACCURACY], *(table.loc[setting, kind] for kind in KINDS for table in found)]
        lines.append([setting, *(f"{cell:.3f}" for cell in cells)])
    return [f"| {' | '.join(line)} |" for line in lines]


def parts() -> list[str]:
    """Which part of each slope on accuracy is through other numbers of crossings, and which at equal numbers."""
    found = decompose(records_of("cifar")).claims
    plt.close("all")
    lines = ["| frequency | part | per 1 of test accuracy | expected | verdict |", "| --- | --- | --- | --- | --- |"]
    return lines + [_part(claim) for claim in found]


def _part(claim: Claim) -> str:
    kind, _, part = claim.name.removeprefix("frequency/").partition(" with test accuracy, ")
    ends = "" if claim.interval is None else " [{:+.3f}, {:+.3f}]".format(*claim.interval)
    verdict = WORDS.get(claim.verdict, claim.verdict)
    return f"| `{kind}` | {part} | {claim.statistic:+.3f}{ends} | {claim.criterion} | {verdict} |"


def without_probes() -> list[str]:
    """The correlations of claim 2 with accuracy on images that supply no path."""
    sound = sound_trials(records_of("cifar"))[1]
    return [coefficient_text(spearman(sound[NO_PROBE], sound[kind], clusters=sound["unit"])) for kind in KINDS]


def networks() -> list[str]:
    """What networks have that others trained: accuracy, both kinds of frequency, crossings and sharpness."""
    last = records_of("checkpoints").last
    ends = ("", "fixed_band", "mirror", "crossings", "sharpness")
    columns = [(kind, end) for kind in KINDS for end in ends]
    heads = [f"{kind.split('/')[1].partition('_')[0]}, {MEASURES.get(end, end)}" for kind, end in columns]
    lines = [["network", "test accuracy", *heads], ["---"] * (2 + len(heads))]
    for _, row in last.iterrows():
        cells = [row[ACCURACY], *(row[named(kind, end)] for kind, end in columns)]
        lines.append([f"ResNet-{row['depth']}", *(f"{cell:.3f}" for cell in cells)])
    return [f"| {' | '.join(line)} |" for line in lines]


def deeper() -> list[str]:
    """Why the deepest of these networks differs from the first: the parts of the difference, over images."""
    comparisons = decompose(records_of("checkpoints")).numbers["comparisons"]
    plt.close("all")
    (found,) = (each for each in comparisons if each["name"].endswith("depth=56"))
    lines = ["| frequency | difference | through other numbers of crossings | at equal numbers of crossings |"]
    lines.append("| --- | --- | --- | --- |")
    for kind, parts_of_kind in found["parts"].items():
        for scalar in ("high_frequency_share", "fixed_band", "mirror"):
            each = parts_of_kind[scalar]
            cells = [_interval(part) for part in (each.whole, each.composition, each.rates)]
            name = MEASURES.get(scalar, MEASURES[""])
            lines.append(f"| {kind.partition('_')[0]}, {name} | {' | '.join(cells)} |")
    return lines


def _interval(part: Any) -> str:
    return f"{part.statistic:+.4f} [{part.interval[0]:+.4f}, {part.interval[1]:+.4f}]"


def published() -> list[str]:
    """How the trainings lie to 447 networks of the paper's first author."""
    return [compared(sound_trials(records_of("cifar"))[1])]


def noise() -> list[str]:
    """How much of three waves along the lowest spatial frequency each of four settings fits, less the control."""
    groups, _ = noise_groups(records_of("label_noise"))
    lowest = min(wave.along for group in groups for wave in group.waves if wave != UNIFORM)
    fitted = ([group.less_control(w).mean() for w in group.waves if w.along == lowest] for group in groups)
    return [", ".join(f"{value:+.3f}" for value in values) for values in fitted]


def diversity() -> list[str]:
    """How within-class frequency goes with the diversity of classes, as measured and with equally many samples."""
    found = class_diversity(records_of("imagenet"))
    plt.close("all")
    (row,) = (line for line in found.tables[0].splitlines() if line.startswith("within classes, fixed samples"))
    interval = re.search(r"[-+]0\.\d\d +\[.*?\]", row)
    assert interval is not None
    (claim,) = found.claims
    assert claim.interval is not None
    low, high = claim.interval
    return [f"{claim.statistic:+.2f} [{low:+.2f}, {high:+.2f}]", interval[0]]


TABLES = (claims, without_probes, settings, parts, networks, deeper, published, noise, diversity)

if __name__ == "__main__":
    for table in TABLES:
        print(f"{table.__doc__}\n", *table(), "", sep="\n")

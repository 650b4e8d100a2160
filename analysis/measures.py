"""Do the claims on frequency and accuracy hold under every measure of frequency?

Tests claims 1 to 3 of "Spectral Bias in Practice" (NeurIPS 2022) on the trials of one sweep, side by side: by the share
that the paper's first author released, which has steps in a path's length and counts the jump from a path's end to its
beginning; by the share above a fixed band, which has no steps; and by the shares on mirrored, windowed and detrended
paths, which have no jump. What holds under one measure alone is a property of the measure.

  python analysis/measures.py --experiment cifar-quick
  python analysis/measures.py --records records.csv --full       with the numbers, as a table of Markdown
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from analysis.questions.by_intervention import KINDS
from analysis.tables.options import Options, read_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.findings import Findings
    from analysis.questions.by_measure import Row
    from analysis.tables.table import Records

SIDE = {kind: f"is {'higher between' if rises else 'lower within'} classes" for kind, rises in KINDS.items()}
HOW = (
    "95% intervals: of the share of settings the exact binomial one, which is to be above 0.5; at equal training loss"
    " Fisher's, over settings; of the others by leaving out a setting with its repeats at a time, or the whole of it"
)


def measures(records: Records) -> Findings:
    """Return the claims under every measure of frequency that the records have, as a table and a figure.

    RecordError without trials, with one measure, and with too few settings for any claim.
    """
    from analysis.figures.by_measure import by_measure_figure
    from analysis.findings import Findings
    from analysis.inference.claim import SIGN
    from analysis.questions.by_measure import by_measure, measures_of
    from analysis.tables.conditions import data_and_model
    from analysis.tables.table import RecordError

    records = records.of_part("training")
    if (there := len(measures_of(records))) < 2:
        raise RecordError(f"{records.source}: the trials have {there} of the measures of frequency; two are needed")
    rows, notes = by_measure(records)
    if not rows:
        raise RecordError(f"{records.source}: too few settings: correlations take 5, and an order in time 3 epochs")
    found = Findings(careful=notes, all_answered=True)
    found.claims = [
        replace(claim, trials=f"{claim.trials}, {measure}") for row in rows for measure, claim in row.claims.items()
    ]
    found.answers = in_words(rows)
    found.tables = [as_markdown(rows)]
    found.notes = [f"{HOW}. {SIGN}"]
    if (figure := by_measure_figure(rows)) is not None:
        found.figures = {"measures": figure}
        found.captions["measures"] = (
            f"{len(records.last)} trials, {data_and_model(records)}; rank correlations with test accuracy and their "
            "95% intervals. Grey: the side that the paper claims."
        )
    found.numbers["rows"] = [{"claim": row.name, "kind": row.kind, "by_measure": row.claims} for row in rows]
    return found


def in_words(rows: Sequence[Row]) -> list[str]:
    """Return how each claim's verdicts are shared out among the measures; claim 3 in a line per kind of path."""
    from analysis.inference.claim import WORDS
    from analysis.questions.by_measure import AMONG, OVERALL, RISES

    first = (RISES, OVERALL, f"{AMONG} intervention")
    by_name: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        short = first[-1] if row.name.startswith(AMONG) else row.name
        by_name.setdefault((short, row.kind), []).append(row)
    lines = []
    for (name, kind), group in sorted(by_name.items(), key=lambda item: item[0][0] not in first):
        said: dict[str, list[str]] = {}
        for measure in dict.fromkeys(measure for row in group for measure in row.claims):
            verdicts = [WORDS.get(claim.verdict, claim.verdict) for row in group if (claim := row.claims.get(measure))]
            counts = Counter(verdicts)
            text = verdicts[0] if len(group) == 1 else ", ".join(f"{n} {each}" for each, n in counts.items())
            said.setdefault(text, []).append(measure)
        each = "; ".join(f"{text} ({', '.join(of)})" for text, of in said.items())
        lines.append(f"{name}, frequency {SIDE[kind]}: {each}")
    return lines


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the claims as a table of Markdown: a row each, a column per measure."""
    names = list(dict.fromkeys(measure for row in rows for measure in row.claims))
    lines = [["claim", "frequency", *names], ["---"] * (2 + len(names))]
    for row in rows:
        cells = (_cell(row, measure) for measure in names)
        lines.append([row.name.replace("|", "\\|"), SIDE[row.kind], *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(row: Row, measure: str) -> str:
    from analysis.inference.claim import WORDS

    if (claim := row.claims.get(measure)) is None:
        return ""
    if claim.verdict == "undefined":
        return claim.verdict
    ends = "" if claim.interval is None else " [{:+.2f}, {:+.2f}]".format(*claim.interval)
    return f"{claim.statistic:+.2f}{ends} {WORDS.get(claim.verdict, claim.verdict)}"


def main() -> None:
    """Print the claims, save the figure and the numbers, and attach them to the sweep's parent run."""
    options = read_options(Options, __doc__)
    from analysis.findings import publish  # pandas, matplotlib and mlflow only past --help

    publish("measures", measures, options)


if __name__ == "__main__":
    main()

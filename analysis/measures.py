"""Do the claims on frequency and accuracy hold under every measure of frequency?

Claims 1 to 3 of "Spectral Bias in Practice" (NeurIPS 2022), for the trials of one sweep, side by side: by the share
that the paper's first author released, which has steps in a path's length and counts the jump from a path's end to its
beginning; by the share above a fixed band, which has no steps; and by the shares on mirrored, windowed and detrended
paths, which have no jump. What holds under one measure alone is a property of the measure.

  python analysis/measures.py --experiment cifar-quick
  python analysis/measures.py --records records.csv
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from analysis.questions.by_intervention import KINDS
from analysis.tables.options import Options, read_options

if TYPE_CHECKING:
    from analysis.findings import Findings
    from analysis.questions.by_measure import Row
    from analysis.tables.table import Records

LOSS = "generalization/train_loss"
SIDE = {kind: "higher between classes" if rises else "lower within classes" for kind, rises in KINDS.items()}


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
    if len(there := measures_of(records)) < 2:
        raise RecordError(f"{records.source}: {len(there)} measures of frequency; to compare takes two")
    rows = by_measure(records, LOSS)
    if not rows:
        raise RecordError(f"{records.source}: too few settings for a claim, which takes 5")
    found = Findings(
        claims=[
            replace(claim, trials=f"{claim.trials}, {measure}") for row in rows for measure, claim in row.claims.items()
        ]
    )
    found.answers = [_in_words(row) for row in rows]
    found.tables = [as_markdown(rows)]
    found.notes = [f"95% intervals, a setting with its repeats left out as one; {SIGN}"]
    found.figures = {"measures": by_measure_figure(rows)}
    found.captions["measures"] = (
        f"{len(records.last)} trials, {data_and_model(records)}; rank correlations with test accuracy and their 95% "
        "intervals. Shaded: the side that the paper claims."
    )
    found.numbers["rows"] = [{"claim": row.name, "kind": row.kind, "by_measure": row.claims} for row in rows]
    return found


def _in_words(row: Row) -> str:
    """Return how a claim's verdicts are shared out among the measures."""
    from analysis.inference.claim import WORDS

    verdicts: dict[str, list[str]] = {}
    for measure, claim in row.claims.items():
        verdicts.setdefault(WORDS.get(claim.verdict, claim.verdict), []).append(measure)
    said = "; ".join(f"{verdict} ({', '.join(names)})" for verdict, names in verdicts.items())
    return f"{row.name}, {SIDE[row.kind]}: {said}"


def as_markdown(rows: list[Row]) -> str:
    """Return the claims as a table of Markdown: a row each, a column per measure."""
    names = list(dict.fromkeys(measure for row in rows for measure in row.claims))
    lines = [["claim", "frequency", *names], ["---"] * (2 + len(names))]
    for row in rows:
        cells = (_cell(row, measure) for measure in names)
        lines.append([row.name, SIDE[row.kind], *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(row: Row, measure: str) -> str:
    from analysis.inference.claim import WORDS

    if (claim := row.claims.get(measure)) is None:
        return ""
    ends = "" if claim.interval is None else " [{:+.2f}, {:+.2f}]".format(*claim.interval)
    return f"{claim.statistic:+.2f}{ends} {WORDS.get(claim.verdict, claim.verdict)}"


def main() -> None:
    """Print the claims, save the figure and the numbers, and attach them to the sweep's parent run."""
    options = read_options(Options, __doc__)
    from analysis.findings import publish  # pandas, matplotlib and mlflow only past --help

    publish("measures", measures, options)


if __name__ == "__main__":
    main()

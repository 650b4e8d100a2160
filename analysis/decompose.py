"""Why did a frequency change: do paths cross classes more often, or vary more at equal numbers of crossings?

It compares settings of a sweep with the baseline, a network in training with its earlier self, or two networks
measured on the same images. The difference of every mean over paths is split into two parts that sum to it:
composition, from other numbers of crossings (0, 1, 2, 3 or more changes of the predicted class), and rates, from other
values at equal numbers, for example sharper crossings. Kitagawa 1955, Oaxaca 1973, Blinder 1973. 95% intervals are
over images.

  python analysis/decompose.py --experiment cifar-quick
  python analysis/decompose.py first.npz second.npz     files of `python -m specbias measure`: others less the first
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from analysis.tables.options import FOLDER, Options, read_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from analysis.figures.added_bars import Bar
    from analysis.findings import Findings
    from analysis.inference.decomposition import Decomposition
    from analysis.questions.differences import Comparison
    from analysis.tables.table import Records

SHOWN = ("high_frequency_share", "fixed_band", "mirror", "mean_frequency", "total_variation")  # of files
DRAWN = SHOWN[:3]
PRINTED = ("high_frequency_share", "mirror")  # of a sweep, which has many rows
LONGEST = 20  # rows of a figure
NAMES = ("composition: other numbers of crossings", "rates: other values at equal numbers")
PLAIN = (
    "composition: what other numbers of crossings make of the difference, rates: what other values at equal numbers of"
    " crossings do; they sum to it. 95% intervals over images, with the networks taken as they are: they say nothing of"
    " other seeds"
)


@dataclass(frozen=True)
class DecomposeOptions(Options):
    files: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE ...", help_behavior_hint="")
    ] = ()
    """Two or more .npz files of networks measured on the same images, instead of a sweep."""
    trial: Annotated[str | None, tyro.conf.arg(metavar="ID", help_behavior_hint="")] = None
    """Trial whose training is analysed, by the first characters of its id; default the baseline's first trial."""

    @property
    def folder(self) -> Path:
        """Where the results go."""
        if self.out or not self.files:
            usual = super().folder
            return usual if self.out or not self.trial else usual.with_name(f"{usual.name}-trial-{self.trial}")
        more = f"-and-{len(self.files) - 2}-more" if len(self.files) > 2 else ""
        return Path(FOLDER) / ("-".join(file.stem for file in self.files[:2]) + more)


def decompose(records: Records, *, trial: str | None = None) -> Findings:
    """Return why settings differ from the baseline, and a trial from epoch to epoch; claims and figures.

    RecordError where there is nothing to compare.
    """
    from analysis.findings import Findings
    from analysis.inference.claim import SIGN, in_words
    from analysis.questions import sweep_differences as sweep
    from analysis.tables.conditions import data_and_model
    from analysis.tables.table import RecordError

    records = records.of_part("training")
    records.refuse_selected()
    found = sweep.by_setting(records)
    label, steps, lost = sweep.along_training(records, trial)
    if not (found.comparisons or steps):
        raise RecordError("; ".join([f"{records.source}: nothing to compare", *found.notes[:1], *lost[:1]]))
    rows = [*found.comparisons, *steps]
    claims = sweep.claims(found)
    findings = Findings(claims=claims, tables=_tables(rows, PRINTED), numbers={"along": label} | _numbers(rows))
    findings.answers = [in_words(claim, claim.name) for claim in claims if "/mirror" not in claim.name]
    findings.notes += [f"differences: settings less {found.reference}; epochs of {label} less the one before; {PLAIN}"]
    findings.notes += [f"{SIGN}; here n is settings, the reference with them"] * bool(claims)
    findings.notes += [*found.notes, *lost, *sweep.all_notes(rows)]
    over = f"{data_and_model(records)}; bars with their 95% intervals, over images."
    if found.comparisons:
        shown = found.comparisons[:LONGEST]
        more = f" The first {LONGEST} of {len(found.comparisons)} settings." * (len(found.comparisons) > LONGEST)
        for scalar in DRAWN:
            caption = f"Settings less {found.reference}, {over}{more}"
            _keep(findings, f"decompose_{scalar}", _figure(shown, [scalar]), caption)
    if steps:
        caption = f"{label}, an epoch less the one measured before, {over}"
        _keep(findings, "decompose_training", _figure(steps[-LONGEST:], DRAWN), caption)
    return findings


def _keep(findings: Findings, name: str, figure: Any, caption: str) -> None:
    """Have a figure and its caption among the findings, where anything was drawn."""
    if figure is not None:
        findings.figures[name], findings.captions[name] = figure, caption


def of_files(files: Sequence[Path]) -> Findings:
    """Return why the networks of further files differ from that of the first. RecordError, in one line."""
    from analysis.findings import Findings
    from analysis.questions import sweep_differences as sweep
    from analysis.questions.differences import Network, compare
    from analysis.tables.measured import names_of, read_measurement
    from analysis.tables.table import RecordError

    if len(files) < 2:
        raise RecordError(f"{files[0]}: one file; the difference is of two or more")
    names = names_of(files)
    first, *others = (Network.of(name, read_measurement(file)) for name, file in zip(names, files, strict=True))
    try:
        rows = [compare(other.name, first.name, [(first, other)]) for other in others]
    except ValueError as error:
        raise RecordError(str(error)) from None
    notes = [f"differences: less {first.name}; {PLAIN}", *sweep.all_notes(rows), *_means(rows)]
    findings = Findings(tables=_tables(rows, SHOWN), notes=notes, numbers=_numbers(rows))
    findings.answers = [*_in_words(rows), *_means(rows)]
    of = f"{rows[0].name}" if len(rows) == 1 else f"{len(rows)} networks"
    counts = ", ".join(
        f"{max(each.n for each in parts.values())} {kind} paths" for kind, parts in rows[0].parts.items()
    )
    figure = _figure(rows, DRAWN) if len(rows) > 1 else _by_crossings(rows[0])
    _keep(findings, "decompose", figure, f"{of} less {first.name}; {counts}; 95% intervals over images.")
    return findings


def _in_words(rows: Sequence[Comparison]) -> list[str]:
    """Return how the share on the fixed band differs, and its two parts, a line per network and kind of path."""

    def number(part: Any) -> str:
        return f"{part.statistic:+.4f}" + (
            "" if part.interval is None else " [{:+.4f}, {:+.4f}]".format(*part.interval)
        )

    return [
        f"{row.name}, {kind}: share on the band {number(found.whole)}, of it {number(found.composition)} by other "
        f"numbers of crossings and {number(found.rates)} at equal numbers"
        for row in rows
        for kind, parts in row.parts.items()
        if (found := parts.get("fixed_band")) is not None
    ]


def _means(rows: Sequence[Comparison]) -> list[str]:
    """Return as notes what the networks do on the paths."""
    words = {"crossings": "crossings", "outside": "share outside the ends' classes", "sharpness": "sharpness"}
    return [
        f"{row.name}, {kind}: mean "
        + ", ".join(f"{words[each]} {means[each][0]:.3g} to {means[each][1]:.3g}" for each in words)
        for row in rows
        for kind, means in row.means.items()
    ]


def _tables(rows: Sequence[Comparison], scalars: Sequence[str]) -> list[str]:
    """Return tables per kind of path; of several comparisons one per mean."""
    from analysis.questions.differences import as_text

    return [text for kind in rows[0].parts for text in as_text(rows, kind, scalars)]


def _numbers(rows: Sequence[Comparison]) -> dict[str, Any]:
    return {"comparisons": [vars(row) for row in rows]}


def _figure(rows: Sequence[Comparison], scalars: Sequence[str]) -> Any:
    """Draw a line of panels per mean, a column per kind of path, a row per comparison."""

    def bars(kind: str, scalar: str) -> list[Bar]:
        there = [row for row in rows if any(scalar in parts for parts in row.parts.values())]
        return [_bar(row.name, row.parts[kind].get(scalar)) for row in there]

    return _added(rows[0].parts, scalars, bars)


def _by_crossings(row: Comparison) -> Any:
    """Draw one comparison: a row per number of crossings, and all of them."""
    from analysis.figures.added_bars import Bar
    from analysis.inference.decomposition import CROSSINGS

    def bars(kind: str, scalar: str) -> list[Bar]:
        found, own = row.parts[kind].get(scalar), []
        for name in CROSSINGS if any(scalar in parts for parts in row.parts.values()) else ():
            label = f"{name} crossing{'s' * (name != '1')}"
            if found is None:
                own.append(Bar(label))
            else:
                parts = found.by_crossings[name].composition, found.by_crossings[name].rates
                ends = parts[0].interval, parts[1].interval, None
                own.append(Bar(label, (parts[0].statistic, parts[1].statistic), ends))
        return [*own, _bar("all", found, summary=True)] if own else []

    return _added(row.parts, DRAWN, bars)


def _bar(name: str, found: Decomposition | None, *, summary: bool = False) -> Bar:
    """Return a row with its two parts, or without any where there is no such mean."""
    from analysis.figures.added_bars import Bar

    if found is None:
        return Bar(name, summary=summary)
    parts = found.composition, found.rates
    ends = found.composition.interval, found.rates.interval, found.whole.interval
    return Bar(name, (parts[0].statistic, parts[1].statistic), ends, summary)


def _added(kinds: Iterable[str], scalars: Sequence[str], bars: Callable[[str, str], Sequence[Bar]]) -> Any:
    """Draw what `bars` returns of a kind of path and a mean, for the means that have any; None where none has."""
    from analysis.figures.added_bars import Bars, added_bars
    from analysis.figures.labels import label
    from analysis.questions.differences import metric_of

    lines = [[Bars(label(metric_of(kind, scalar)), bars(kind, scalar)) for kind in kinds] for scalar in scalars]
    panels = [line for line in lines if line[0].rows]
    return added_bars(panels, parts=NAMES, whole="difference", x="difference") if panels else None


def main() -> None:
    """Print the parts of every difference, save the figures and numbers, attach those of a sweep to its parent run."""
    options = read_options(DecomposeOptions, __doc__)
    from analysis.findings import publish, publish_files  # pandas, matplotlib and mlflow only past --help

    if options.files:
        publish_files("decompose", of_files, options)
    else:
        publish("decompose", partial(decompose, trial=options.trial), options)


if __name__ == "__main__":
    main()

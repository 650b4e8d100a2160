"""Do two networks differ? On the paths that both were measured on, or, where there are none, by their means alone."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from specbias.measurement.paired import Difference, mean_over_paths, paired_difference, shared_paths
from specbias.measurement.paired import unpaired_difference as unpaired
from specbias.pictures import KINDS, SCALARS, shortened
from specbias.results import Result, load
from specbias.settings import SettingError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ARRAYS = {name: "share" if name == "high_frequency_share" else name for name in SCALARS}  # their names in the npz
PER_CLASS = "fixed_band"  # compares classes: the released share steps with a path's length
LIKE = ("spacing", "path_samples")  # without these alike no frequency of one is one of the other
SAID = ("dataset", "split", "labels", "severity", "pairing", "seed", "pairs", "precision", "answers", "class_outputs")


class Compared(NamedTuple):
    """One quantity in two measurements: `kind` of paths ("" for accuracy), whose it is, and the difference."""

    network: str  # the second: what is compared to the first
    kind: str
    scalar: str
    classes: tuple[int, int] | None  # None: over all
    first: float
    second: float
    difference: Difference
    paired: bool


@dataclass(frozen=True, repr=False)
class Comparison:
    """What differs between networks, each compared to the first."""

    results: tuple[Result, ...]
    rows: tuple[Compared, ...]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        """Return the differences and the picture, for a notebook."""
        from specbias.portraits import SCREEN, as_png

        picture = base64.b64encode(as_png(self.plot(), dpi=SCREEN)).decode()
        return f'<pre>{escape(repr(self))}</pre><img alt="the comparison" src="data:image/png;base64,{picture}">'

    def plot(self, *, width: float = 17.5) -> Figure:
        """Return the picture of the comparison, `width` cm wide: below 12 its panels stand one below the other."""
        from specbias.comparison_portrait import draw_comparison

        names = self.results[0].record.get("class_names") or ()
        measured = [(result.name, result.arrays) for result in self.results]
        return draw_comparison(measured, self.rows, names, width=width)

    def to_frame(self) -> pd.DataFrame:
        """Return a row per quantity: what it is, both values, the difference with its 95% interval, and on how much."""
        import pandas as pd

        found = []
        for row in self.rows:
            low, high = row.difference.interval or (np.nan, np.nan)
            of = {"difference": row.difference.statistic, "low": low, "high": high, "n": row.difference.n}
            found.append({k: v for k, v in row._asdict().items() if k != "difference"} | of)
        return pd.DataFrame(found)


def compare(*measured: Result | str | Path) -> Comparison:
    """Compare measured networks, results or files of them, each to the first: accuracy, scalars, and class by class.

    Path by path on the paths that both were measured on, so that far smaller differences show than the two errors
    suggest; where there are none, by the means, with wider intervals, and said. SettingError where they are not to be
    compared: samples of other spacing, another signal, or distances in another space.

    >>> import specbias, torch
    >>> networks = [torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 10)) for _ in range(2)]
    >>> results = [specbias.measure(each, "digits", pairs=2, spacing=4, quiet=True) for each in networks]
    >>> found = specbias.compare(*results)
    >>> all(row.paired for row in found.rows), len(found.to_frame())
    (True, 23)
    """
    results = [each if isinstance(each, Result) else load(each) for each in measured]
    if len(results) < 2:
        raise SettingError("compare: two measurements or more are needed")
    results = [Result(r.record, r.arrays, name) for r, name in zip(results, _unlike(results), strict=True)]
    rows: list[Compared] = []
    notes: list[str] = []
    for other in results[1:]:
        _refuse(results[0], other)
        found, said = _compared(results[0], other)
        rows += found
        notes += said
    return Comparison(tuple(results), tuple(rows), tuple(dict.fromkeys(notes)))


def _unlike(results: Sequence[Result]) -> list[str]:
    names = [result.name for result in results]
    return [f"{name} ({place})" if names.count(name) > 1 else name for place, name in enumerate(names, start=1)]


def _refuse(first: Result, second: Result) -> None:
    """Raise SettingError, one line, with what makes the two no measurements of one kind."""
    pair = f"{first.name} and {second.name} are not to be compared"
    for name in LIKE:
        one, other = (result.record["settings"].get(name) for result in (first, second))
        if one != other:
            raise SettingError(f"{pair}: {name} {_said(one)} and {_said(other)}; measure both alike")
    one, other = (str(result.arrays["frequency/signal"]) for result in (first, second))
    if one != other:
        raise SettingError(f"{pair}: frequencies of {one} and of {other}; measure both alike")
    spaces = [result.record["normalisation"]["distances"] for result in (first, second)]
    if any(not np.allclose(spaces[0][key], spaces[1][key]) for key in ("mean", "std")):
        stds = " and ".join("/".join(f"{value:.3g}" for value in space["std"]) for space in spaces)
        raise SettingError(f"{pair}: distances in two spaces, std {stds}; give both one space")


def _compared(first: Result, second: Result) -> tuple[list[Compared], list[str]]:
    """Return all differences between two measurements, and what there is to say of how they were compared."""
    rows = [row] if (row := _accuracies(first, second)) else []
    arrays, both = (first.arrays, second.arrays), f"{first.name} and {second.name}"
    notes = [f"{both} differ in {said}"] if (said := _differing(first, second)) else []
    left_out: dict[str, None] = {}
    same_classes = first.record.get("class_names") == second.record.get("class_names")
    for kind, words in KINDS.items():
        shared, of = len(shared_paths(*arrays, kind)), len(first.arrays[f"frequency/{kind}/samples"])
        paired = shared > 1
        if not paired:
            notes.append(f"{both} share no path {words}: compared by their means alone, with wider intervals")
        elif shared < of:
            notes.append(f"{both} are compared on {shared} of {of} paths {words}, those that both have")
        wanted: list[tuple[str, tuple[int, int] | None]] = [(name, None) for name in SCALARS]
        if kind == "within_class" and same_classes:
            labels = np.unique(first.arrays[f"frequency/{kind}/first_class"]).tolist()
            wanted += [(PER_CLASS, (label, label)) for label in labels]
        for name, classes in wanted:
            how: dict[str, Any] = {"kind": kind, "scalar": ARRAYS[name], "classes": classes}
            try:
                difference = (paired_difference if paired else unpaired)(*arrays, **how)
                means = [mean_over_paths(each, **how).statistic for each in arrays]
            except KeyError:
                left_out[f"{SCALARS[name]} (not in both)"] = None
            except ValueError as refused:
                left_out[str(refused)] = None
            else:
                rows.append(Compared(second.name, kind, name, classes, means[0], means[1], difference, paired))
    notes += [f"left out: {each}" for each in left_out]
    return rows, notes


def _accuracies(first: Result, second: Result) -> Compared | None:
    """Return the difference of the accuracies: image by image where both were asked about the same; None if unknown."""
    hits = [result.arrays["correct"] for result in (first, second) if "correct" in result.arrays]
    if len(hits) < 2:
        return None
    means = [result.record["accuracy"] for result in (first, second)]
    one, other = (hit.astype(float) for hit in hits)
    paired = len(one) == len(other) and any(len(shared_paths(first.arrays, second.arrays, kind)) > 1 for kind in KINDS)
    parts = [other - one] if paired else [one, other]
    error = float(np.sqrt(sum(part.var(ddof=1) / len(part) for part in parts)))
    fewest = min(len(one), len(other))
    difference = Difference(means[1] - means[0], error, fewest, fewest - 1)
    return Compared(second.name, "", "accuracy", None, means[0], means[1], difference, paired)


def _differing(first: Result, second: Result) -> str:
    """Return in which settings that decide what is compared two measurements differ, in words."""
    settings = [result.record["settings"] for result in (first, second)]
    found = [
        f"{name} {_said(one)} and {_said(other)}"
        for name in SAID
        if (one := settings[0].get(name)) != (other := settings[1].get(name))
    ]
    return "; ".join(found)


def _said(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def as_text(comparison: Comparison) -> str:
    """Return the differences for people: a line per quantity, both kinds of paths beside each other, and the notes."""
    first, lines = comparison.results[0].name, []
    for result in comparison.results[1:]:
        rows = [row for row in comparison.rows if row.network == result.name]
        whole = {(row.scalar, row.kind): row for row in rows if row.classes is None}
        paired = {row.paired for row in rows if row.kind}
        how = "path by path" if paired == {True} else "by their means" if paired == {False} else "path by path, or not"
        lines.append(f"{result.name} less {first}, {how}, with 95% intervals")
        if row := whole.get(("accuracy", "")):
            lines.append(f"{'accuracy':22}{_interval(row)}   ({row.first:.4f} to {row.second:.4f})")
        lines.append(" " * 22 + "".join(f"{words:32}" for words in KINDS.values()).rstrip())
        for name, words in SCALARS.items():
            cells = [_interval(row) if (row := whole.get((name, kind))) else "" for kind in KINDS]
            if any(cells):
                lines.append(f"{words:22}" + "".join(f"{cell:32}" for cell in cells).rstrip())
        lines += _by_class([row for row in rows if row.classes is not None], comparison.results[0])
    return "\n".join([*lines, *(f"note: {note}" for note in comparison.notes)])


def _interval(row: Compared) -> str:
    interval = row.difference.interval
    between = "" if interval is None else f" [{interval[0]:+.4f}, {interval[1]:+.4f}]"
    return f"{row.difference.statistic:+.4f}{between}"


def _by_class(rows: Sequence[Compared], first: Result) -> list[str]:
    """Return a line on the classes whose share differs; each interval by itself, so that some do by chance."""
    names = first.record.get("class_names") or ()
    differ = [row for row in rows if row.difference.interval and np.prod(np.sign(row.difference.interval)) > 0]
    differ.sort(key=lambda row: -abs(row.difference.statistic))
    said = [
        f"{shortened(str(names[row.classes[0]])) if names else row.classes[0]} {row.difference.statistic:+.3f}"  # type: ignore[index]
        for row in differ[:4]
    ]
    if not rows:
        return []
    more = f": {', '.join(said)}{', ...' if len(differ) > len(said) else ''}" if said else ""
    return [f"within {len(differ)} of {len(rows)} classes it differs{more} ({0.05 * len(rows):.1g} would by chance)"]

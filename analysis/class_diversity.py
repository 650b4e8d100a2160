"""Do networks vary more within classes that are more diverse inside?

Claim 5 of "Spectral Bias in Practice" (NeurIPS 2022), which studied ImageNet. For each network of a sweep: the rank
correlation, over classes, of within-class frequency with the diversity of the class's training images. Networks share
the classes, so the class is the unit. p comes from permuting the classes jointly for all networks, the interval from
resampling classes. The primary measure of diversity was fixed before looking (specbias.measurement.diversity).

  python analysis/class_diversity.py --experiment cifar-quick --data-dir DIR
  python analysis/class_diversity.py --records records.csv            of a sweep that measures class by class
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tyro

from analysis.tables.options import Options, read_options

if TYPE_CHECKING:
    from analysis.findings import Findings
    from analysis.inference.claim import Claim
    from analysis.questions.class_associations import Associations
    from analysis.tables.class_records import Classes
    from analysis.tables.table import Records

SHOWN = 40  # networks that have a line of their own in the forest plot


@dataclass(frozen=True)
class DiversityOptions(Options):
    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Folder of the data set; default SPECBIAS_DATA_DIR."""


def class_diversity(records: Records, *, data_dir: Path | None = None) -> Findings:
    """Return the association per network and pooled, with its controls, and the figures."""
    from analysis.findings import Findings
    from analysis.questions.class_associations import as_numbers, as_text, associate
    from analysis.tables.class_records import load_classes
    from analysis.tables.table import RecordError

    records.refuse_selected()
    classes = load_classes(records, data_dir)
    try:
        found = associate(classes)
    except ValueError as error:
        raise RecordError("; ".join([f"{records.source}: {error}", *classes.notes])) from None
    slope, notes = mixed(classes, found.primary)
    networks, lost = len(classes.labels), found.first.left_out
    over = f"{networks} network{'s' * (networks > 1)}, {found.first.units} classes"
    figures, undrawn = _figures(classes, found)
    return Findings(
        claims=[_claim(found, over)],
        tables=[as_text(found)],
        figures=figures,
        captions=_captions(f"{over} of {records.values_of('dataset')}", found, classes),
        notes=[
            "p permutes classes jointly for all networks; held fixed: class accuracy and path length (ranks)",
            *notes,
            *agreement(found),
            *measurement(classes),
            *([f"left out: {lost} of {len(classes.names)} classes, a value of which is missing"] if lost else []),
            *(f"no association with {name}: {why}" for name, why in found.not_done.items()),
            *classes.notes,
            *undrawn,
        ],
        numbers=as_numbers(classes, found) | {"mixed_model": slope},
    )


def mixed(classes: Classes, primary: str) -> tuple[Any, list[str]]:
    """Return the slope of a mixed model with classes and networks as random effects, or why there is none, as notes."""
    from analysis.inference import class_mixed_model
    from analysis.questions.class_associations import controls

    try:
        slope = class_mixed_model(classes.frequency, classes.diversity[primary], controls(classes))
    except ValueError as error:
        return None, [f"no mixed model: {error}"]
    if slope.note:
        return slope, [f"no mixed model: {slope.note}"]
    ends = "[{:+.3g}, {:+.3g}]".format(*slope.interval)
    text = f"frequency per standard deviation of {primary}, classes and networks random: {slope.statistic:+.3g} {ends}"
    return slope, [f"mixed model, {text}, accuracy and path length held fixed"]


def agreement(association: Associations) -> list[str]:
    """Return how far networks agree, as a note: a description, no test, as they share the classes."""
    from analysis.inference import random_effects

    try:
        meta = random_effects(
            {str(i): float(rho) for i, rho in enumerate(association.first.per_model)}, association.first.units
        )
    except ValueError:
        return []  # fewer than two networks inside (-1, 1)
    spread = f"rho of networks: variance of its Fisher z between them {meta.tau2:.3g}, I2 {meta.i2:.2f}"
    return [f"{spread}; as far as networks with these very classes go"]


def measurement(classes: Classes) -> list[str]:
    """Return as notes how good the networks are, and how much of what differs between classes is error, if known."""
    right = ", ".join(f"{100 * each:.0f}%" for each in np.nanmean(classes.accuracy, axis=1)[:SHOWN])
    notes = [f"mean accuracy over classes: {right}"]
    if classes.standard_error is None:
        return notes
    shares = np.nanmean(classes.standard_error**2, axis=1) / np.nanvar(classes.frequency, axis=1)
    share = f"{np.median(shares):.0%} of the variance of frequency over classes (median over networks)"
    worth = "it makes rho smaller" if np.median(shares) < 1 else "classes do not differ beyond it"
    return [*notes, f"error of measurement, over a class's pairs: {share}; {worth}"]


def _claim(found: Associations, over: str) -> Claim:
    """Return the claim, judged by the joint permutation where there is no interval, as of few classes."""
    from analysis.inference.claim import judge_sign, more, times_of_p

    first = found.first
    note = f"p {first.p:.2g} by permuting classes jointly; accuracy and path length held fixed: {first.partial:+.2f}"
    name = f"within-class frequency with {found.primary}, mean rho"
    claim = replace(judge_sign(name, first, trials=over, positive=True, note=note, of="classes"), n=first.units)
    if claim.interval is None and claim.verdict != "undefined":
        sure = {True: "held", False: "not held"}[first.statistic > 0] if first.p < 0.05 else "undecided"
        needed = more(first.units, "classes", times_of_p(first.p)) if sure == "undecided" else ""
        return replace(
            claim, criterion="> 0 and p < 0.05", verdict=sure, note="; ".join(filter(None, (claim.note, needed)))
        )
    return claim


def _figures(classes: Classes, found: Associations) -> tuple[dict[str, Any], list[str]]:
    """Return the scatter over classes, and a forest plot of two networks or more; a note where pictures cannot be."""
    from analysis.figures import ForestRow, class_scatter, forest_plot
    from analysis.figures.classes import extremes
    from specbias.settings import SettingError

    x, y, spread = classes.diversity[found.primary], classes.frequency.mean(axis=0), _spread(classes)
    there = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    pictures, notes = {}, []
    try:
        if classes.pictures is not None:
            shown = [i for side in extremes(x[there]).values() for i in side]
            pictures = {i: classes.pictures(int(there[i])) for i in shown}
    except (SettingError, OSError) as error:
        notes = [f"no pictures of classes: {error}"]
    figures = {
        "class_diversity": class_scatter(
            x[there],
            y[there],
            spread=None if spread is None else spread[there],
            names=[classes.names[i] for i in there],
            of=f"diversity/{found.primary}",
            frequency=classes.metric,
            pictures=pictures,
        )
    }
    each = zip(classes.labels, found.by_network, strict=True)
    rows = [ForestRow(label, one.statistic, *one.ends) for label, one in each][:SHOWN]
    if len(rows) > 1:
        low, high = found.first.ends
        rows.append(ForestRow("mean", found.first.statistic, low, high, summary=True))
        figures["class_diversity_forest"] = forest_plot(rows, x="Spearman's rho over classes, frequency with diversity")
    return figures, notes


def _spread(classes: Classes) -> np.ndarray | None:
    """Return the bar of each class: over networks or, of one network, the error of its measurement."""
    if len(classes.labels) > 1:
        return classes.frequency.std(axis=0)
    return None if classes.standard_error is None else classes.standard_error[0]


def _captions(over: str, found: Associations, classes: Classes) -> dict[str, str]:
    """Return the captions of the two figures."""
    data = f"{over}; diversity ({found.primary}) of training images, frequency on paths between held-out images."
    drawn = "Bars: one standard error over pairs." if classes.standard_error is not None else ""
    if len(classes.labels) > 1:
        drawn = "Mean over networks; bars: one standard deviation over networks."
    ends = "95% intervals, by leaving classes out" if found.first.interval else "ranges without any one class"
    more = f" The first {SHOWN} of {len(classes.labels)} networks." if len(classes.labels) > SHOWN else ""
    return {
        "class_diversity": f"{data} {drawn}".strip(),
        "class_diversity_forest": f"{data} {ends.capitalize()}; the mean's, for all networks together.{more}",
    }


def main() -> None:
    """Print the associations, save figures and numbers, and attach them to the sweep's parent run."""
    options = read_options(DiversityOptions, __doc__)
    from analysis.findings import publish  # pandas, matplotlib, mlflow and torch only past --help

    publish("class_diversity", partial(class_diversity, data_dir=options.data_dir), options)


if __name__ == "__main__":
    main()

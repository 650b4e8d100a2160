"""Do networks vary more near the examples of classes that are more diverse inside?

Claim 5 of "Spectral Bias in Practice" (NeurIPS 2022), there for ImageNet: for the networks of one sweep, the rank
correlation over classes of within-class function frequency with the diversity of the class's training images. Networks
share the classes, so the class is the unit: p comes from permuting the classes jointly for all networks, the interval
from drawing classes again. Which diversity is primary was declared before looking (specbias.measure.diversity).

  python analysis/class_diversity.py --experiment cifar-quick --data-dir DIR
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tyro

from analysis.class_records import KIND, Classes, load_classes
from analysis.options import Options

if TYPE_CHECKING:
    from analysis.findings import Findings
    from analysis.table import Records

SHOWN = 40  # networks that have a line of their own in the forest plot


@dataclass(frozen=True)
class DiversityOptions(Options):
    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Where the data set is; default SPECBIAS_DATA_DIR."""


def class_diversity(records: Records, *, data_dir: Path | None = None) -> Findings:
    """Return the association per network and pooled, with its controls, and the figures."""
    from analysis.findings import Findings
    from analysis.inference import class_association
    from analysis.table import RecordError
    from specbias.measure.diversity import PRIMARY

    records.need(KIND)
    records.refuse_selected()
    classes = load_classes(records, data_dir)
    held = {"class accuracy": classes.accuracy, "path length": classes.length}
    try:
        found = {
            name: class_association(classes.frequency, values, controls=held)
            for name, values in classes.diversity.items()
        }
    except ValueError as error:
        raise RecordError(f"{records.source}: {error}") from None
    first, (slope, notes) = found[PRIMARY], mixed(classes, held, PRIMARY)
    over = f"{len(classes.labels)} networks, {first.units} classes"
    notes += agreement(first.per_model, first.units)
    notes += [f"left out: {first.left_out} classes with a value missing in any network"] if first.left_out else []
    if lost := len(records.last) - len(classes.labels):
        notes.append(f"left out: {lost} trials without paths within classes")
    return Findings(
        claims=[_claim(first, over, PRIMARY)],
        tables=[as_text(found, PRIMARY)],
        figures=_figures(classes, first, PRIMARY),
        captions=_captions(f"{over} of {records.said('dataset')}", PRIMARY),
        notes=[
            "p permutes classes jointly for all networks; held fixed: class accuracy and path length (ranks)",
            *notes,
        ],
        numbers=_numbers(classes, found, PRIMARY) | {"mixed_model": slope},
    )


def _captions(over: str, primary: str) -> dict[str, str]:
    """Return the captions of the two figures."""
    said = f"{over}; diversity ({primary}) of training images, frequency on paths between test images. "
    return {
        "class_diversity": said + "Mean over networks; bars: one standard deviation over networks.",
        "class_diversity_forest": said + "Networks: 95% intervals of Fisher's z over classes. They share the classes:"
        " their mean has the bootstrap interval over classes or, below 20, its range when one is left out.",
    }


def mixed(classes: Classes, held: dict[str, np.ndarray], primary: str) -> tuple[Any, list[str]]:
    """Return the slope of a mixed model with classes and networks as random effects, or why there is none, as notes."""
    from analysis.inference import class_mixed_model

    try:
        slope = class_mixed_model(classes.frequency, classes.diversity[primary], held)
    except ValueError as error:
        return None, [f"no mixed model: {error}"]
    ends = "[{:+.3g}, {:+.3g}]".format(*slope.interval)
    said = f"frequency per standard deviation of {primary}, classes and networks random: {slope.statistic:+.3g} {ends}"
    return slope, [f"mixed model, {said}, accuracy and path length held fixed"]


def as_text(found: dict[str, Any], primary: str) -> str:
    """Return the associations by definition of diversity, the primary one first."""
    lines = [f"{'diversity':28} {'mean rho':>8}  {'95% interval, or range':^24} {'p':>7} {'held fixed':>10}"]
    for name, each in found.items():
        ends = "" if each.interval is None else "[{:+.2f}, {:+.2f}]".format(*each.interval)
        ends = ends or "{:+.2f} to {:+.2f}".format(*each.range)
        said = name + (" (primary)" if name == primary else "")
        if np.isnan(each.statistic):
            lines.append(
                f"{said:28} undefined: every network has one frequency in all classes, or the diversity is constant"
            )
            continue
        lines.append(f"{said:28} {each.statistic:+8.2f}  {ends:^24} {each.p:7.3f} {each.partial:+10.2f}")
    return "\n".join(
        [*lines, "range: of the mean rho when one class is left out, where there are too few for an interval"]
    )


def agreement(per_network: np.ndarray, classes: int) -> list[str]:
    """Return how far networks agree, as a note: a description, no test, as they share the classes."""
    from analysis.inference import random_effects

    try:
        found = random_effects({str(i): float(rho) for i, rho in enumerate(per_network)}, classes)
    except ValueError:
        return []  # fewer than two networks inside (-1, 1)
    said = f"rho of networks: variance of its Fisher z between them {found.tau2:.3g}, I2 {found.i2:.2f}"
    return [f"{said}; as far as networks with these very classes go"]


def _claim(first: Any, over: str, primary: str) -> Any:
    """Return the claim, judged by the joint permutation where there are too few classes for an interval."""
    from analysis.inference.claim import Claim, judge_sign

    note = f"p {first.p:.2g} by permuting classes jointly; accuracy and path length held fixed: {first.partial:+.2f}"
    name = f"within-class frequency with {primary}, mean rho"
    claim = judge_sign(name, first, trials=over, positive=True, note=note)
    if first.interval is None and claim.verdict != "undefined":
        sure = {True: "held", False: "not held"}[first.statistic > 0] if first.p < 0.05 else "undecided"
        return Claim(over, name, first.statistic, None, first.units, "> 0 and p < 0.05", sure, note)
    return claim


def _figures(classes: Classes, first: Any, primary: str) -> dict[str, Any]:
    from analysis.figures import ForestRow, class_scatter, forest_plot
    from analysis.inference import fisher_interval

    figures = {
        "class_diversity": class_scatter(
            classes.diversity[primary],
            classes.frequency,
            names=classes.names,
            x_label=f"{primary.replace('_', ' ')} of the class's training images (squared normalised L2)",
            y_label="within-class frequency\n(high-frequency share)",
        )
    }
    shown = [pair for pair in zip(classes.labels, first.per_model, strict=True) if abs(pair[1]) < 1]
    if len(shown) < 2:
        return figures
    rows = [ForestRow(label, float(rho), *fisher_interval(rho, first.units)) for label, rho in shown[:SHOWN]]
    low, high = first.interval or first.range
    name = "mean" if first.interval else "mean, range without one class"
    rows.append(ForestRow(name, first.statistic, low, high, summary=True))
    figures["class_diversity_forest"] = forest_plot(rows, x="Spearman's rho over classes, frequency with diversity")
    return figures


def _numbers(classes: Classes, found: dict[str, Any], primary: str) -> dict[str, Any]:
    """Return n_classes, primary, and of every network and all together rho, interval, p and partial rho."""
    from analysis.inference import fisher_interval

    first = found[primary]
    networks = [
        {"label": label, "rho": rho, "interval": fisher_interval(rho, first.units), "partial_rho": partial}
        for label, rho, partial in zip(classes.labels, first.per_model, first.partial_per_model, strict=True)
    ]
    pooled = {
        name: {
            "rho": each.statistic,
            "interval": each.interval,
            "range": each.range,
            "p_class_permutation": each.p,
            "partial_rho": each.partial,
        }
        for name, each in found.items()
    }
    means = {"frequency": classes.frequency.mean(axis=0), "accuracy": classes.accuracy.mean(axis=0)}
    return {
        "n_classes": first.units,
        "primary": primary,
        "models": networks,
        "pooled": pooled[primary],
        "by_definition": pooled,
        "classes": {"names": classes.names, **means, **classes.diversity},
    }


def main() -> None:
    """Print the associations, save figures and numbers, and attach them to the sweep's parent run."""
    options = tyro.cli(DiversityOptions, description=__doc__)
    from analysis.findings import publish  # pandas, matplotlib, mlflow and torch only past --help

    publish("class_diversity", partial(class_diversity, data_dir=options.data_dir), options)


if __name__ == "__main__":
    main()

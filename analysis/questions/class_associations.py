"""How does frequency over classes go with each definition of diversity, in every network and in all together?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.inference import ClassAssociation, class_association
from analysis.inference.classes import complete_classes
from analysis.tables.class_records import Classes
from specbias.measurement.diversity import primary

PLANTED = "planted"  # what is known of the classes of a made data set
WORDS = {
    "released": "within classes, the released share",
    "fixed_samples": "within classes, fixed samples per path",
    "between_class": "between classes",
}


@dataclass(frozen=True)
class Associations:
    """The association by definition of diversity, the primary one first; `over` networks and classes."""

    primary: str
    by_definition: dict[str, ClassAssociation]
    q: dict[str, float]  # of the definitions but the primary: Benjamini and Hochberg's of their p
    by_network: list[ClassAssociation]  # with the primary, over the same classes
    others: dict[str, ClassAssociation]  # of frequencies measured in another way, with the primary
    not_done: dict[str, str]  # what has too few classes, and why

    @property
    def first(self) -> ClassAssociation:
        """The one that the claim is about."""
        return self.by_definition[self.primary]


def controls(classes: Classes) -> dict[str, np.ndarray]:
    """Return what is held fixed: (networks, classes) each."""
    return {"class accuracy": classes.accuracy, "path length": classes.length}


def associate(classes: Classes) -> Associations:
    """Return all associations; ValueError where there is no primary definition, or too few classes have it."""
    held, main = controls(classes), primary(classes.diversity)
    if main not in classes.diversity:
        raise ValueError(f"there is no diversity/{main}, which the claim is about")
    names = sorted(classes.diversity, key=lambda name: (name != main, name != PLANTED))
    asked = {name: (classes.frequency, classes.diversity[name]) for name in names}
    asked |= {name: (frequency, classes.diversity[main]) for name, frequency in classes.others.items()}
    found: dict[str, ClassAssociation] = {}
    not_done = {}
    for name, (frequency, diversity) in asked.items():
        try:
            # those paths have lengths of their own
            found[name] = class_association(frequency, diversity, controls={} if name == "between_class" else held)
        except ValueError as error:
            if name == main:
                raise
            not_done[name] = str(error)
    frequency, diversity, held, _ = complete_classes(classes.frequency, classes.diversity[main], held, needed=4)
    by_network = [
        class_association(row[None], diversity, controls={n: v[[number]] for n, v in held.items()})
        for number, row in enumerate(frequency)
    ]
    by_definition = {name: found[name] for name in names if name in found}
    others = {name: found[name] for name in classes.others if name in found}
    return Associations(main, by_definition, discoveries(by_definition, main), by_network, others, not_done)


def discoveries(by_definition: dict[str, ClassAssociation], main: str) -> dict[str, float]:
    """Return Benjamini and Hochberg's q of the definitions but the main one, which was declared before looking."""
    from scipy.stats import false_discovery_control

    p = {name: each.p for name, each in by_definition.items() if name != main and np.isfinite(each.p)}
    return dict(zip(p, map(float, false_discovery_control([*p.values()])), strict=True)) if p else {}


def as_text(associations: Associations) -> str:
    """Return the associations as a table for people: by definition, and of the primary with other frequencies."""
    names = [name + " (primary)" * (name == associations.primary) for name in associations.by_definition]
    others = [WORDS[name] for name in associations.others]
    width = max(map(len, [*names, *others]))
    head = f"{'mean rho':>8}  {'95% interval, or range':^24} {'p':>8} {'q':>8} {'held fixed':>10} {'classes':>7}"
    lines = [f"{'within-class frequency with':{width}}  {head}"]
    for name, (key, each) in zip(names, associations.by_definition.items(), strict=True):
        lines.append(f"{name:{width}}  {_cells(each, associations.q.get(key))}")
    if others:
        lines += ["", f"{associations.primary} with frequency"]
        lines += [f"{n:{width}}  {_cells(each)}" for n, each in zip(others, associations.others.values(), strict=True)]
    corrected = f"q: Benjamini and Hochberg's, of the p of the {len(associations.q)} definitions that are not primary"
    lines += ["", *([f"{corrected}; the other p are not corrected"] if associations.q else [])]
    lines += (
        [] if associations.first.interval else ["range: of the mean rho when one class is left out, as there are few"]
    )
    return "\n".join(lines)


def _cells(each: ClassAssociation, q: float | None = None) -> str:
    if np.isnan(each.statistic):
        return "undefined: every network has one frequency in all classes, or the diversity is constant"
    ends = ("[{:+.2f}, {:+.2f}]" if each.interval else "{:+.2f} to {:+.2f}").format(*each.ends)
    ends = "no interval" if np.isnan(each.ends).any() else ends
    corrected, held = "-" if q is None else f"{q:.2g}", "-" if each.partial is None else f"{each.partial:+.2f}"
    return f"{each.statistic:+8.2f}  {ends:^24} {each.p:8.2g} {corrected:>8} {held:>10} {each.units:7}"


def as_numbers(classes: Classes, associations: Associations) -> dict[str, Any]:
    """Return for JSON: n_classes, primary, every network's association and all others, and what is known by class."""
    named: Iterable[tuple[str, ClassAssociation]] = zip(classes.labels, associations.by_network, strict=True)
    definitions = {
        name: _numbers(each) | {"q": associations.q.get(name)} for name, each in associations.by_definition.items()
    }
    columns = {"frequency": classes.frequency, "accuracy": classes.accuracy, "path_length": classes.length}
    return {
        "n_classes": associations.first.units,
        "primary": associations.primary,
        "models": [{"label": label} | _numbers(each) for label, each in named],
        "pooled": _numbers(associations.first),
        "by_definition": definitions,
        **{name: _numbers(each) for name, each in associations.others.items()},
        "classes": {
            "names": classes.names,
            "ids": classes.ids,
            **{name: values.mean(axis=0) for name, values in columns.items()},
            **classes.diversity,
        },
    }


def _numbers(each: ClassAssociation) -> dict[str, Any]:
    return {
        "rho": each.statistic,
        "interval": each.interval,
        "range": each.range,
        "p_class_permutation": each.p,
        "partial_rho": each.partial,
        "n_classes": each.units,
    }

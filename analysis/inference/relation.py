"""How does a measure go with generalization, seen in every way that such a relation has misled?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.inference.conditional import ConditionalInformation, conditional_mutual_information
from analysis.inference.granulated import Granulated, granulated_kendall
from analysis.inference.partial import PartialCorrelation, partial_correlation
from analysis.inference.rank import Association, kendall_tau, permutation_p, spearman
from analysis.inference.resampling import resamples_for, unit_means
from analysis.inference.rows import demand_columns
from analysis.inference.segmented import SegmentedFit, segmented_fit
from analysis.inference.shape import IsotonicFit, isotonic_fit
from analysis.inference.sign_error import SignError, sign_error
from analysis.inference.slopes import Slopes, slopes

NAMES = {"information": "conditional information", "signs": "sign error", "monotone": "monotone fit"}
NAMES |= {"broken": "line with a break", "slopes": "slopes", "partial": "partial", "granulated": "granulated Kendall"}
LARGEST_PAIRS = 2_000  # rows up to which what compares all pairs of them is done


@dataclass(frozen=True)
class Relation:
    """Everything known of a measure and a target; None where it cannot be had, with the reason in `not_done`."""

    measure: str
    target: str
    spearman: Association
    tau_a: Association
    tau_b: Association
    within: float  # Spearman's of the means of units, within families
    p_within: float  # of that, the target permuted within families
    slopes: Slopes | None = None
    partial: PartialCorrelation | None = None  # on ranks, `given` held fixed
    granulated: Granulated | None = None
    information: ConditionalInformation | None = None
    signs: SignError | None = None
    monotone: IsotonicFit | None = None  # of the measure on the target, a point per unit
    broken: SegmentedFit | None = None
    given: Sequence[str] = ()
    not_done: dict[str, str] = field(default_factory=dict)


def relate(
    table: pd.DataFrame,
    *,
    measure: str,
    target: str,
    family: str,
    axes: Sequence[str] = (),
    given: Sequence[str] = (),
    cluster: str | None = None,
    test_size: int | None = None,
) -> Relation:
    """Return how `measure` goes with `target` over the rows of `table`, each a run.

    `family` names the column of the kind of intervention, `axes` those of the settings varied, `given` what is held
    fixed beside the family, `cluster` the unit of inference, `test_size` the number of test images. What needs more
    levels, repeats or rows than there are is left out, with the reason in `not_done`. ValueError where not even a rank
    correlation is possible, and for a cluster of several families.
    """
    demand_columns(table, numbers=[measure, target], others=[family, *axes, *given, *([cluster] if cluster else [])])
    columns: dict[str, Any] = {"measure": measure, "target": target}
    over: dict[str, Any] = columns | {"axes": [*axes], "cluster": cluster}
    clusters = table[cluster] if cluster else None
    x, y = table[target], table[measure]
    means = unit_means(table, [target, measure], family=family, cluster=cluster)
    points, few = (means[target], means[measure]), resamples_for(len(table))
    found, not_done = _attempted(
        slopes=lambda: slopes(table, **columns, family=family, cluster=cluster),
        partial=lambda: partial_correlation(table, **columns, given=[*given, family], cluster=cluster),
        granulated=lambda: granulated_kendall(table, **over),
        information=lambda: _information(table, **over),
        signs=lambda: _signs(table, **columns, axes=axes, test_size=test_size),
        monotone=lambda: isotonic_fit(*points, permutations=few),
        broken=lambda: segmented_fit(*points, resamples=few),
    )
    return Relation(
        measure=measure,
        target=target,
        spearman=spearman(x, y, clusters=clusters),
        tau_a=kendall_tau(x, y, variant="a", clusters=clusters),
        tau_b=kendall_tau(x, y, variant="b", clusters=clusters),
        within=spearman(*points, blocks=means[family]).statistic,
        p_within=permutation_p(*points, blocks=means[family]),
        **found,
        given=tuple(given),
        not_done=not_done,
    )


def _attempted(**attempts: Callable[[], Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what each attempt gives by its name, and of those that refuse why."""
    found, refused = {}, {}
    for name, attempt in attempts.items():
        try:
            found[name] = attempt()
        except ValueError as error:
            refused[name] = str(error)
    return found, refused


def _information(table: pd.DataFrame, **over: Any) -> ConditionalInformation:
    if len(table) > LARGEST_PAIRS:
        raise ValueError(f"left out above {LARGEST_PAIRS} runs: it compares all pairs of them")
    return conditional_mutual_information(table, **over)


def _signs(table: pd.DataFrame, *, axes: Sequence[str], test_size: int | None, **columns: Any) -> SignError:
    if test_size is None:
        raise ValueError("the number of test images is not known")
    return sign_error(table, **columns, axes=[*axes], test_size=test_size)


def as_text(relation: Relation) -> str:
    """Return the relation for people: a line per result, with its interval, and what could not be computed."""
    lines = [
        ("Spearman", _result_text(relation.spearman)),
        ("Kendall tau-a", _result_text(relation.tau_a)),
        ("Kendall tau-b", _result_text(relation.tau_b)),
        ("Spearman within families", f"{_number(relation.within)}, p {_number(relation.p_within)} by permutation"),
        *(_slopes_lines(relation.slopes) if relation.slopes is not None else ()),
    ]
    if relation.partial is not None:
        lines.append((f"partial, given {', '.join([*relation.given, 'family'])}", _result_text(relation.partial)))
    if relation.granulated is not None:
        defined = {axis: value for axis, value in relation.granulated.per_axis.items() if not math.isnan(value)}
        axes = ", ".join(f"{axis} {value:+.2f}" for axis, value in defined.items())
        axes += "".join(f", {axis} no cell" for axis in relation.granulated.per_axis if axis not in defined)
        lines.append(("granulated Kendall, mean", f"{_result_text(relation.granulated)}; {axes}"))
    if (each := relation.information) is not None:
        value = f"{_number(each.k)}, p {_number(each.p)} (given {', '.join(each.subset) or 'nothing'})"
        lost = f"; undefined given {each.undefined} other sets of settings" if each.undefined else ""
        lines.append(("conditional information K", f"undefined: {each.note}" if math.isnan(each.k) else value + lost))
    if (signs := relation.signs) is not None:
        few = f"too few runs per pair of settings differ surely (effective pairs: {_number(signs.largest_ess)})"
        many = f"{_result_text(signs)}; worst {signs.max:.2f}, n {signs.n}"
        lines.append(("sign error, mean", many if signs.n else f"undefined: {few}"))
    if (fit := relation.monotone) is not None:
        lines.append(("monotone fit", f"{fit.direction}, R2 {_number(fit.statistic)}, p {_number(fit.p)}"))
    if relation.broken is not None:
        lines.append(("line with a break", _break_text(relation.broken)))
    lines += [(f"no {NAMES[name]}", why) for name, why in relation.not_done.items()]
    return f"{relation.measure} with {relation.target}\n" + "\n".join(f"  {name:34} {text}" for name, text in lines)


def _break_text(fold: SegmentedFit) -> str:
    if math.isnan(fold.statistic):
        return f"none: {fold.note}"
    chance = "" if fold.p <= 0.05 else "none beyond chance; the best "
    return (
        f"{chance}at {_result_text(fold)}: slope {_number(fold.before)} then {_number(fold.after)}, p {_number(fold.p)}"
    )


def _slopes_lines(found: Slopes) -> list[tuple[str, str]]:
    parts = (("all", found.pooled), ("within families", found.within), ("mixed", found.mixed))
    lines = [(f"slope, {name}", _result_text(part)) for name, part in parts]
    if left := {name: slope for name, slope in found.leave_one_out.items() if not math.isnan(slope)}:
        ends = (min(left, key=lambda name: left[name]), max(left, key=lambda name: left[name]))
        lines.append(("slope without one family", " to ".join(f"{left[end]:+.3g} (no {end})" for end in ends)))
    if found.simpson:
        lines.append(("Simpson's paradox", f"slopes over all and within families: {found.simpson}"))
    return lines


def _result_text(found: Any) -> str:
    note = getattr(found, "note", "")
    if math.isnan(found.statistic):
        return f"undefined: {note}" if note else "undefined"
    interval = found.interval
    ends = "" if interval is None or math.isnan(interval[0]) else f" [{interval[0]:+.3g}, {interval[1]:+.3g}]"
    return f"{found.statistic:+.3g}{ends}" + (f" ({note})" if note else "")


def _number(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.3g}"

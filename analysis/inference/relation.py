"""How does a measure go with generalization, seen in every way that such a relation has misled?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.inference.conditional import ConditionalInformation, conditional_mutual_information
from analysis.inference.granulated import Granulated, granulated_kendall
from analysis.inference.partial import PartialCorrelation, partial_correlation
from analysis.inference.rank import Association, kendall_tau, permutation_p, spearman
from analysis.inference.sign_error import SignError, sign_error
from analysis.inference.slopes import Slopes, slopes

LARGEST_PAIRS = 2_000  # rows up to which what compares all pairs of them is done


@dataclass(frozen=True)
class Relation:
    """Everything known of a measure and a target; None where it cannot be had, with the reason in `not_done`."""

    measure: str
    target: str
    spearman: Association
    tau_a: Association
    tau_b: Association
    p_within: float  # of Spearman's, the target permuted within families
    slopes: Slopes | None = None
    partial: PartialCorrelation | None = None  # on ranks, `given` held fixed
    granulated: Granulated | None = None
    information: ConditionalInformation | None = None
    signs: SignError | None = None
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
    fixed beside the family, `cluster` the unit that is resampled, `test_size` the number of test images. What needs
    more levels, repeats or rows than there are is left out, and said. ValueError where not even a rank correlation is.
    """
    columns: dict[str, Any] = {"measure": measure, "target": target}
    clusters = table[cluster] if cluster else None
    x, y = table[target], table[measure]
    means = table.groupby(cluster).agg({target: "mean", measure: "mean", family: "first"}) if cluster else table
    not_done: dict[str, str] = {}

    def attempt(name: str, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except ValueError as error:
            not_done[name] = str(error)
            return None

    if len(table) > LARGEST_PAIRS:
        not_done["information"] = f"left out above {LARGEST_PAIRS} runs: it compares all pairs of them"
    if test_size is None:
        not_done["signs"] = "the number of test images is not known"
    return Relation(
        measure=measure,
        target=target,
        spearman=spearman(x, y, clusters=clusters),
        tau_a=kendall_tau(x, y, variant="a", clusters=clusters),
        tau_b=kendall_tau(x, y, variant="b", clusters=clusters),
        p_within=permutation_p(means[target], means[measure], blocks=means[family]),
        slopes=attempt("slopes", lambda: slopes(table, **columns, family=family, cluster=cluster)),
        partial=attempt(
            "partial", lambda: partial_correlation(table, **columns, given=[*given, family], cluster=cluster)
        ),
        granulated=attempt("granulated", lambda: granulated_kendall(table, **columns, axes=[*axes], cluster=cluster)),
        information=None
        if len(table) > LARGEST_PAIRS
        else attempt(
            "information", lambda: conditional_mutual_information(table, **columns, axes=[*axes], cluster=cluster)
        ),
        signs=None
        if test_size is None
        else attempt("signs", lambda: sign_error(table, **columns, axes=[*axes], test_size=test_size)),
        given=tuple(given),
        not_done=not_done,
    )


def as_text(found: Relation) -> str:
    """Return the relation for people: a line per question, with its interval, and what could not be asked."""
    lines = [("Spearman", _said(found.spearman)), ("Kendall tau-a", _said(found.tau_a))]
    lines += [
        ("Kendall tau-b", _said(found.tau_b)),
        ("p, permuted within families", "undefined" if found.p_within != found.p_within else f"{found.p_within:.3g}"),
    ]
    if found.slopes is not None:
        parts = (("all", found.slopes.pooled), ("within families", found.slopes.within), ("mixed", found.slopes.mixed))
        lines += [(f"slope, {name}", _said(part)) for name, part in parts]
        left = found.slopes.leave_one_out
        if left:
            ends = (min(left, key=lambda name: left[name]), max(left, key=lambda name: left[name]))
            lines.append(("slope without one family", " to ".join(f"{left[e]:+.3g} (no {e})" for e in ends)))
        if found.slopes.simpson:
            lines.append(("Simpson's paradox", f"slopes over all and within families: {found.slopes.simpson}"))
    if found.partial is not None:
        lines.append((f"partial, given {', '.join([*found.given, 'family'])}", _said(found.partial)))
    if found.granulated is not None:
        axes = ", ".join(f"{axis} {value:+.2f}" for axis, value in found.granulated.per_axis.items())
        lines.append(("granulated Kendall, mean", f"{_said(found.granulated)}; {axes}"))
    if found.information is not None:
        given = ", ".join(found.information.subset) or "nothing"
        lines.append(
            ("conditional information K", f"{found.information.k:.3f}, p {found.information.p:.3g} (given {given})")
        )
    if found.signs is not None and found.signs.n:
        lines.append(("sign error, mean", f"{_said(found.signs)}; worst {found.signs.max:.2f}, n {found.signs.n}"))
    elif found.signs is not None:
        why = f"too few runs per pair of settings differ surely (effective pairs: {found.signs.largest_ess:.1f})"
        lines.append(("no sign error", why))
    lines += [(f"no {name}", why) for name, why in found.not_done.items()]
    return f"{found.measure} with {found.target}\n" + "\n".join(f"  {name:34} {text}" for name, text in lines)


def _said(found: Any) -> str:
    if found.statistic != found.statistic:
        return "undefined" + (f": {found.note}" if getattr(found, "note", "") else "")
    interval = found.interval
    ends = "" if interval is None or interval[0] != interval[0] else f" [{interval[0]:+.3g}, {interval[1]:+.3g}]"
    return f"{found.statistic:+.3g}{ends}"

"""Does a claim hold? A statistic with its interval over runs against a criterion."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.inference.resampling import runs_interval

RULE = (
    "held: the whole interval meets the criterion; not held: none of it does; undecided: a part, or no interval"
    " (a single run)"
)
ROUNDING = 1e-9  # a rank correlation of 0.8 may come out as a little less


@dataclass(frozen=True)
class Claim:
    """A claim about one trial, or several: its number, what that was to be, and whether it was."""

    trials: str  # the trial's label, or what the claim is over
    name: str
    statistic: float
    interval: tuple[float, float] | None  # 95%, bootstrap over runs; None: a single run, or it needs none
    n: int  # runs; of the trial that has fewest
    criterion: str  # "" where the number is only reported
    verdict: str  # held, not held, undecided, reported
    note: str = ""

    def as_dict(self) -> dict:
        """Return the claim for JSON, which has no NaN and no infinity: those are None."""
        interval = None if self.interval is None else [_finite(end) for end in self.interval]
        return {**vars(self), "statistic": _finite(self.statistic), "interval": interval}


def judge(
    name: str,
    statistic: Callable[..., float],
    *runs: np.ndarray,
    trials: str,
    at_least: float | None = None,
    at_most: float | None = None,
    note: str = "",
    decidable: bool = True,
) -> Claim:
    """Return the claim that statistic(*runs) is at least or at most a value; each of `runs` is a trial's (runs, ...).

    Held where the whole 95% interval, with the runs of each trial drawn again, meets the criterion; not held where none
    of it does; else undecided, as where there is no interval, or it is not `decidable` by these data. Without a
    criterion it is reported.
    """
    value, interval = float(statistic(*runs)), runs_interval(statistic, *runs)
    low = -math.inf if at_least is None else at_least - ROUNDING
    high = math.inf if at_most is None else at_most + ROUNDING
    criterion = f">= {at_least:g}" if at_least is not None else f"<= {at_most:g}" if at_most is not None else ""
    if not criterion:
        verdict = "reported"
    elif interval is None or math.isnan(value) or not decidable:
        verdict = "undecided"
    elif low <= interval[0] and interval[1] <= high:
        verdict = "held"
    else:
        verdict = "not held" if interval[1] < low or interval[0] > high else "undecided"
    if math.isnan(value):
        note = note or "undefined: constant"
    return Claim(trials, name, value, interval, min(map(len, runs)), criterion, verdict, note)


def as_text(claims: list[Claim]) -> str:
    """Return the claims as a table for people, those of one trial together."""
    rows, lines = [_row(claim) for claim in claims], []
    widths = [max(map(len, column)) for column in zip(HEADER, *rows, strict=True)]
    for trials in dict.fromkeys(claim.trials for claim in claims):
        lines += ["", trials]
        for cells in [HEADER, *(row for row, claim in zip(rows, claims, strict=True) if claim.trials == trials)]:
            lines.append(
                "  " + "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
            )
    return "\n".join(lines)


HEADER = ("claim", "value", "95% interval", "runs", "criterion", "verdict", "")


def _row(claim: Claim) -> tuple[str, ...]:
    interval = "" if claim.interval is None else "[{}, {}]".format(*map(_number, claim.interval))
    return claim.name, _number(claim.statistic), interval, str(claim.n), claim.criterion, claim.verdict, claim.note


def _number(value: float) -> str:
    if math.isnan(value):
        return "undefined"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

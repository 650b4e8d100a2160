"""Does a claim hold? A statistic with its interval over runs against a criterion."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.inference.learning_time import rank_correlation
from analysis.inference.resampling import FEWEST, Interval, runs_interval

RULE = (
    "held: the whole interval meets the criterion; not held: none of it does; undecided: a part, or the data cannot"
    f" tell; met, not met: the value alone, where there is no interval (fewer than {FEWEST} runs, a count, a minimum);"
    " undefined: there is no number. Intervals of 5 to 10 runs cover the truth in about 83 to 92 of 100 cases, not in"
    " 95. Nearly all criteria are this project's and not the papers'"
)
SIGN = (
    "held: the whole interval is on that side of 0; not held: on the other; undecided: on both, or there is none;"
    " undefined: there is no number"
)
FEWEST_RANKED = 3  # values that a rank correlation is judged of
ROUNDING = 1e-9  # a rank correlation of 0.8 may come out as a little less


@dataclass(frozen=True)
class Claim:
    """A claim about one trial, or several: its number, what that was to be, and whether it was."""

    trials: str  # the trial's label, or what the claim is over
    name: str
    statistic: float
    interval: tuple[float, float] | None  # 95%, bootstrap over runs; None: too few runs, or it needs none
    n: int  # runs, of the trial that has fewest; for class_paths pairs
    criterion: str  # "" where the number is only reported
    verdict: str  # held, not held, undecided; met, not met; reported, undefined: see RULE
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
    interval: Interval = runs_interval,
) -> Claim:
    """Return the claim that statistic(*runs) is at least or at most a value; each of `runs` is a trial's (runs, ...).

    The verdict is by RULE; undecided too where it is not `decidable` by these data. Without a criterion it is reported.
    `interval` says how uncertain the statistic is: by default with the runs of each trial drawn again.
    """
    value, ends = float(statistic(*runs)), interval(statistic, *runs)
    low = -math.inf if at_least is None else at_least - ROUNDING
    high = math.inf if at_most is None else at_most + ROUNDING
    criterion = f">= {at_least:g}" if at_least is not None else f"<= {at_most:g}" if at_most is not None else ""
    if math.isnan(value):
        verdict = "undefined"
    elif not criterion:
        verdict = "reported"
    elif not decidable:
        verdict = "undecided"
    else:
        verdict = _verdict(value, ends, low, high)
    return Claim(trials, name, value, ends, min(map(len, runs)), criterion, verdict, note)


def judge_sign(name: str, found: Any, *, trials: str, positive: bool, note: str = "") -> Claim:
    """Return the claim that a result (its statistic, interval and n) is above 0, or below it if not `positive`.

    The verdict is SIGN's; without an interval a sign is not known.
    """
    low, high = (0.0, math.inf) if positive else (-math.inf, 0.0)
    interval = found.interval if found.interval and not any(map(math.isnan, found.interval)) else None
    if math.isnan(found.statistic):
        verdict = "undefined"
    else:
        verdict = "undecided" if interval is None else _verdict(found.statistic, interval, low, high)
    return Claim(trials, name, found.statistic, interval, found.n, "> 0" if positive else "< 0", verdict, note)


def _verdict(value: float, ends: tuple[float, float] | None, low: float, high: float) -> str:
    if ends is None:
        return "met" if low <= value <= high else "not met"
    if low <= ends[0] and ends[1] <= high:
        return "held"
    return "not held" if ends[1] < low or ends[0] > high else "undecided"


def judge_order(
    name: str,
    x: Sequence[float] | np.ndarray,
    values: Sequence[np.ndarray],
    *,
    trials: str,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Claim:
    """Return the claim on the rank correlation of x (n,) with the means of the runs (runs,) of n trials.

    Of two values of x it is 1 or -1 whatever they are, and undecided.
    """

    def order(*runs: np.ndarray) -> float:
        return rank_correlation(np.asarray(x), np.array([run.mean() for run in runs]))

    note = ", ".join(f"{at:g}: {run.mean():.2g}" for at, run in zip(x, values, strict=True))
    ranked = len(set(x)) >= FEWEST_RANKED
    return judge(name, order, *values, trials=trials, at_least=at_least, at_most=at_most, note=note, decidable=ranked)


def as_text(claims: list[Claim]) -> str:
    """Return the claims as a table for people, those of one trial together."""
    rows, lines = [cells(claim) for claim in claims], []
    widths = [max(map(len, column)) for column in zip(HEADER, *rows, strict=True)]
    for trials in dict.fromkeys(claim.trials for claim in claims):
        lines += ["", trials]
        for row in [HEADER, *(row for row, claim in zip(rows, claims, strict=True) if claim.trials == trials)]:
            lines.append("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return "\n".join(lines)


HEADER = ("claim", "value", "95% interval", "n", "criterion", "verdict", "")


def cells(claim: Claim) -> tuple[str, ...]:
    """Return what a table says of a claim, under HEADER."""
    interval = "" if claim.interval is None else "[{}, {}]".format(*map(_number, claim.interval))
    return claim.name, _number(claim.statistic), interval, str(claim.n), claim.criterion, claim.verdict, claim.note


def _number(value: float) -> str:
    if math.isnan(value):
        return "undefined"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

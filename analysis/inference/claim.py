"""Does a claim hold? A statistic with its interval over runs against a criterion."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from analysis.inference.learning_time import rank_correlation
from analysis.inference.resampling import FEWEST, Interval, are_one, no_interval, runs_interval

RULE = (
    "held: the whole interval meets the criterion; not held: none of it does; undecided: a part does, or the data"
    " cannot decide it; met, not met: the value alone, where there is no interval (fewer than"
    f" {FEWEST} runs, a count, a minimum); undefined: there is no number. Intervals of 5 to 10 runs cover the truth in"
    " about 83 to 92 of 100 cases, not in 95. Nearly all criteria are this project's and not the papers'"
)
SIGN = (
    "held: the whole interval is on that side of 0; not held: on the other; undecided: on both, at 0, or there is none;"
    " undefined: there is no number, as where nothing varies"
)
WORDS = {"held": "held", "not held": "did not hold", "undecided": "cannot tell"}
WORDS |= {"met": "met, without an interval", "not met": "not met, without an interval"}
FEWEST_RANKED = 3  # values that a rank correlation is judged of
ROUNDING = 1e-9  # a rank correlation of 0.8 may come out as a little less
LEVEL = 0.05  # of a p that says more than chance
MANY = 1000  # times as many units as there are: more than that is not worth a number


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


class Criterion(NamedTuple):
    """What a number is to be: above a bound (sign 1) or below it (-1), or at it too where that is closed."""

    bound: float
    sign: int
    closed: bool = False
    slack: float = 0.0  # what rounding may make of the bound

    def __str__(self) -> str:
        return f"{'>' if self.sign > 0 else '<'}{'=' * self.closed} {self.bound:g}"

    def verdict(self, value: float, ends: tuple[float, float] | None) -> str:
        """Return whether the value, or all of the interval, meets it; ends at an open bound decide nothing."""
        beyond = [self.sign * (each - self.bound) for each in ends or [value]]
        if all(each >= -self.slack if self.closed else each > self.slack for each in beyond):
            return "held" if ends else "met"
        if ends is None:
            return "not met"
        return "not held" if all(each < -self.slack for each in beyond) else "undecided"


def judge(
    name: str,
    statistic: Callable[..., float],
    *runs: np.ndarray,
    trials: str,
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    note: str = "",
    undecidable: str = "",
    interval: Interval = runs_interval,
    of: str = "runs",
) -> Claim:
    """Return the claim that statistic(*runs) meets one criterion; each of `runs` is a trial's (runs, ...).

    It is to be at least or at most a value, or above or below it, which the value itself is not. The verdict is by
    RULE; where these data cannot decide it, it is undecided, and `undecidable` is the reason. Without a criterion it is
    reported. `interval` says how uncertain the statistic is: by default with the runs of each trial drawn again. `of`
    names what it is over, of which the note of an undecided claim says about how many more would decide it. Where all
    runs of each trial are equal to the last bit, and no whole numbers as counts and epochs are, they are one run, and
    it is undecided.
    """
    value, ends, n = float(statistic(*runs)), interval(statistic, *runs), min(map(len, runs))
    bounds = ((at_least, 1, True), (at_most, -1, True), (above, 1, False), (below, -1, False))
    criterion = next((Criterion(b, sign, closed, ROUNDING) for b, sign, closed in bounds if b is not None), None)
    if math.isnan(value):
        verdict = "undefined"
    elif criterion is None:
        verdict = "reported"
    elif undecidable or (interval is not no_interval and n >= FEWEST and all(map(are_one, runs))):
        verdict, note = "undecided", _joined(note, undecidable or f"{n} equal {of} are one")
    else:
        verdict = criterion.verdict(value, ends)
        if verdict == "undecided" and ends is not None:
            note = _joined(note, more(n, of, _times(value, ends, criterion.bound), criterion.bound))
    return Claim(trials, name, value, ends, n, "" if criterion is None else str(criterion), verdict, note)


def judge_sign(name: str, result: Any, *, trials: str, positive: bool, note: str = "", of: str = "units") -> Claim:
    """Return the claim that a result (statistic, interval, n, units, note) is above 0, or below it if not `positive`.

    The verdict is SIGN's; without an interval a sign is not known. A note of the result's own goes along. `of` names
    the units.
    """
    interval = result.interval if result.interval and not any(map(math.isnan, result.interval)) else None
    criterion, note = Criterion(0.0, 1 if positive else -1), _joined(note, getattr(result, "note", ""))
    if math.isnan(result.statistic) or interval is None:
        verdict = "undefined" if math.isnan(result.statistic) else "undecided"
    else:
        verdict = criterion.verdict(result.statistic, interval)
        if verdict == "undecided":
            p = getattr(result, "p", math.nan)
            by_p = 0.0 in interval and result.statistic and p > LEVEL  # stretched to 0: its width says nothing
            times = times_of_p(p) if by_p else _times(result.statistic, interval, 0.0)
            note = _joined(note, more(result.units, of, times))
    return Claim(trials, name, result.statistic, interval, result.n, str(criterion), verdict, note)


def _times(value: float, ends: tuple[float, float], bound: float) -> float:
    """Return how many times as many units would separate a value from the bound: intervals shrink as 1/sqrt(n)."""
    half, away = (value - ends[0] if value > bound else ends[1] - value), abs(value - bound)
    return (half / away) ** 2 if away else math.inf


def times_of_p(p: float) -> float:
    """Return how many times as many units would bring a p to 0.05: z grows as sqrt(n)."""
    away = float(stats.norm.isf(p / 2))
    return (float(stats.norm.isf(LEVEL / 2)) / away) ** 2 if away > 0 else math.inf


def more(n: int, of: str, times: float, bound: float = 0.0) -> str:
    """Return about how many more than n units would decide a claim, where so many times as many are needed."""
    if not times < MANY:
        return f"too near {bound:g} to be decided by more {of}"
    missing = max(n * times - n, 1)
    rounded = math.ceil(missing) if missing < 100 else float(f"{missing:.1g}")
    return f"about {rounded:.0f} more {of} would decide it, if the effect stays as it is"


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


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
    few = "" if len(set(x)) >= FEWEST_RANKED else f"an order takes {FEWEST_RANKED} values"
    return judge(name, order, *values, trials=trials, at_least=at_least, at_most=at_most, note=note, undecidable=few)


def in_words(claim: Claim, sentence: str, statistic: str = "") -> str:
    """Return a sentence on what a claim says, with its verdict in words, its interval, and what it is over."""
    _, value, interval, n, *_ = cells(claim)
    verdict = WORDS.get(claim.verdict, claim.verdict)
    return f"{sentence}: {verdict} ({' '.join(filter(None, [statistic, value, interval]))}, n {n})"


def leading(claims: list[Claim], most: int) -> list[Claim]:
    """Return the claims that are told first: all if they are not more than `most`, else the first over each thing."""
    first = {claim.trials: claim for claim in reversed(claims)}
    return claims if len(claims) <= most else [*reversed(first.values())]


def counted(claims: list[Claim]) -> str:
    """Return how many of the claims have which verdict."""
    counts = Counter(WORDS.get(claim.verdict, claim.verdict) for claim in claims)
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items())


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

"""Which values can a setting have? Types with a range for the fields of settings, and the words that refuse others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any


@dataclass(frozen=True)
class Range:
    """What a value must be. It is asked of every number of a tuple, and never of None: the type says if that can be."""

    words: str  # what a refusal says after "must be"
    holds: Callable[[Any], bool]


def at_least(lowest: int, or_else: str = "") -> Range:
    return Range(f"at least {lowest}{or_else and f', or {or_else}'}", lambda value: value >= lowest)


def between(lowest: float, highest: float) -> Range:
    return Range(f"between {lowest} and {highest}", lambda value: lowest <= value <= highest)


def one_of(*names: str, words: str | None = None) -> Range:
    return Range(words or " or ".join(names), lambda value: value in names)


INFINITY = float("inf")
ABOVE_ZERO = Range("above 0 and finite", lambda value: 0 < value < INFINITY)

Count = Annotated[int, at_least(1)]
CountOrZero = Annotated[int, at_least(0)]
Positive = Annotated[float, ABOVE_ZERO]
Strength = Annotated[float, Range("at least 0 and finite", lambda value: 0 <= value < INFINITY)]
Share = Annotated[float, between(0, 1)]
ShareBelowOne = Annotated[float, Range("at least 0 and below 1", lambda value: 0 <= value < 1)]

Device = Annotated[str, one_of("cpu", "cuda")]
ThreadsOrNone = Annotated[int | None, at_least(1, "none")]

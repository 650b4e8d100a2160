"""Which rows of a table can a statistic be computed on, and which of their numbers are the same?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

ROUNDING = 64 * float(np.finfo(float).eps)  # of a number's size: what its last digits may differ by, and mean nothing
DIGITS = 12  # at which settings are compared
WHOLE = 2**53  # floats below it have every whole number


def usable_rows(
    table: pd.DataFrame,
    *,
    numbers: Sequence[str],
    labels: Sequence[str] = (),
    settings: Sequence[str] = (),
    needed: int,
) -> tuple[pd.DataFrame, int]:
    """Return the rows that have all of these columns, and how many were left out.

    A row is left out where one of `numbers` is missing or not finite, or one of `labels` is missing; a missing setting
    is a level like others. Of `numbers` those that differ by rounding are one, see `equate`. ValueError for a column
    that the table does not have, one of `numbers` that holds none, and fewer than `needed` rows left.
    """
    numbers = list(dict.fromkeys(numbers))
    columns = list(dict.fromkeys([*numbers, *labels, *settings]))
    demand_columns(table, numbers=numbers, others=columns)
    values = table[numbers].astype(float)
    kept = np.isfinite(values).all(axis=1).to_numpy() & table[list(labels)].notna().all(axis=1).to_numpy()
    if kept.sum() < needed:
        named = " and ".join(map(repr, numbers)) or "the table"
        raise ValueError(f"{named}: {kept.sum()} usable rows; at least {needed} needed")
    rows = table.loc[kept, columns].copy()
    for name in numbers:
        rows[name] = equate(values[name][kept].to_numpy())
    return rows, int((~kept).sum())


def demand_columns(table: pd.DataFrame, *, numbers: Sequence[str], others: Sequence[str] = ()) -> None:
    """Raise ValueError for a column that the table does not have, and one of `numbers` that holds none."""
    unknown = [name for name in dict.fromkeys([*numbers, *others]) if name not in table]
    if unknown:
        raise ValueError(f"no column {', '.join(map(repr, unknown))}; the table has: {', '.join(map(str, table))}")
    words = [name for name in numbers if not pd.api.types.is_numeric_dtype(table[name])]
    if words:
        raise ValueError(f"not a column of numbers: {', '.join(map(repr, words))}")
    for name in others:
        demand_values(table[name], name)


def demand_values(column: pd.Series, name: str) -> None:
    """Raise ValueError for a column that holds what has no identity, such as lists."""
    kinds = {type(value) for value in column} if column.dtype == object else set()
    if odd := sorted(kind.__name__ for kind in kinds if kind.__hash__ is None):
        raise ValueError(f"{name!r} holds values of type {odd[0]}: make them numbers, texts or tuples")


def as_numbers(values: ArrayLike, name: str) -> np.ndarray:
    """Return the values as floats, None as NaN; ValueError where they are no numbers, such as texts and dates."""
    found = np.asarray(values)
    words = found.dtype.kind == "O" and any(isinstance(value, str) for value in found.ravel())
    if found.dtype.kind in "biufO" and not words:
        try:
            return found.astype(float)
        except (TypeError, ValueError):
            pass
    raise ValueError(f"{name!r} does not hold numbers")


def finite_pairs(x: np.ndarray, y: np.ndarray, *, needed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x and y where both are finite, as `equate` has them, and where that is; ValueError for under `needed`."""
    x, y = as_numbers(x, "x"), as_numbers(y, "y")
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"x and y must be rows of the same length, not {x.shape} and {y.shape}")
    kept = np.isfinite(x) & np.isfinite(y)
    if kept.sum() < needed:
        raise ValueError(f"{kept.sum()} finite rows; at least {needed} needed")
    return equate(x[kept]), equate(y[kept]), kept


def equate(values: np.ndarray, *, size: float = 0.0) -> np.ndarray:
    """Return the values with those that differ by no more than ROUNDING made the lowest of them: 0.1 + 0.2 is 0.3.

    That is the one rule of what is tied and, as all are one then, of what is constant. It is relative to the size of a
    number: 1e6 + 1e-5 and 1e6 are two. Of a difference it is relative to `size`, that of the numbers it was made from:
    0.95 - 0.94 is 0.96 - 0.95 with a size of 1. What is not finite stays as it is.
    """
    values = np.array(values, dtype=float)
    order = np.argsort(values, axis=None)
    ranked = values.ravel()[order]
    finite = np.isfinite(ranked)
    with np.errstate(invalid="ignore"):
        gaps = np.diff(ranked)
        rounding = ROUNDING * np.maximum(np.abs(ranked), size)
        near = (gaps > 0) & (gaps <= rounding[1:]) & finite[1:] & finite[:-1]
    end = 0
    for first in np.flatnonzero(near):
        if first >= end:  # not yet made equal to one before
            end = int(np.searchsorted(ranked, ranked[first] + rounding[first], side="right"))
            values.ravel()[order[first:end]] = ranked[first]
    return values


def varies(values: np.ndarray) -> bool:
    """Return whether finite values differ by more than rounding."""
    return bool(np.ptp(values) > ROUNDING * np.abs(values).max())


def setting_text(value: object) -> str:
    """Return a setting's value as text, numbers in DIGITS digits: 0.30000000000000004 is 0.3.

    A whole number has all of its digits, as an identity may be one: 8.0 is 8.
    """
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(setting_text, value))})"
    if not isinstance(value, float):
        return str(value)
    return str(int(value)) if value.is_integer() and abs(value) < WHOLE else f"{value:.{DIGITS}g}"


def level_numbers(column: pd.Series, *, ordered: bool = False) -> np.ndarray:
    """Return the number of each row's level of a setting, from 0, as `setting_text` tells levels apart.

    They are numbered as they come, or in their order; a missing value is a level of its own.
    """
    numbers, levels = pd.factorize(column, use_na_sentinel=False, sort=ordered)
    return pd.factorize(np.array([setting_text(level) for level in levels], dtype=object))[0][numbers]

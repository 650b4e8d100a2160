"""Which rows of a table can a statistic be computed on?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


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
    is a level like others. ValueError for a column that the table does not have, one of `numbers` that holds none, and
    fewer than `needed` rows left.
    """
    numbers = list(dict.fromkeys(numbers))
    columns = list(dict.fromkeys([*numbers, *labels, *settings]))
    unknown = [name for name in columns if name not in table]
    if unknown:
        raise ValueError(f"no column {', '.join(map(repr, unknown))}; the table has: {', '.join(map(str, table))}")
    words = [name for name in numbers if not pd.api.types.is_numeric_dtype(table[name])]
    if words:
        raise ValueError(f"not a column of numbers: {', '.join(map(repr, words))}")
    values = table[numbers].astype(float)
    kept = np.isfinite(values).all(axis=1).to_numpy() & table[list(labels)].notna().all(axis=1).to_numpy()
    if kept.sum() < needed:
        named = " and ".join(map(repr, numbers)) or "the table"
        raise ValueError(f"{named}: {kept.sum()} usable rows; at least {needed} needed")
    rows = table.loc[kept, columns].copy()
    rows[numbers] = values[kept]
    return rows, int((~kept).sum())

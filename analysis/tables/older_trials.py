"""Which value has a setting that did not exist yet when a trial ran? Its default, as in the trial's identity."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from analysis.tables.table import Records
from specbias.trials.record import is_text


def with_new_settings(records: Records) -> Records:
    """Return the records of one study with the missing values of settings filled in, and named in `defaulted`.

    A trial made by older code has no value of a setting that was added since. A value that is missing where the default
    is None is None. What is missing in a table of one's own stays missing: one that has other columns than a kind of
    trial here, or fewer than half of its settings.
    """
    table = records.table
    missing = [name for name in records.settings if table[name].isna().any() and not is_text(name)]
    defaults = _defaults(records.settings) if missing else {}
    filled = [name for name in missing if defaults.get(name) is not None]
    columns = {name: table[name].where(table[name].notna(), defaults[name]).infer_objects() for name in filled}
    return replace(records, table=table.assign(**columns), defaulted=tuple(filled))


def _defaults(settings: Sequence[str]) -> dict[str, Any]:
    """Return the defaults of the first kind of trial that has all these settings; none where no kind has.

    Before the measure had versions it was the first.
    """
    from specbias.settings.config import TrialConfig
    from specbias.settings.measurement import NetworkConfig
    from specbias.synthetic.config import CONFIGS
    from specbias.trials.class_config import ClassConfig

    kinds: list[Any] = [TrialConfig, ClassConfig, NetworkConfig, *CONFIGS.values()]
    for kind in kinds:
        defaults = {field.name: field.default for field in dataclasses.fields(kind)} | {"measure_version": 1}
        if set(settings) <= set(defaults) and len(settings) > len(defaults) / 2:
            return defaults
    return {}

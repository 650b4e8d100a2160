"""How does a name become a function? Through a dict literal of name -> "module:function", imported on use."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from specbias.settings import check_known

Entry = TypeVar("Entry")


def look_up(table: Mapping[str, Entry], name: str, kind: str) -> Entry:
    """Return the entry of `name`; SettingError, which lists the known names, for an unknown one."""
    check_known(name, table, kind)
    return table[name]


def load(path: str) -> Callable[..., Any]:
    """Import and return the function at "module:function"."""
    module, function = path.split(":")
    return getattr(importlib.import_module(module), function)

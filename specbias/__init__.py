"""specbias: train classifiers under interventions and measure the frequency of the functions they learn.

From Python: `measure` a network, `compare` two, `load` what was saved, or see a `demo`. Imported on use, so that
`import specbias` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from specbias.comparison import Comparison, compare
    from specbias.demonstration import demo
    from specbias.measuring import measure
    from specbias.results import Result, load

__all__ = ["Comparison", "Result", "compare", "demo", "load", "measure"]

PLACES = {
    "Comparison": "comparison",
    "Result": "results",
    "compare": "comparison",
    "demo": "demonstration",
    "load": "results",
    "measure": "measuring",
}


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module 'specbias' has no attribute {name!r}")
    return getattr(importlib.import_module(f"specbias.{PLACES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]

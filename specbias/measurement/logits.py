"""Where are the logits in what a network returns, and are they logits, or probabilities already?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from specbias.measurement.paths import Predict
from specbias.settings import SettingError

ONE = 1e-3  # how far probabilities may be from summing to 1; in half precision ten times as far


def logits_in(answer: Any, num_classes: int) -> tuple[Tensor, str]:
    """Return the logits in what a network returned, and where they were if it was no tensor alone ("" if it was).

    They are `.logits` or ["logits"], the only tensor (B, num_classes) in a dict or tuple, or else the only tensor of
    two dimensions there. SettingError where that is not clear.
    """
    if isinstance(answer, Tensor):
        return answer, ""
    kind = type(answer).__name__
    if isinstance(getattr(answer, "logits", None), Tensor):
        return answer.logits, f"`.logits`, in the {kind},"
    named = dict(enumerate(answer)) if isinstance(answer, tuple | list) else answer
    named = named if isinstance(named, Mapping) else {}
    if isinstance(named.get("logits"), Tensor):
        return named["logits"], f"['logits'], in the {kind},"
    tables = {key: part for key, part in named.items() if isinstance(part, Tensor) and part.ndim == 2}
    fitting = {key: part for key, part in tables.items() if part.shape[1] == num_classes} or tables
    if len(fitting) != 1:
        held = ", ".join(f"{key}: {_shown(part)}" for key, part in named.items())
        what = f"{'an' if kind[0] in 'AEIOUaeiou' else 'a'} {kind}{held and f' of {held}'}"
        raise SettingError(f"the model gives {what}, not a tensor of logits: return the logits alone")
    [(key, logits)] = fitting.items()
    return logits, f"[{key!r}], in the {kind},"


def check_table(raw: Tensor, *, images: int, num_classes: int) -> None:
    """Raise SettingError unless the logits are a row of real numbers for each image; FloatingPointError for NaN."""
    if raw.ndim and len(raw) != images:
        raise SettingError(
            f"the model gives an answer of shape {tuple(raw.shape)} to {images} images, not one row for each"
        )
    if raw.ndim != 2:
        shape = tuple(raw.shape[1:])
        raise SettingError(
            f"the model gives outputs of shape {shape} per image, the data set has {num_classes} classes"
        )
    if not raw.is_floating_point():
        raise SettingError(f"the model gives numbers of {raw.dtype}, not logits: real numbers of floating point")
    if not raw.isfinite().all():
        raise FloatingPointError("the network's output is not finite")


def are_probabilities(raw: Tensor) -> bool:
    """Tell whether outputs are probabilities over classes; SettingError if they are percentages, or a sigmoid's."""
    near = _sums_to_one(raw)
    raw = raw.double()
    if raw.ndim != 2 or raw.shape[1] < 2 or raw.min() < 0 or raw.min() == raw.max():
        return False
    sums = raw.sum(1)
    if (sums - 1).abs().max() < near:
        return True
    if (sums / 100 - 1).abs().max() < near:
        raise SettingError(
            "the network's outputs are not negative and sum to 100 for each image: percentages. Measure it without "
            "its last functions, or give --outputs logits"
        )
    if raw.max() > 1 + ONE:
        return False
    raise SettingError(
        f"the network's outputs are all between 0 and 1 but sum to {sums.min():.3g} to {sums.max():.3g}: a sigmoid's, "
        "not probabilities of one class among all. Measure it without its last function, or give --outputs logits"
    )


def _sums_to_one(raw: Tensor) -> float:
    return ONE if torch.finfo(raw.dtype).bits > 16 else 10 * ONE


def from_probabilities(predict: Predict) -> Predict:
    """Return the logarithms of probabilities; asked for other numbers, it raises SettingError."""

    def logits(images: Tensor) -> Tensor:
        found = predict(images)
        if found.min() < 0 or (found.double().sum(1) - 1).abs().max() > _sums_to_one(found):
            raise SettingError("the network gave probabilities at first, and other numbers on later images")
        return found.double().clamp(min=torch.finfo(torch.float32).tiny).log()

    return logits


def _shown(part: Any) -> str:
    return str(tuple(part.shape)) if isinstance(part, Tensor) else type(part).__name__

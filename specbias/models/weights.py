"""How do weights from a file get into a network? Safely: no code in the file is run, and every name must fit."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import torch
from torch import Tensor, nn

from specbias.settings import SettingError

NESTED = ("state_dict", "model_state_dict", "model", "net", "network", "weights")  # where checkpoints keep the weights
PREFIXES = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before every name


def load_weights(model: nn.Module, file: Path, *, setting: str) -> None:
    """Load the weights in `file` into the model; SettingError, naming the setting, if they are none or do not fit.

    The file may hold the state dict alone, or under one of NESTED, and its names may begin with one of PREFIXES.
    """
    found = _read(file, setting)
    while isinstance(found, dict) and (inner := [key for key in NESTED if isinstance(found.get(key), dict)]):
        found = found[inner[0]]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        held = ", ".join(map(str, found)) if isinstance(found, dict) else f"a {type(found).__name__}"
        raise SettingError(
            f"{setting}={file}: no named weights, but {held or 'nothing'}; looked under {', '.join(NESTED)}"
        )
    for prefix in PREFIXES * 2:  # in either order
        if all(str(name).startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): value for name, value in found.items()}
    own = model.state_dict()
    shapes = {name: f"{tuple(found[name].shape)} for {tuple(own[name].shape)}" for name in own.keys() & found.keys()}
    differences = {
        "missing": own.keys() - found.keys(),
        "unknown": found.keys() - own.keys(),
        "of another shape": {f"{name} {shapes[name]}" for name in shapes if own[name].shape != found[name].shape},
    }
    said = "; ".join(f"{what}: {_listed(sorted(names))}" for what, names in differences.items() if names)
    if said:
        raise SettingError(f"{setting}={file}: does not fit the model ({said})")
    model.load_state_dict(found)


def _read(file: Path, setting: str) -> object:
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise SettingError(f"{setting}={file}: there is no such file") from None
    except IsADirectoryError:
        raise SettingError(f"{setting}={file}: a folder; name the file of weights in it") from None
    except (pickle.UnpicklingError, EOFError, RuntimeError, ValueError, KeyError) as error:
        unsafe = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it holds a {unsafe[1]}; save model.state_dict() alone" if unsafe else "not written by torch.save"
        raise SettingError(f"{setting}={file}: no file of weights that torch loads safely: {reason}") from None


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

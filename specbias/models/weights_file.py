"""What tensors does a file hold, and under which names? Read without running any code in the file.

torch's own reader of weights alone (weights_only) refuses every class it does not know, and checkpoints of training
scripts hold such: a Namespace of arguments, numpy numbers, a Lightning module's settings, or a whole pickled network.
Each is read as an Inert, which keeps what was stored and can do nothing: no class or function that the file names is
looked up, imported or called.
"""

from __future__ import annotations

import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from specbias.settings import SettingError

DEPTH = 5  # dicts in dicts that are looked through
NO_WEIGHTS = re.compile("optim(?!al)|sched|scaler|loops", re.IGNORECASE)  # what a training script saves beside them
MOST_CLASSES = 100  # that a file may name


class Inert:
    """In place of an object of any class but torch's: what was stored of it."""

    def __new__(cls, *arguments: object, **named: object) -> Inert:
        return super().__new__(cls)

    def __init__(self, *arguments: object, **named: object) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state


def tables_in(file: Path, *, setting: str) -> list[tuple[str, Mapping[str, Tensor]]]:
    """Return every set of named tensors in the file, with its place: the keys that lead there, dots between.

    SettingError, which names the setting, where the file is not there, none that can be read safely, or has no set.
    """
    found = _read(file, setting)
    tables = list(_tables(found, ""))
    if not tables:
        held = ", ".join(map(str, found)) if isinstance(found, Mapping) else _described(found)
        raise SettingError(f"{setting}={file}: no named weights, but {held or 'nothing'}")
    return tables


def _tables(found: object, place: str, depth: int = 0) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    if isinstance(found, Inert):
        found = _weights_of(found)
    if not isinstance(found, Mapping) or depth > DEPTH:
        return
    if found and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in found.items()):
        if place.startswith("callbacks") and not any(value.ndim for value in found.values()):
            return  # a callback's scores
        yield place, found
        return
    inside = [
        each
        for key, value in found.items()
        if isinstance(key, str) and not NO_WEIGHTS.search(key)
        for each in _tables(value, f"{place}.{key}".lstrip("."), depth + 1)
    ]
    yield from inside
    mixed = OrderedDict((k, v) for k, v in found.items() if isinstance(k, str) and isinstance(v, Tensor) and v.ndim)
    if mixed and not inside:  # weights with other things between them
        scalars = {key: value for key, value in found.items() if isinstance(key, str) and isinstance(value, Tensor)}
        mixed.update(scalars)
        if hasattr(found, "_metadata"):
            mixed._metadata = found._metadata  # type: ignore[attr-defined]
        yield place, mixed


def _weights_of(network: Inert) -> dict[str, Tensor]:
    """Return the state dict of a pickled network, from what it stored; {} if it is none."""
    state = getattr(network, "state", None)
    if not isinstance(state, dict) or not {"_parameters", "_buffers", "_modules"} <= state.keys():
        return {}
    passing = state.get("_non_persistent_buffers_set") or ()
    buffers = {name: value for name, value in state["_buffers"].items() if name not in passing}
    found = {name: value for name, value in (state["_parameters"] | buffers).items() if isinstance(value, Tensor)}
    for name, part in state["_modules"].items():
        found |= {f"{name}.{inner}": value for inner, value in _weights_of(part).items()}
    return found


def _read(file: Path, setting: str) -> object:
    asked = f"{setting}={file}"
    if file.is_dir():
        raise SettingError(f"{asked}: a folder; name the file of weights in it")
    try:
        with file.open("rb") as opened:
            begins = opened.read(24)
    except FileNotFoundError:
        raise SettingError(f"{asked}: there is no such file") from None
    except OSError as error:
        raise SettingError(f"{asked}: {error.strerror or error}") from None
    if file.suffix == ".safetensors":
        return _read_safetensors(file, asked)
    if program := _program(file):
        raise SettingError(f"{asked}: {program}, which is a program and not weights: --model {file} runs it")
    classes: dict[str, Any] = {}
    while True:
        try:
            with torch.serialization.safe_globals([(value, name) for name, value in classes.items()]):
                return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # of many kinds, as what is in the file is anything
            if not _made_inert(str(error), classes):
                unsafe = re.search(r"GLOBAL (\S+)", str(error))
                reason = f"it holds a {unsafe[1]}; save model.state_dict() alone" if unsafe else "not of torch.save"
                begins_with = "" if unsafe else f" (it begins with {begins!r})"
                raise SettingError(
                    f"{asked}: no file of weights that torch loads safely: {reason}{begins_with}"
                ) from None


def _made_inert(refusal: str, classes: dict[str, Any]) -> bool:
    """Add what torch refused to `classes`, name -> what is made in its place; tell whether that was new."""
    if unknown := re.search(r"Unsupported global: GLOBAL (\S+) was not an allowed", refusal):
        name = unknown[1] if "." in unknown[1] else f"builtins.{unknown[1]}"
        if name in classes or len(classes) >= MOST_CLASSES:
            return False
        classes[name] = type(name, (Inert,), {})
        return True
    if mapping := re.search(r"Can only SETITEMS? .*but got <class '(?:[\w.]*weights_file\.)?(\S+)'>", refusal):
        if not isinstance(classes.get(mapping[1]), type) or classes[mapping[1]] is OrderedDict:
            return False
        classes[mapping[1]] = OrderedDict  # of a class that is a dict
        return True
    return False


def _read_safetensors(file: Path, asked: str) -> object:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise SettingError(f"{asked}: needs the package safetensors (pip install safetensors)") from None
    try:
        return load_file(file)
    except (SafetensorError, ValueError, OSError) as error:
        raise SettingError(f"{asked}: no safetensors file ({str(error).splitlines()[0]})") from None


def _program(file: Path) -> str | None:
    """Return what kind of program the file is, if it is one of torch's."""
    if not zipfile.is_zipfile(file):
        return None
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    if any("/code/" in name for name in names):
        return "a TorchScript file"
    exported = ("serialized_exported_program.json", "archive_format", "models/model.json")
    return "a file of torch.export" if any(name.endswith(exported) for name in names) else None


def _described(found: object) -> str:
    return f"an object of {type(found).__name__}" if isinstance(found, Inert) else f"a {type(found).__name__}"

"""How do weights from a file get into a network? Every name must fit, and what else the file holds is said."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from specbias.models.weights_file import tables_in
from specbias.settings import SettingError

FIRST = (
    "current_model_state",
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "weights",
)  # of several sets, in this order
AVERAGED = re.compile(
    r"(^|[._])(callbacks|ema|swa|avg|average[d]?|shadow|teacher|target|momentum)", re.IGNORECASE
)  # and these last
PREFIXES = (
    "module.",
    "_orig_mod.",
    "model.",
    "net.",
    "network.",
    "backbone.",
)  # before all names, in files that do not fit
COUNTERS = ("total_ops", "total_params", "n_averaged")  # thop's, and the number of averages: of no use to the network
FILLED_IN = ("num_batches_tracked", "_extra_state")  # what torch itself can do without


class Fitting(NamedTuple):
    """A set of weights that has all that a network needs, under one prefix, and the names outside that prefix."""

    place: str  # the keys that lead there and the prefix, dots between; "" for the whole file
    weights: Mapping[str, Tensor]
    beside: list[str]


def load_weights(model: nn.Module, file: Path, *, setting: str, key: str | None = None) -> list[str]:
    """Load the weights in `file` into the model; return notes on what was chosen of several, and what was left out.

    The file holds a state dict, as torch.save or safetensors writes it, alone or inside others, whose names may all
    begin with a prefix (`module.`, `model.`); or a pickled network, which is not unpickled. Of several sets that fit,
    as of raw weights and their moving average, `key` chooses one by its place; without, the average is not taken.
    torch decides what is missing and which formats of older versions can be filled in. SettingError, naming the
    setting, for a file that cannot be read safely, and with lists of what is missing, unknown or of another shape.
    """
    tables = tables_in(file, setting=setting)
    own = model.state_dict()
    tables = [(place, _with_tied(table, own)) for place, table in tables]
    fitting = sorted((each for place, table in tables for each in _fitting(place, table, own)), key=_preference)
    if key is not None:
        fitting = _of_key(fitting, key)
        tables = [each for each in tables if _is_at(each[0], key)]
    if not tables and not fitting:
        places = ", ".join(place or "(the whole file)" for place, _ in tables_in(file, setting=setting))
        raise SettingError(f"weights_key={key}: {file} has no weights there; it has: {places}")
    chosen = fitting[0] if fitting else _nearest(tables, own)
    _load(model, chosen.weights, own, f"{setting}={file}")
    notes = []
    if others := [each.place or "the rest" for each in fitting[1:]]:
        other = f"{file.name} also holds weights that fit as {', '.join(others)}: --weights-key {others[0]}"
        notes.append(f"the weights are those of {chosen.place or 'the file itself'}; {other} takes those")
    if any(place == "current_model_state" for place, _ in tables):
        notes.append("the file's state_dict is an average of weights, as Lightning saves it beside current_model_state")
    if chosen.beside:
        notes.append(f"left out of {file.name}, as outside {chosen.place}: {_listed(chosen.beside)}")
    return notes


def _with_tied(table: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return the set with the names that safetensors leaves out because their weights are those of another name."""
    groups: dict[tuple, list[str]] = {}
    for name, value in own.items():
        if not torch.nn.parameter.is_lazy(value) and value.numel() and value.data_ptr():
            groups.setdefault((value.data_ptr(), value.shape, value.stride()), []).append(name)
    left_out = {
        name: table[there[0]]
        for names in groups.values()
        if (there := [name for name in names if name in table])
        for name in names
        if name not in table
    }
    if not left_out:
        return table
    filled = OrderedDict({**table, **left_out})
    filled._metadata = getattr(table, "_metadata", None)  # type: ignore[attr-defined]
    return filled


def _fitting(place: str, table: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Iterator[Fitting]:
    """Yield what fits of a set of weights: under every prefix with which all the network's own names are there."""
    needed = [name for name in own if not name.endswith(FILLED_IN)]
    first = needed[0] if needed else ""
    candidates = {name.removesuffix(first) for name in table if name.endswith(first)} if needed else {""}
    prefixes = sorted(
        prefix
        for prefix in candidates
        if prefix[-1:] in ("", ".") and all(_same_shape(table.get(prefix + name), own[name]) for name in needed)
    )
    for prefix in prefixes:
        others = tuple(each for each in prefixes if each != prefix and each.startswith(prefix))
        weights = OrderedDict(
            (name.removeprefix(prefix), value)
            for name, value in table.items()
            if name.startswith(prefix) and not (others and name.startswith(others))
        )
        found = tuple(each for each in prefixes if each)
        beside = [] if not prefix else [n for n in table if not n.startswith(found) and not n.endswith(COUNTERS)]
        yield Fitting(f"{place}.{prefix}".strip("."), _with_versions(weights, table, prefix), beside)


def _with_versions(weights: OrderedDict, table: Mapping[str, Tensor], prefix: str) -> OrderedDict:
    """Give weights the versions that torch saved with them, by which it reads what older versions wrote."""
    versions = getattr(table, "_metadata", None)
    if isinstance(versions, dict):
        inside = {f"{name}.": version for name, version in versions.items() if f"{name}.".startswith(prefix)}
        weights._metadata = {name.removeprefix(prefix).rstrip("."): each for name, each in inside.items()}  # type: ignore[attr-defined]
    return weights


def _preference(each: Fitting) -> tuple[bool, int, int]:
    key = each.place.partition(".")[0]
    return bool(AVERAGED.search(each.place)), FIRST.index(key) if key in FIRST else len(FIRST), len(each.place)


def _is_at(place: str, key: str) -> bool:
    return place == key or place.startswith(f"{key}.")


def _of_key(fitting: list[Fitting], key: str) -> list[Fitting]:
    """Return the sets at a place; one that is named in full comes alone."""
    exact = [each for each in fitting if each.place == key]
    return exact or [each for each in fitting if _is_at(each.place, key)]


def _nearest(tables: list[tuple[str, Mapping[str, Tensor]]], own: Mapping[str, Tensor]) -> Fitting:
    """Return the set that has most names of the network, without the prefixes that all of its names have."""
    found = []
    for place, table in tables:
        prefix = ""
        while more := [each for each in PREFIXES if all(name.startswith(prefix + each) for name in table)]:
            prefix += more[0]
        weights = OrderedDict((name.removeprefix(prefix), value) for name, value in table.items())
        found.append(Fitting(f"{place}.{prefix}".strip("."), _with_versions(weights, table, prefix), []))
    return max(sorted(found, key=_preference), key=lambda each: len(each.weights.keys() & own.keys()))


def _load(model: nn.Module, weights: Mapping[str, Tensor], own: Mapping[str, Tensor], asked: str) -> None:
    kept = OrderedDict((name, value) for name, value in weights.items() if not name.endswith(COUNTERS) or name in own)
    if hasattr(weights, "_metadata"):
        kept._metadata = weights._metadata  # type: ignore[attr-defined]
    failed = ""
    try:
        missing, unknown = map(set, model.load_state_dict(kept, strict=False))
    except RuntimeError as error:
        failed = str(error).splitlines()[-1].strip()
        missing = {name for name in own.keys() - kept.keys() if not name.endswith(FILLED_IN)}
        unknown = kept.keys() - own.keys()
    shapes = [
        f"{name} {tuple(kept[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in kept and not _same_shape(kept[name], own[name])
    ]
    lists = {"missing": missing, "unknown": unknown, "of another shape": shapes}
    differences = "; ".join(f"{what}: {_listed(sorted(names))}" for what, names in lists.items() if names)
    if failed or missing or unknown:
        raise SettingError(f"{asked}: does not fit the model ({differences or failed})")


def _same_shape(found: Tensor | None, own: Tensor) -> bool:
    return found is not None and (torch.nn.parameter.is_lazy(own) or found.shape == own.shape)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

"""Which output of a network is which class of a data set? By the classes' ids, by a file, or by their order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from specbias.data import Data, Split
from specbias.data.imagenet_ids import IMAGENET_IDS
from specbias.data.listing import are_numbers
from specbias.settings import SettingError

CURE = "--class-map FILE says which output is which class"
SHOWN = 3  # names in a message
NAMED = ("class_names", "class_ids")  # what Data has a name for each class in


class Outputs(NamedTuple):
    """The output of each class (K,), and how it was found, in words ("" where there is nothing to say)."""

    places: tuple[int, ...]
    how: str


def match_outputs(data: Data, count: int) -> Outputs:
    """Return which of a network's `count` outputs are the data set's classes; SettingError where nothing decides it.

    In turn: by a class map; by the ids of WordNet, for ImageNet's 1,000 outputs; by number, where the classes are
    numbers and the outputs have these; by the order of the classes, where there are as many outputs.
    """
    ids, names = data.class_ids, data.class_ids or data.class_names
    if data.outputs:
        if max(data.outputs) >= count:
            raise SettingError(f"class_map: it names output {max(data.outputs)}, and the network has {count}, from 0")
        return Outputs(data.outputs, f"classes are matched to the network's {count} outputs by the class map")
    if count == len(IMAGENET_IDS) and {*ids} & {*IMAGENET_IDS}:
        place_of = {name: place for place, name in enumerate(IMAGENET_IDS)}
        if missing := [name for name in ids if name not in place_of]:
            raise SettingError(
                f"{len(missing)} of {len(ids)} classes are none of ImageNet's 1,000, which the network has as outputs: "
                f"{_some(missing)}; a --class-map FILE that names the others leaves these out"
            )
        return Outputs(
            tuple(place_of[name] for name in ids), "classes are matched to the network's 1000 outputs by WordNet id"
        )
    if ids and are_numbers(ids):
        return _by_number(ids, count)
    if count != data.num_classes:
        raise SettingError(
            f"the model gives outputs of shape ({count},) per image, the data set has {data.num_classes} classes"
            + (f" ({_some(names)}): {CURE}" if names else "")
        )
    said = f"the network's {count} outputs are taken for the {count} classes in their order: {_some(ids)} ({CURE})"
    return Outputs(tuple(range(count)), said if ids else "")


def _by_number(ids: Sequence[str], count: int) -> Outputs:
    """Return the outputs of classes that are numbers: in order where there are as many, else the numbers.

    Numbers without a gap, from 0 or 1, are refused there: they may as well count other classes.
    """
    numbers = [int(name) for name in ids]
    if twice := sorted({name for name in ids if numbers.count(int(name)) > 1}):
        raise SettingError(f"classes {_some(twice)} are the same number, and would have the same output: {CURE}")
    span = f"classes are numbers from {numbers[0]} to {numbers[-1]}"
    as_text = f"; a network trained by ImageFolder has them in the order of text, as 0, 1, 10, ...: {CURE}"
    warning = as_text if sorted(ids) != [*ids] else ""
    if len(numbers) == count:
        whole = numbers == [*range(count)]
        said = f"{span}, the network's {count} outputs are taken to be in the order of the numbers{warning}"
        return Outputs(tuple(range(count)), said if warning or not whole else "")
    if numbers[-1] >= count:
        raise SettingError(f"{span}, the model gives {count} outputs, 0 to {count - 1}: {CURE}")
    if numbers == [*range(1, len(numbers) + 1)]:  # 0 may have no images, or is not how they are counted
        raise SettingError(f"{span}, the model gives {count} outputs: is class 1 output 0 or 1? {CURE}")
    if numbers == [*range(len(numbers))]:  # all classes of another data set, as CIFAR-10's, look just so
        raise SettingError(f"{span}, the model gives {count} outputs: are these its first {len(numbers)}? {CURE}")
    return Outputs(tuple(numbers), f"{span}, taken for those of the network's {count} outputs, which count from 0")


def apply_class_map(data: Data, file: Path) -> Data:
    """Return the data with the output of each class from a file, without the classes that it does not name.

    The file is JSON, {"class": output, ...}, as json.dump(dataset.class_to_idx) writes it; a class is its folder, its
    number or its name. SettingError for another file, and where fewer than two classes are in it.
    """
    outputs = read_class_map(file)
    ids = data.class_ids or data.class_names or tuple(str(label) for label in range(data.num_classes))
    names = data.class_names or ids
    known = {*ids, *names}
    if not known & outputs.keys():
        raise SettingError(f"class_map={file}: it names {_some([*outputs])}, the classes are {_some(ids)}")
    kept = [label for label in range(len(ids)) if ids[label] in outputs or names[label] in outputs]
    if len(kept) < 2:
        raise SettingError(f"class_map={file}: it names {len(kept)} of the data set's classes, and 2 are needed")
    places = tuple(outputs.get(ids[label], outputs.get(names[label], -1)) for label in kept)
    if len({*places}) < len(places):
        raise SettingError(f"class_map={file}: two of the data set's classes have the same output")
    left_out = [ids[label] for label in range(len(ids)) if label not in kept]
    said = (f"left out: {len(left_out)} classes that the class map does not name ({_some(left_out)})",)
    return replace(keep_classes(data, kept), outputs=places, notes=data.notes + (said if left_out else ()))


def read_class_map(file: Path) -> dict[str, int]:
    """Return class -> output of a class map; SettingError if the file is none."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"class_map={file}: {error.strerror}") from None
    except ValueError as error:
        raise SettingError(f"class_map={file}: no JSON ({error})") from None
    whole = isinstance(found, dict) and all(type(place) is int and place >= 0 for place in found.values())
    if not whole or not found:
        raise SettingError(f'class_map={file}: expected classes and outputs, {{"n01440764": 0, "goldfish": 1}}')
    return found


def keep_classes(data: Data, kept: Sequence[int]) -> Data:
    """Return the images of some classes, which are numbered anew in this order."""
    new = torch.full((data.num_classes,), -1)
    new[list(kept)] = torch.arange(len(kept))
    splits = {}
    for name in ("train", "validation", "test", "extra"):
        if (split := getattr(data, name)) is not None:
            labels = new.to(split.labels.device)[split.labels]
            splits[name] = Split(split.images[labels >= 0], labels[labels >= 0])
    names = {name: tuple(getattr(data, name)[label] for label in kept if getattr(data, name)) for name in NAMED}
    known = {key: tuple(values[label] for label in kept) for key, values in data.known.items()}
    return replace(data, num_classes=len(kept), known=known, **splits, **names)  # type: ignore[arg-type]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= SHOWN + 1 else f"{', '.join(names[:SHOWN])}, ... {names[-1]}"

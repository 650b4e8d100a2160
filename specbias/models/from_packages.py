"""Networks of timm and transformers by name, with the input that their own configuration says they expect."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from specbias.settings import SettingError
from specbias.settings.own_code import reason

RESAMPLING = {0: "nearest-exact", 2: "bilinear", 3: "bicubic"}  # PIL's numbers; others as bicubic


class Input(NamedTuple):
    """What a network was trained on: channel constants for images in [0, 1], pixels, and how images are resized."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    size: int | None
    interpolation: str


def from_timm(name: str, arguments: Mapping[str, Any]) -> tuple[nn.Module, Input]:
    """Return the network that timm.create_model makes, and its input; SettingError without timm or such a model."""
    try:
        import timm
    except ImportError:
        raise SettingError(f"model=timm:{name}: needs the package timm (pip install timm)") from None
    if ":" not in name and not timm.is_model(name.partition(".")[0]):
        near = ", ".join(difflib.get_close_matches(name, timm.list_models()))
        raise SettingError(f"model=timm:{name}: timm has no such model{near and f'; it has {near}'}")
    network = timm.create_model(name, **arguments)
    found = timm.data.resolve_model_data_config(network)
    size = arguments.get("img_size", found["input_size"][-1])
    interpolation = "bilinear" if found["interpolation"] == "bilinear" else "bicubic"
    return network, Input(_three(found["mean"]), _three(found["std"]), size, interpolation)


def from_transformers(folder: str, arguments: Mapping[str, Any]) -> tuple[nn.Module, Input]:
    """Return the classifier in a folder that save_pretrained wrote, and the input of the image processor there.

    SettingError without transformers, where there is no such folder, no processor, or weights are missing. No code in
    the folder is run, and nothing is fetched.
    """
    asked, path = f"model=hf:{folder}", Path(folder).expanduser()
    try:
        from transformers import AutoImageProcessor, AutoModelForImageClassification
    except ImportError:
        raise SettingError(f"{asked}: needs the package transformers (pip install transformers)") from None
    if not (path / "config.json").is_file():
        raise SettingError(f"{asked}: expected a folder with config.json, as save_pretrained writes it")
    if not (path / "preprocessor_config.json").is_file() and not (path / "processor_config.json").is_file():
        raise SettingError(f"{asked}: has no preprocessor_config.json: save its image processor there too")
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    network, loading = AutoModelForImageClassification.from_pretrained(
        path, output_loading_info=True, **local, **arguments
    )
    if missing := sorted(loading["missing_keys"]):
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise SettingError(f"{asked}: its file of weights lacks {', '.join(missing[:5])}{more}")
    processor = AutoImageProcessor.from_pretrained(path, **local)
    found = _input_of(processor.to_dict())
    _check_input(processor, found, asked)
    return network, found


def _check_input(processor: Any, found: Input, asked: str) -> None:
    """Raise SettingError unless the processor does to the channels of an image what `found` says."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    off = {name: False for name in ("do_resize", "do_center_crop") if name in processor.to_dict()}
    try:
        given = np.asarray(processor(pixels, return_tensors="pt", **off)["pixel_values"][0])
    except Exception as error:  # of any processor
        raise SettingError(f"{asked}: its image processor fails on an image: {reason(error)}") from error
    ours = ((pixels / 255 - found.mean) / found.std).transpose(2, 0, 1)
    if given.shape != ours.shape or np.abs(given - ours).max() > 1e-3 * np.abs(ours).max():
        raise SettingError(
            f"{asked}: its image processor does more to an image than subtract and divide by channel (its order of "
            "channels, or another scale): give the network as FILE.py:make, which does that itself"
        )


def _input_of(processor: Mapping[str, Any]) -> Input:
    scale = 255 * processor.get("rescale_factor", 1 / 255) if processor.get("do_rescale", True) else 255.0
    mean, std = (0.0,) * 3, (1.0,) * 3
    if processor.get("do_normalize", False):
        mean, std = _three(processor["image_mean"]), _three(processor["image_std"])
    sizes = (processor.get("crop_size") if processor.get("do_center_crop") else None) or processor.get("size") or {}
    sizes = {"height": sizes} if isinstance(sizes, int) else sizes
    size = sizes.get("height") or sizes.get("shortest_edge")
    constants = tuple(each / scale for each in mean), tuple(each / scale for each in std)
    return Input(*constants, size, RESAMPLING.get(processor.get("resample", 2), "bicubic"))  # type: ignore[arg-type]


def _three(values: Any) -> tuple[float, float, float]:
    values = [values] if isinstance(values, int | float) else list(values)
    first, second, third = (float(value) for value in (values * 3 if len(values) == 1 else values))
    return first, second, third

"""How is a network that was trained elsewhere measured? Its factory, its weights, its images, and one call."""

from __future__ import annotations

import functools
import importlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from specbias.config import NetworkConfig
from specbias.data import DATASETS, Data, Split, data_directory, load_dataset
from specbias.data.imagefolder import load_imagefolder
from specbias.measure import evaluating
from specbias.measure.report import measure_function
from specbias.models import MODELS, build_model
from specbias.models.weights import load_weights
from specbias.registry import load, look_up
from specbias.selection import Selection
from specbias.settings import SettingError


def measure_network(
    config: NetworkConfig, *, on_images: Callable[[int, int], object] = lambda done, total: None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what measure_function returns, for the network, weights and images that `config` names.

    Sets torch's number of threads and float32 precision. Raises SettingError, one line, where something named is not
    there or does not fit; FloatingPointError on an output that is not finite.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    torch.backends.fp32_precision = "ieee"  # type: ignore[attr-defined]
    device = config.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise SettingError("device=cuda: torch finds no GPU here")
    config = replace(config, device=device, threads=torch.get_num_threads())
    data = load_images(config, device)
    model = load_network(config, num_classes=data.num_classes, image_size=data.test.images.shape[-1])
    model = model.to(device).to(memory_format=torch.channels_last)
    mean, std = config.input_mean or data.mean, config.input_std or data.std
    as_expected = expected_input(data.mean, data.std, mean, std, device)
    with evaluating(model, device, config.precision) as predict:
        return measure_function(lambda images: predict(as_expected(images)), data, config, on_images=on_images)


def load_images(config: NetworkConfig, device: str) -> Data:
    """Return the data set that `config` names, the splits to be measured on `device`."""
    name, colon, folder = config.dataset.partition(":")
    if colon and name == "imagefolder":
        data = load_imagefolder(Path(folder).expanduser(), image_size=config.image_size)
    else:
        facts = look_up(DATASETS | {"imagefolder:DIR": None}, config.dataset, "data set")
        if facts is None:
            raise SettingError("dataset=imagefolder:DIR: name the folder")
        data = load_dataset(config.dataset, Selection(image_size=config.image_size))
        if config.extra_test is not None:
            if facts.extra is None:
                raise SettingError(f"extra_test={config.extra_test}: {config.dataset} has no second test set")
            data = replace(data, extra=load(facts.extra)(data_directory(), config.extra_test))
    if config.split not in data.splits:
        raise SettingError(f"split={config.split}: not in {config.dataset}, which has {', '.join(data.splits)}")
    needed = {name: data.splits[name] for name in (config.split, "extra") if name in data.splits}
    moved = {name: Split(*(part.to(device) for part in split)) for name, split in needed.items()}
    return replace(data, **moved)  # type: ignore[arg-type]


def load_network(config: NetworkConfig, *, num_classes: int, image_size: int) -> nn.Module:
    """Return the network that `config` names, with the weights of its checkpoint."""
    try:
        arguments = json.loads(config.model_args)
    except json.JSONDecodeError as error:
        raise SettingError(f"model_args={config.model_args}: no JSON ({error})") from None
    if not isinstance(arguments, dict):
        raise SettingError(f'model_args={config.model_args}: expected names and values, {{"width": 16}}')
    factory: Callable[..., Any]
    if ":" not in config.model:
        look_up({**MODELS, "torchvision:NAME": None, "module:factory": None}, config.model, "model")
        factory = functools.partial(build_model, config.model, num_classes=num_classes, image_size=image_size)
    else:
        factory = _factory(config.model)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            model = factory(**arguments)
    except SettingError:
        raise
    except Exception as error:  # of the user's own code
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise SettingError(f"model={config.model}: calling it with {config.model_args} failed ({reason})") from error
    if not isinstance(model, nn.Module):
        raise SettingError(f"model={config.model}: gave a {type(model).__name__}, not a torch.nn.Module")
    if config.checkpoint is not None:
        load_weights(model, Path(config.checkpoint).expanduser(), setting="checkpoint")
    return model


def _factory(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    if "/" in module or module.endswith(".py"):
        raise SettingError(f"model={path}: expected module:factory, the module's name without folder and .py")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # the user's own modules are here
    try:
        found = getattr(importlib.import_module("torchvision.models" if module == "torchvision" else module), name)
    except ImportError as error:
        raise SettingError(f"model={path}: {error} (looked in {Path.cwd()} and what is installed)") from None
    except AttributeError:
        raise SettingError(f"model={path}: there is no {name!r} in {module}") from None
    if not callable(found):
        raise SettingError(f"model={path}: {name} is a {type(found).__name__}, not a factory")
    return found


def expected_input(
    own_mean: Sequence[float], own_std: Sequence[float], mean: Sequence[float], std: Sequence[float], device: str
) -> Callable[[Tensor], Tensor]:
    """Return the way from the data set's normalised space to that of a network, each by its channel constants."""
    if tuple(own_mean) == tuple(mean) and tuple(own_std) == tuple(std):
        return lambda images: images
    constants = (torch.tensor(tuple(each)).view(1, 3, 1, 1).to(device) for each in (own_mean, own_std, mean, std))
    from_mean, from_std, to_mean, to_std = constants
    scale, shift = from_std / to_std, (from_mean - to_mean) / to_std
    return lambda images: images * scale + shift

"""How is a network measured from Python? In one line: the network, images, and a result that shows itself."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from specbias.data import Data, Split
from specbias.data.datasets import DATASETS
from specbias.data.from_python import open_given
from specbias.data.opened import open_images
from specbias.measurement.report import measure_function
from specbias.models.own import as_network
from specbias.progress_bar import ProgressBar
from specbias.results import Result
from specbias.settings import SettingError, check_known
from specbias.settings.measurement import NetworkConfig
from specbias.settings.own_code import reason
from specbias.settings.registry import look_up
from specbias.training.execution import use_float32
from specbias.trials.network import Network, measure_prepared, prepare_network

PAIRS = 20  # of a first look, as of a sweep's trials; the papers take 200
NOT_HERE = ("model", "model_args", "checkpoint", "weights_key", "threads")  # settings that the model itself stands for
OF_FILES = ("labels", "labels_key", "severity", "class_map", "extra_test", "image_size")  # of a data set's name alone


def measure(
    model: nn.Module | Callable[[Tensor], Any],
    images: Any,
    labels: Any = None,
    *,
    pairs: int | None = None,
    class_names: Sequence[str] = (),
    name: str | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Result:
    """Measure accuracy and the frequency of the function that an image classifier has learned.

    `model` is a torch module, copied and measured in evaluation mode where its weights are, or any function from
    images (B, 3, H, W) in float32 to logits or probabilities (B, C), tensor or array. `images` are uint8 (N, 3, H, W),
    (N, H, W, 3), or grey (N, H, W), with `labels` (N,) that count from 0; floats from 0 to 1, or normalised by
    `input_mean` and `input_std`; a torch Dataset or DataLoader, which gives both; or the name of a data set, "cifar10",
    "digits", "imagefolder:DIR" and the like. `pairs` paths run within each class and between each two: at most half as
    many as the smallest class has images; None: that, or 20. `settings` are those of `python -m specbias measure
    --help`, with its defaults: spacing, band, space, split, input_mean, input_std, seed, fourier, jacobian, ...

    Frequencies are in cycles per unit of L2 distance between images normalised by `space`, ImageNet's constants for
    images of one's own. Raises SettingError, a ValueError of one line that says what does not fit and what is possible;
    FloatingPointError on an output that is not finite. The model is left as it is; torch computes float32 exactly from
    then on, as a GPU by itself does not.

    >>> import specbias, torch
    >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 2))
    >>> images, labels = torch.randint(256, (40, 3, 8, 8), dtype=torch.uint8), torch.arange(40) % 2
    >>> result = specbias.measure(network, images, labels, pairs=5, band=0.1, quiet=True)
    >>> result.record["within_class"]["n_paths"], result.record["between_class"]["n_paths"]
    (10, 5)
    """
    name = name or _name(model)
    data, config = _images(images, labels, class_names, _config(name, settings))
    config = replace(config, pairs=_pairs(data.splits[config.split], pairs))
    device = config.device or _device(model)
    config = replace(config, device=device)
    needed = {each: data.splits[each] for each in (config.split, "extra") if each in data.splits}
    data = replace(data, **{key: Split(*(part.to(device) for part in split)) for key, split in needed.items()})  # type: ignore[arg-type]
    use_float32()
    with contextlib.nullcontext() if quiet else ProgressBar() as bar:
        watch: dict[str, Any] = {} if bar is None else {"on_images": bar.update}
        if isinstance(model, nn.Module):
            network = Network(_copied(name, model), None, [])
            record, arrays = measure_prepared(prepare_network(network, data, config), **watch)
        elif callable(model):
            if config.compile:
                raise SettingError("compile=True: must be for a torch module: a function is not compiled")
            record, arrays = measure_function(_as_tensors(model), data, config, **watch)
        else:
            raise SettingError(f"model: a {type(model).__name__}; expected a torch module, or a function of images")
        if bar is not None:
            record["run"] = bar.run
    return Result(record, arrays, name)


def _config(name: str, settings: dict[str, Any]) -> NetworkConfig:
    known = {field.name: None for field in fields(NetworkConfig) if field.name not in (*NOT_HERE, "dataset", "pairs")}
    for setting in settings:
        check_known(setting, known, "setting")
    lists: dict[str, Any] = {
        setting: tuple(value) if isinstance(value, list) else value for setting, value in settings.items()
    }
    return NetworkConfig(**{"model": name, **lists})


def _images(images: Any, labels: Any, class_names: Sequence[str], config: NetworkConfig) -> tuple[Data, NetworkConfig]:
    """Return the images as Data, and the settings with what is known of them."""
    if isinstance(images, str):
        if labels is not None:
            raise SettingError(f"labels: {images} has its own; leave them out")
        config = replace(config, dataset=images)
        data = open_images(config)
        if config.split not in data.splits:
            raise SettingError(f"split={config.split}: not in {images}, which has {', '.join(data.splits)}")
        return (replace(data, class_names=tuple(class_names)) if class_names else data), config
    if config.split != "test":
        raise SettingError(f"split={config.split}: images of one's own have no other splits: leave it out")
    for setting in OF_FILES:
        if getattr(config, setting) is not None:
            raise SettingError(f"{setting}={getattr(config, setting)}: not for images of one's own")
    own = None if config.input_mean is None or config.input_std is None else (config.input_mean, config.input_std)
    given = open_given(images, labels, constants=own, class_names=class_names)
    config = replace(config, dataset=given.name)
    if given.constants is not None:
        mean, std = given.constants
        config = replace(config, input_mean=mean, input_std=std)
    data = given.data
    if config.space is None:
        said = "distances are in the space of ImageNet's channel constants; space= names another data set's"
        return replace(data, notes=(*data.notes, said)), config
    facts = look_up(DATASETS, config.space, "space")
    return replace(data, mean=facts.mean, std=facts.std), config


def _pairs(split: Split, asked: int | None) -> int:
    smallest = int(torch.bincount(split.labels.cpu()).min())
    return max(1, min(PAIRS, smallest // 2)) if asked is None else asked


def _device(model: Any) -> str:
    parameter = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    return "cpu" if parameter is None else parameter.device.type


def _name(model: Any) -> str:
    named = getattr(model, "__name__", None) or type(model).__name__
    return "function" if named == "<lambda>" else str(named)


def _copied(name: str, model: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode: a network's layout, precision and mode are changed to measure it."""
    try:
        return copy.deepcopy(as_network(name, model)).eval()
    except SettingError:
        raise
    except Exception as error:
        hint = "give a function of images instead: lambda images: model(images)"
        raise SettingError(f"model={name}: cannot be copied ({reason(error)}); {hint}") from error


def _as_tensors(function: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
    """Return the function, with what it gives as a tensor where it gives an array."""
    import numpy as np

    def asked(images: Tensor) -> Any:
        answer = function(images)
        return torch.from_numpy(answer) if isinstance(answer, np.ndarray) else answer

    return asked

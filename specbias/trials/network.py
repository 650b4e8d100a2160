"""How is a network that was trained elsewhere measured? Its factory, its weights, its images, and one call."""

from __future__ import annotations

import functools
import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from specbias.data import Data, Split
from specbias.data.opened import open_images
from specbias.measurement.compiled import Compiled
from specbias.measurement.half_precision import HalfPrecision, ends_of, layers_in_float32, missing
from specbias.measurement.normalisation import expected_input
from specbias.measurement.paths import Predict
from specbias.measurement.report import measure_function
from specbias.models import MODELS, build_model
from specbias.models.as_function import as_function
from specbias.models.from_packages import Input, from_timm, from_transformers
from specbias.models.own import as_network
from specbias.models.weights import load_weights
from specbias.settings import SettingError, own_code
from specbias.settings.measurement import NetworkConfig
from specbias.settings.own_code import reason
from specbias.settings.registry import look_up
from specbias.training.execution import use_device, use_float32

PROGRAMS = (".pt", ".pth", ".ts", ".pt2", ".onnx")  # files that hold a network whole
FROM_PACKAGES = {"timm": from_timm, "hf": from_transformers}


class Network(NamedTuple):
    """A network from elsewhere, what is known of its input, and what there is to say of how it was loaded."""

    module: nn.Module
    input: Input | None
    notes: list[str]


class Prepared(NamedTuple):
    """All that is measured: the network, as a function of its own input, the images, and the settings in full."""

    predict: Predict  # in float32, by which it is understood
    measured: Predict  # in the precision that is asked for, bf16 where it is to be corrected, or compiled
    data: Data
    settings: NetworkConfig
    network: Network


def measure_network(
    config: NetworkConfig, *, on_images: Callable[[int, int], object] = lambda done, total: None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what measure_function returns, for the network, weights and images that `config` names.

    The record's notes begin with those on how it was loaded. Sets torch's number of threads and float32 precision.
    Raises SettingError, one line, where something named is not there or does not fit; FloatingPointError on an output
    that is not finite.
    """
    return measure_prepared(prepare(config), on_images=on_images)


def measure_prepared(
    prepared: Prepared, *, on_images: Callable[[int, int], object] = lambda done, total: None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what measure_function returns; the record's notes begin with those on how the network was loaded."""
    predict, measured, data, settings, network = prepared
    corrected = settings.precision == "corrected"
    how: dict[str, Any] = {"exactly": predict, "corrected": corrected, "on_images": on_images}
    record, arrays = measure_function(measured, data, settings, **how)
    failed = [measured.failure] if isinstance(measured, Compiled) and measured.failure else []
    return record | {"notes": network.notes + failed + record["notes"]}, arrays


def prepare(config: NetworkConfig) -> Prepared:
    """Return the network and the images that `config` names, ready to be measured, and the settings as they are used.

    What a network of timm or transformers says of its input holds where `config` is silent.
    """
    device = config.device or ("cuda" if torch.cuda.is_available() else "cpu")
    use_device(device, threads=config.threads)
    config = replace(config, device=device, threads=torch.get_num_threads())
    data = load_images(config, device)
    network = open_network(config, num_classes=data.num_classes, image_size=data.test.images.shape[-1])
    use_float32()  # whatever its code has set
    return prepare_network(network, data, config)


def prepare_network(network: Network, data: Data, config: NetworkConfig) -> Prepared:
    """Return a network and images that are there, ready to be measured on `config.device`, and the settings used."""
    own, interpolation = network.input, "bilinear"
    if own is not None:
        config = replace(config, network_size=config.network_size or own.size)
        interpolation = own.interpolation
        if config.input_mean is None:
            config = replace(config, input_mean=own.mean, input_std=own.std)
    shown = data.normalise(data.splits[config.split].images[:2])
    mean, std, device = config.input_mean or data.mean, config.input_std or data.std, config.device or "cpu"
    into = expected_input(data.mean, data.std, mean, std, device)
    predict, notes = as_function(
        network.module.to(device),
        into(shown),
        name=config.model,
        size=config.network_size,
        interpolation=interpolation,
    )
    measured = Compiled(predict, network.module, size=config.batch_on(device)) if config.compile else predict
    if config.precision != "float32":
        layers = layers_in_float32(config.float32_layers, corrected=config.precision == "corrected")
        measured = HalfPrecision(predict, network.module, layers=layers)
        with torch.no_grad():
            lacking = missing(ends_of(predict, network.module, into(shown)), layers)
        notes += [lacking] if lacking else []
    return Prepared(predict, measured, data, config, network._replace(notes=network.notes + notes))


def load_images(config: NetworkConfig, device: str) -> Data:
    """Return the images that `config` names, the splits to be measured on `device`."""
    data = open_images(config)
    if config.split not in data.splits:
        raise SettingError(f"split={config.split}: not in {config.dataset}, which has {', '.join(data.splits)}")
    needed = {name: data.splits[name] for name in (config.split, "extra") if name in data.splits}
    moved = {name: Split(*(part.to(device) for part in split)) for name, split in needed.items()}
    return replace(data, **moved)  # type: ignore[arg-type]


def load_network(config: NetworkConfig, *, num_classes: int, image_size: int) -> nn.Module:
    """Return the network that `config` names, with the weights of its checkpoint, for the data set's own input."""
    network = open_network(config, num_classes=num_classes, image_size=image_size)
    if network.input is not None:
        raise SettingError(f"model={config.model}: has an input of its own, which `specbias measure` alone takes")
    return network.module


def open_network(config: NetworkConfig, *, num_classes: int, image_size: int) -> Network:
    """Return the network that `config` names, in evaluation mode, with the weights of its checkpoint."""
    try:
        arguments = json.loads(config.model_args)
    except json.JSONDecodeError as error:
        raise SettingError(f"model_args={config.model_args}: no JSON ({error})") from None
    if not isinstance(arguments, dict):
        raise SettingError(f'model_args={config.model_args}: expected names and values, {{"width": 16}}')
    if Path(config.model).suffix in PROGRAMS:
        return Network(_program(Path(config.model).expanduser(), config), None, [])
    factory = _factory(config.model, num_classes=num_classes, image_size=image_size)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            made = factory(**arguments)
    except SettingError:
        raise
    except (Exception, SystemExit) as error:  # of the user's own code
        called = f"calling it with {config.model_args} failed"
        raise SettingError(f"model={config.model}: {called} ({reason(error)})") from error
    made, own = made if isinstance(made, tuple) and made and isinstance(made[-1], Input) else (made, None)
    module, notes = as_network(config.model, made).eval(), []
    if config.checkpoint is not None:
        file = Path(config.checkpoint).expanduser()
        notes = load_weights(module, file, setting="checkpoint", key=config.weights_key)
    return Network(module, own, notes)


def weights_of(config: NetworkConfig) -> list[Path]:
    """Return the files of the network's weights: its checkpoint, a program's own file, all in a folder of hf:."""
    files = [] if config.checkpoint is None else [Path(config.checkpoint).expanduser()]
    if Path(config.model).suffix in PROGRAMS:
        files.append(Path(config.model).expanduser())
    kind, _, name = config.model.partition(":")
    if kind == "hf":
        files += sorted(file for file in Path(name).expanduser().glob("*") if file.is_file())
    return files


def _program(file: Path, config: NetworkConfig) -> nn.Module:
    """Return the network that torch.jit.save or torch.export.save wrote, weights and all: a program that is run."""
    asked = f"model={config.model}"
    if file.suffix == ".onnx":
        raise SettingError(f"{asked}: an ONNX file is measured from Python, by measure_function (docs/measurements.md)")
    if config.checkpoint is not None or config.model_args != "{}":
        raise SettingError(f"{asked}: holds weights and all: leave out --checkpoint and --model-args")
    if not file.is_file():
        raise SettingError(f"{asked}: there is no such file")
    try:
        if file.suffix != ".pt2":
            return torch.jit.load(file, map_location="cpu").eval()
        program = torch.export.load(file)
    except Exception as error:
        saved = "torch.export.save" if file.suffix == ".pt2" else "torch.jit.save"
        hint = f"no network of {saved}; weights are given as --checkpoint, with --model FILE.py:factory"
        raise SettingError(f"{asked}: {hint} ({reason(error)})") from None
    given = program.graph_signature.user_inputs
    sizes = [
        node.meta["val"].shape[0] for node in program.graph.nodes if node.op == "placeholder" and node.name in given
    ]
    if not sizes or isinstance(sizes[0], int):
        only = f"exported for batches of {sizes[0] if sizes else 'no'} images alone"
        raise SettingError(f"{asked}: {only}; give torch.export.export dynamic_shapes for the first dimension")
    return program.module()  # in the mode that it was exported in


def _factory(path: str, *, num_classes: int, image_size: int) -> Callable[..., Any]:
    module, colon, name = path.partition(":")
    if not colon:
        elsewhere = dict.fromkeys(
            ("torchvision:NAME", "timm:NAME", "hf:FOLDER", "module:factory", "FILE.py:factory", "FILE.pt2")
        )
        look_up({**MODELS, **elsewhere}, path, "model")
        return functools.partial(build_model, path, num_classes=num_classes, image_size=image_size)
    if module in FROM_PACKAGES:
        return lambda **arguments: FROM_PACKAGES[module](name, arguments)
    if ".py:" in path or "#" in path:
        return own_code.load(own_code.identify(path, setting="model"), setting="model")
    if "/" in module or module.endswith(".py"):
        raise SettingError(f"model={path}: expected FILE.py:factory, or module:factory without folder and .py")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # the user's own modules are here
    try:
        found = getattr(importlib.import_module("torchvision.models" if module == "torchvision" else module), name)
    except ImportError as error:
        raise SettingError(f"model={path}: {error} (looked in {Path.cwd()} and what is installed)") from None
    except AttributeError as error:
        if sys.modules.get(module) is None and module != "torchvision":
            raise SettingError(f"model={path}: {reason(error)}") from error
        raise SettingError(f"model={path}: there is no {name!r} in {module}") from None
    except (Exception, SystemExit) as error:  # of the user's own code
        raise SettingError(f"model={path}: importing {module} failed ({reason(error)})") from error
    if not callable(found):
        raise SettingError(f"model={path}: {name} is a {type(found).__name__}, not a factory")
    return found

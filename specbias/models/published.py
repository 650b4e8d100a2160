"""torchvision's classifiers with their published weights, and the images that those expect."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError

import torchvision
from torch import nn

from specbias.models.weights import load_weights
from specbias.settings import SettingError
from specbias.settings.registry import look_up


class Published(NamedTuple):
    """A network, how its images are made (as the weights' metadata say), and the channel constants it expects."""

    network: nn.Module
    size: int  # pixels of the crop
    resize: int  # of the shorter side before
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


def load_published(name: str, weights: str, checkpoint: str | None = None) -> Published:
    """Return a network of torchvision.models with its weights of that name (DEFAULT, IMAGENET1K_V1, ...).

    They are read from the file `checkpoint`, or else from torch's cache or the address that torchvision knows.
    SettingError for what torchvision has not, for a file that does not fit, and where nothing can be fetched.
    """
    known = dict.fromkeys(torchvision.models.list_models(torchvision.models))
    look_up(known, name, "model of torchvision")
    found = torchvision.models.get_model_weights(name)
    look_up(found.__members__, weights, f"weights of {name}")
    chosen = found[weights]
    if not chosen.meta.get("categories"):
        raise SettingError(f"pretrained={weights}: these weights of {name} are of its features alone, without classes")
    arguments: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):  # their weights are of a network with auxiliary outputs, for training
        arguments = {"aux_logits": True, "transform_input": True, "init_weights": False}
    network = torchvision.models.get_model(name, weights=None, **arguments)
    if checkpoint is not None:
        load_weights(network, Path(checkpoint).expanduser(), setting="checkpoint")
    else:
        network.load_state_dict(_fetch(chosen, name, weights))
    expected = chosen.transforms()
    sizes = (expected.crop_size[0], expected.resize_size[0], expected.interpolation.value)
    return Published(network.eval(), *sizes, tuple(expected.mean), tuple(expected.std))


def _fetch(chosen: Any, name: str, weights: str) -> Any:
    try:
        return chosen.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError, URLError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SettingError(
            f"pretrained={weights}: the weights of {name} are not here and cannot be downloaded ({reason}); fetch "
            f"{chosen.url} on a connected machine and give the file, checkpoint=FILE"
        ) from None

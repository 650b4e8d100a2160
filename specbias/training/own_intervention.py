"""An intervention of one's own: built by a function in a file, and held to the laws of all before any trial."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from specbias.data import facts_of
from specbias.settings import SettingError
from specbias.settings.config import TrialConfig
from specbias.settings.own_code import failure, load
from specbias.training.batch import Intervention, unchanged


def own_intervention(config: TrialConfig) -> Intervention:
    """Return what the user's build(config) returns, f(images, targets, generator) -> (images, targets).

    SettingError where it cannot be built. At strength 0 none of its code is run.
    """
    if not config.own_strength:
        return unchanged
    assert config.own_intervention is not None  # check_config
    build = load(config.own_intervention, setting="own_intervention")
    try:
        apply = build(config)
    except Exception as error:
        raise _refusal(config, f"cannot be built: {failure(config.own_intervention, error)}") from error
    if not callable(apply):
        raise _refusal(config, f"builds a {type(apply).__name__}, not a function of images, targets and generator")
    return apply


def check_own_intervention(config: TrialConfig) -> None:
    """Raise SettingError, one line, if a random batch shows that the intervention breaks a law."""
    if not config.own_strength:
        return
    apply, facts = own_intervention(config), facts_of(config.dataset, config.selection)
    stream = torch.Generator().manual_seed(0)
    images = torch.randn(8, 3, facts.image_size, facts.image_size, generator=stream)
    targets = one_hot(torch.arange(8) % facts.num_classes, facts.num_classes).float()
    given = images.clone(), targets.clone()
    try:
        found, again = (apply(*given, torch.Generator().manual_seed(1)) for _ in range(2))
    except Exception as error:
        raise _refusal(config, f"fails on a batch: {failure(str(config.own_intervention), error)}") from error
    if broken := _broken(found, images, targets):
        raise _refusal(config, broken)
    if not (torch.equal(given[0], images) and torch.equal(given[1], targets)):
        raise _refusal(config, "writes into the images or targets that it is given; change a copy")
    if not all(torch.equal(one, other) for one, other in zip(found, again, strict=True)):
        raise _refusal(config, "is not the same twice; draw all random numbers from the generator that it is given")


def _broken(found: Any, images: Tensor, targets: Tensor) -> str | None:
    """Return in words what is wrong with a batch that was made of these images and targets."""
    if not (isinstance(found, tuple) and len(found) == 2 and all(isinstance(each, Tensor) for each in found)):
        return f"returns a {type(found).__name__}, not (images, targets)"
    for name, new, old in (("images", found[0], images), ("targets", found[1], targets)):
        if new.shape != old.shape or new.dtype != old.dtype:
            return f"makes {name} {tuple(new.shape)} in {new.dtype} of {tuple(old.shape)} in {old.dtype}"
        if not new.isfinite().all():
            return f"makes {name} that are not finite"
    rows = found[1]
    if rows.min() < 0 or (rows.sum(dim=1) - 1).abs().max() > 1e-4:
        return "makes targets that are no probabilities: at least 0, and the sum of each row 1"
    return None


def _refusal(config: TrialConfig, why: str) -> SettingError:
    return SettingError(f"own_intervention={config.own_intervention}: {why}")

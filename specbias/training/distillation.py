"""What does a student learn from its teacher? A trained network's probabilities take a share of every target."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from specbias.data import facts_of
from specbias.models import build_model
from specbias.models.weights import load_weights
from specbias.settings import SettingError
from specbias.settings.config import TrialConfig
from specbias.training.check import check_teacher, find_teacher

Distillation = Callable[[Tensor, Tensor], Tensor]


def build_distillation(config: TrialConfig) -> Distillation | None:
    """Return f(images, targets) -> targets for a student, None for any other trial.

    "Spectral Bias in Practice", section 6: (1 - a) target + a softmax(teacher), at temperature 1 and for
    the same augmented batch, a being `distillation`; the teacher is in evaluation mode. SettingError is load_teacher's.
    """
    if not config.generation:
        return None
    return distil_from(load_teacher(config), config)


def distil_from(teacher: nn.Module, config: TrialConfig) -> Distillation:
    """Return f(images, targets) -> targets for a student of this network, which is moved to the student's device."""
    teacher = teacher.eval().to(config.device).to(memory_format=getattr(torch, config.memory_format))

    @torch.no_grad()
    def distil(images: Tensor, targets: Tensor) -> Tensor:
        return torch.lerp(targets, teacher(images).float().softmax(dim=1), config.distillation)

    return distil


def load_teacher(config: TrialConfig) -> nn.Module:
    """Return the network at `config.teacher` on the CPU, in evaluation mode; SettingError if it cannot teach here.

    It must be the very one whose identity is `teacher_id`. A folder that a trial was saved to says what network it
    holds, and the trial must be finished, on the same data set. A file of weights must fit the student's own
    architecture and number of classes.
    """
    if config.teacher is None:
        raise SettingError(
            f"generation={config.generation}: the teacher is trial {config.teacher_id}; name the folder that it was "
            "saved to, teacher=FOLDER"
        )
    file, taught = Path(config.teacher), config
    if find_teacher(config.teacher)[1] != config.teacher_id:
        raise SettingError(
            f"teacher={file}: it is not the teacher that this trial is planned with, {config.teacher_id}"
        )
    if file.is_dir():
        taught, file = check_teacher(file, config), file / "weights.pt"
    facts = facts_of(config.dataset, config.selection)
    sizes = {"num_classes": facts.num_classes, "image_size": facts.image_size}
    with torch.random.fork_rng(devices=[]):
        model = build_model(taught.model, **sizes, width=taught.width, dropout=taught.dropout)
    load_weights(model, file, setting="teacher")
    return model.eval().requires_grad_(False)

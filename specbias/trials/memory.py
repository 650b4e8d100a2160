"""How much of a GPU's memory does a trial take? Rehearsed: a few steps and a measurement, with all it asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch

from specbias.data import Data, Split, facts_of
from specbias.measurement import measure, probes_of
from specbias.models import look_up_model
from specbias.settings import SettingError
from specbias.settings.config import PENALTIES, TrialConfig
from specbias.training.distillation import distil_from
from specbias.training.execution import use_device
from specbias.training.label_noise import build_label_noise
from specbias.training.train import new_state, train
from specbias.trials.trial import new_model

# What the size of a trial depends on, beside the network; the rest changes numbers, not their number.
TRAINING = (
    "dataset",
    "image_size",
    "classes",
    "model",
    "width",
    "batch_size",
    "optimizer",
    "lookahead",
    "precision",
    "memory_format",
    "compile",
)
MEASURING = ("measure_batch", "measure_precision", "jacobian_images")
SIZES = (*TRAINING, *MEASURING, *PENALTIES)


def peak_memory(config: TrialConfig) -> int:
    """Return the bytes that a trial of this complete config takes on its GPU at most, as a process of its own.

    The most that torch's allocator reserves in two steps and a measurement, the images of its data set, and what the
    device says is taken beside: CUDA's context, and whatever else is on that GPU now. SettingError on a CPU, where no
    part of the memory is reserved.
    """
    if config.device != "cuda":
        raise SettingError(f"device={config.device}: only a GPU's memory is measured and shared out")
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    rehearse(config)
    free, total = torch.cuda.mem_get_info()
    beside = total - free - torch.cuda.memory_reserved()
    return torch.cuda.max_memory_reserved() + beside + _image_bytes(config)


def most_demanding(configs: Iterable[TrialConfig], *, most: int = 4) -> list[TrialConfig]:
    """Return the configs to rehearse: of those that differ in size the `most` whose step is the most work.

    Work, operations times images, stands for memory, which nobody knows before; a penalty is taken as three times the
    work, a CPU's memory is not counted.
    """
    distinct: dict[tuple, TrialConfig] = {}
    for config in configs:
        if config.device == "cuda":
            distinct.setdefault(tuple(getattr(config, name) for name in SIZES) + (config.generation > 0,), config)
    return sorted(distinct.values(), key=_work, reverse=True)[:most]


def rehearse(config: TrialConfig) -> None:
    """Train two steps and measure once, on random images in the shape of the data set: no data are read."""
    use_device(config.device, threads=config.threads)
    facts = facts_of(config.dataset, config.selection)
    count = max(config.measure_batch, 8 * facts.num_classes)  # enough for a pair in and between classes
    held_out = _random_split(config, count)
    data = Data(
        train=_random_split(config, 2 * config.batch_size),
        validation=held_out,
        test=held_out,
        mean=facts.mean,
        std=facts.std,
        num_classes=facts.num_classes,
        extra=held_out,
    )
    # As large as the trial is, but nothing that the trial's own images may well have and these few lack
    short = replace(
        config,
        epochs=1,
        train_size=None,
        equal_steps=False,
        probe_pairs=min(config.probe_pairs, 1),
        probe_split="test",
        spacing=min(config.spacing, 1.0),
        noise_class=None,
        label_noise=min(config.label_noise, 1e-9),
    )
    noise = build_label_noise(short, data)
    distil = distil_from(new_model(short, data), short) if config.generation else None
    untrained = new_state(new_model(short, data), short)
    for state in train(untrained, data, noise, distil):
        measure(state.model, data, probes_of(short, data), config=short, step=state.epoch, noise=noise)


def _random_split(config: TrialConfig, count: int) -> Split:
    facts, generator = facts_of(config.dataset, config.selection), torch.Generator().manual_seed(0)
    shape = (count, 3, facts.image_size, facts.image_size)
    images = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    return Split(images.to(config.device), (torch.arange(count) % facts.num_classes).to(config.device))


def _image_bytes(config: TrialConfig) -> int:
    """Return the bytes of all splits: a trial keeps its data set on its device."""
    facts = facts_of(config.dataset, config.selection)
    return sum(facts.sizes) * (3 * facts.image_size**2 + torch.int64.itemsize)


def _work(config: TrialConfig) -> float:
    model = look_up_model(config.model)
    share = (config.width / model.width) ** 2 if config.width and model.width else 1.0
    penalised = any(getattr(config, name) for name in PENALTIES)
    return model.megaflops * share * config.batch_size * (3 if penalised else 1)

"""Which precision and memory layout is fastest for this network on this device? Timed once, by the driver's order."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from specbias.data import facts_of
from specbias.measurement import measuring
from specbias.models import build_model
from specbias.settings.config import MEMORY_FORMATS, TrialConfig
from specbias.training.execution import training_layout, use_device
from specbias.training.train import new_state

ROUNDS = 5
PAYS = 0.8  # of float32's time, up to which measuring in bf16, a few paths in float32 too, is the faster one


def fastest_execution(config: TrialConfig) -> dict[str, Any]:
    """Return {precision, memory_format} with the shortest training step for this config's network and batch size.

    And `measure_precision`: corrected where forward passes in bf16 are so much faster than in float32 that it pays.
    Takes seconds; the median of 5 steps after 2 that warm up, on random images. The answer becomes part of every
    trial's settings: trials themselves never time anything.
    """
    use_device(config.device, threads=config.threads)
    candidates: list[dict[str, Any]] = [
        {"precision": precision, "memory_format": memory_format}
        for precision, memory_format in product(("float32", "bf16"), MEMORY_FORMATS)
    ]
    fastest = min(candidates, key=lambda settings: _seconds_per_step(replace(config, **settings)))
    pays = _of_float32(replace(config, **fastest)) <= PAYS
    return fastest | {"measure_precision": "corrected" if pays else "float32"}


def _of_float32(config: TrialConfig) -> float:
    """Return how long a forward pass takes in bf16, the first and the last layer in float32, over one in float32."""
    facts = facts_of(config.dataset, config.selection)
    size, classes = facts.image_size, facts.num_classes
    model = build_model(config.model, num_classes=classes, image_size=size, width=config.width, dropout=config.dropout)
    model = model.to(config.device).to(memory_format=getattr(torch, config.memory_format))
    images = torch.randn(config.measure_batch, 3, size, size, device=config.device)
    ratios = []
    with measuring(model, replace(config, measure_precision="corrected")) as functions:
        for _ in range(2 + ROUNDS):
            half, exact = (_seconds(partial(function, images), config.device) for function in functions if function)
            ratios.append(half / exact)
    return sorted(ratios[2:])[ROUNDS // 2]


def _seconds_per_step(config: TrialConfig) -> float:
    facts = facts_of(config.dataset, config.selection)
    size, classes = facts.image_size, facts.num_classes
    model = build_model(config.model, num_classes=classes, image_size=size, width=config.width, dropout=config.dropout)
    state = new_state(model, config)
    images = torch.randn(config.batch_size, 3, size, size, device=config.device)
    images = images.contiguous(memory_format=training_layout(model, config.device, config.memory_format))
    labels = torch.zeros(config.batch_size, dtype=torch.long, device=config.device)

    def step() -> None:
        with torch.autocast(config.device, torch.bfloat16, enabled=config.precision == "bf16"):
            logits = state.model(images)
        cross_entropy(logits.float(), labels).backward()
        state.optimizer.step()

    times = [_seconds(step, config.device) for _ in range(2 + ROUNDS)]
    return sorted(times[2:])[ROUNDS // 2]


def _seconds(function: Callable[[], object], device: str) -> float:
    started = time.perf_counter()
    function()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started

"""Which precision and memory layout is fastest for this network on this device? Timed once, by the driver's order."""

import time
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from specbias.data import facts_of
from specbias.models import build_model
from specbias.settings.config import MEMORY_FORMATS, TrialConfig
from specbias.training.execution import training_layout, use_device
from specbias.training.train import new_state

ROUNDS = 5


def fastest_execution(config: TrialConfig) -> dict[str, Any]:
    """Return {precision, memory_format} with the shortest training step for this config's network and batch size.

    Takes seconds; the median of 5 steps after 2 that warm up, on random images. The answer becomes part of every
    trial's settings: trials themselves never time anything.
    """
    use_device(config.device, threads=config.threads)
    candidates = [
        {"precision": precision, "memory_format": memory_format}
        for precision, memory_format in product(("float32", "bf16"), MEMORY_FORMATS)
    ]
    return min(candidates, key=lambda settings: _seconds_per_step(replace(config, **settings)))


def _seconds_per_step(config: TrialConfig) -> float:
    facts = facts_of(config.dataset, config.selection)
    size, classes = facts.image_size, facts.num_classes
    model = build_model(config.model, num_classes=classes, image_size=size, width=config.width, dropout=config.dropout)
    state = new_state(model, config)
    images = torch.randn(config.batch_size, 3, size, size, device=config.device)
    images = images.contiguous(memory_format=training_layout(model, config.device, config.memory_format))
    labels = torch.zeros(config.batch_size, dtype=torch.long, device=config.device)
    times = []
    for _ in range(2 + ROUNDS):
        started = time.perf_counter()
        with torch.autocast(config.device, torch.bfloat16, enabled=config.precision == "bf16"):
            logits = state.model(images)
        cross_entropy(logits.float(), labels).backward()
        state.optimizer.step()
        if config.device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return sorted(times[2:])[ROUNDS // 2]

"""Which precision and memory layout is fastest for this network on this device? Timed once, by the driver's order."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from specbias.data import facts_of, load_data
from specbias.measurement import measuring, probes_of
from specbias.measurement.frequency import KINDS
from specbias.measurement.paths import Predict
from specbias.models import build_model
from specbias.settings.config import MEMORY_FORMATS, TrialConfig
from specbias.training.execution import training_layout, use_device
from specbias.training.train import new_state

ROUNDS = 5
PAYS = 0.8  # of float32's time, up to which measuring in bf16, a few paths in float32 too, is the faster one
CLEARLY = 0.95  # of another way's time, up to which a compiled network is faster than by chance


class Calibration(NamedTuple):
    """What was timed to be fastest: the settings, and for how many seconds less a trial like this measures by them."""

    settings: dict[str, Any]
    saved: float


def fastest_execution(config: TrialConfig) -> Calibration:
    """Return {precision, memory_format} with the shortest training step for this config's network and batch size.

    And how to measure: `measure_precision` is corrected where forward passes in bf16 are so much faster than in float32
    that it pays; on a CPU `measure_compile` is true where a compiled network is faster than either, and saves over all
    measurements of a trial more than compiling took. Takes seconds; the median of 5 steps after 2 that warm up, on
    random images. The answer becomes part of every trial's settings: trials themselves never time anything.
    """
    use_device(config.device, threads=config.threads)
    candidates: list[dict[str, Any]] = [
        {"precision": precision, "memory_format": memory_format}
        for precision, memory_format in product(("float32", "bf16"), MEMORY_FORMATS)
    ]
    fastest = min(candidates, key=lambda settings: _seconds_per_step(replace(config, **settings)))
    measuring, saved = _fastest_measuring(replace(config, **fastest, measure_compile=False))
    return Calibration(fastest | measuring, saved)


def _fastest_measuring(config: TrialConfig) -> Calibration:
    ways: dict[str, dict[str, Any]] = {way: {"measure_precision": way} for way in ("float32", "corrected")}
    batches = _full_batches(config)
    if config.device == "cpu" and config.measure_precision in (None, "float32") and batches:
        ways["compiled"] = {"measure_precision": "float32", "measure_compile": True}
    size = facts_of(config.dataset, config.selection).image_size
    images = torch.randn(config.measure_batch, 3, size, size, device=config.device)
    functions: dict[str, Predict] = {}
    times: dict[str, list[float]] = {way: [] for way in ways}
    with ExitStack() as stack:
        for way, settings in ways.items():
            model = _network(config).to(config.device).to(memory_format=getattr(torch, config.memory_format))
            functions[way], _ = stack.enter_context(measuring(model, replace(config, **settings)))
        for _ in range(2 + ROUNDS):
            for way, function in functions.items():
                times[way].append(_seconds(partial(function, images), config.device))
    median = {way: sorted(found[2:])[ROUNDS // 2] for way, found in times.items()}
    saved = {way: (median["float32"] - each) * batches for way, each in median.items()}
    saved["corrected"] -= (1 - PAYS) * median["float32"] * batches  # about what its paths in float32 take
    if "compiled" in ways:
        saved["compiled"] -= times["compiled"][0]
    chosen = "corrected" if median["corrected"] <= PAYS * median["float32"] else "float32"
    if "compiled" in ways and median["compiled"] <= CLEARLY * median[chosen]:
        chosen = "compiled" if saved["compiled"] > 0 else chosen
    return Calibration({"measure_compile": False} | ways[chosen], saved[chosen])


def _full_batches(config: TrialConfig) -> float:
    """Return how many batches all paths of a trial, at all epochs at which it is measured, make."""
    probes = probes_of(config, load_data(config))
    samples = sum(int(getattr(probes, kind).samples.sum()) for kind in KINDS) if probes else 0
    return samples / config.measure_batch * len(config.epochs_to_measure)


def _network(config: TrialConfig) -> nn.Module:
    facts = facts_of(config.dataset, config.selection)
    size, classes = facts.image_size, facts.num_classes
    return build_model(config.model, num_classes=classes, image_size=size, width=config.width, dropout=config.dropout)


def _seconds_per_step(config: TrialConfig) -> float:
    model, size = _network(config), facts_of(config.dataset, config.selection).image_size
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

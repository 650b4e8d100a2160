"""The life of one batch of runs, on one screen: build the task, then train, record and measure in turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from specbias.measurement import Measurement
from specbias.settings.registry import load
from specbias.synthetic import EXPERIMENTS
from specbias.synthetic.config import RunsConfig
from specbias.synthetic.training import RunsState, Task, advance, new_state
from specbias.training.execution import use_device


def run_experiment(config: RunsConfig, checkpoint: str | Path | None = None) -> Iterator[tuple[RunsState, Measurement]]:
    """Yield (state, measurement) after each of `steps_to_measure` updates; the measurement's epoch is the update.

    Its arrays are the whole curves so far: `steps` with what the task records (runs, steps, ...), `measured_steps` with
    what it inspects, the task's facts, and at the end what it finishes with. Its metrics are the recorded values'
    means.

    With `checkpoint`, a folder that a yielded state was saved to, it goes on after that step: what then comes is what
    uninterrupted runs would have given, bit for bit on a CPU. Sets torch's number of threads and float32 precision.
    Raises SettingError before anything else, FloatingPointError where a loss stops being a finite number.
    """
    use_device(config.device, threads=config.threads)
    task: Task = load(EXPERIMENTS[config.kind])(config)
    state = new_state(config, task.inputs.shape[-1])
    if checkpoint is not None:
        state.restore(checkpoint)
    for step in config.steps_to_record:
        if step < state.step or (step == state.step and checkpoint is not None):
            continue  # done before the stop
        advance(state, task, step - state.step)
        metrics = _record(state, task)
        if step in config.steps_to_measure:
            yield state, Measurement(step, metrics, _arrays(state, task))


@torch.no_grad()
def _record(state: RunsState, task: Task) -> dict[str, float]:
    """Add a point to the curves and return its means; FloatingPointError if a loss is not finite."""
    found = task.record(state.networks, state.networks(task.inputs))
    bad = [str(run) for run, finite in enumerate(found["loss"].isfinite()) if not finite]
    if bad:
        raise FloatingPointError(f"the loss of run {', '.join(bad)} is not finite after update {state.step}")
    state.add(found, "steps")
    return {f"synthetic/{name}": value.double().mean().item() for name, value in found.items()}


@torch.no_grad()
def _arrays(state: RunsState, task: Task) -> dict[str, np.ndarray]:
    """Return the curves so far, with what the task sees now, and its end if this is it."""
    if looked_at := task.inspect(state.networks):
        state.add(looked_at, "measured_steps")
    arrays = task.facts | state.curves
    if state.step == state.config.steps:
        arrays |= {name: value.float().cpu().numpy() for name, value in task.finish(state.networks).items()}
    return arrays

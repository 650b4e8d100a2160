"""The life of one trial, on one screen: data, probes, model, then train and measure in turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from specbias.data import Data, load_data
from specbias.measurement import Measurement, evaluating, measure, probes_of
from specbias.measurement.frequency import check_band
from specbias.measurement.generalization import evaluate
from specbias.models import build_model
from specbias.models.layers import zero_last_layer
from specbias.settings.config import TrialConfig
from specbias.settings.seeds import derive_seed
from specbias.training.check import check_config
from specbias.training.checkpoint import TrainState
from specbias.training.distillation import build_distillation
from specbias.training.execution import use_device, use_float32
from specbias.training.label_noise import build_label_noise
from specbias.training.train import Diverged, new_state, train


def run_trial(config: TrialConfig, checkpoint: str | Path | None = None) -> Iterator[tuple[TrainState, Measurement]]:
    """Yield (state, measurement) at each epoch to measure; epoch 0, before any training, is one of them by default.

    The last is where `stop_accuracy` or `stop_loss` is reached, or else the last epoch. Where the probes are of another
    split than the test images, those of the test split are measured too, and only there.

    With `checkpoint`, a folder that a yielded state was saved to, it goes on after that epoch: what then comes is
    what an uninterrupted trial would have given, bit for bit on a CPU. Stopping, saving and reporting are up to the
    caller. Sets torch's number of threads and float32 precision. Raises SettingError before anything else, Diverged
    in training or measuring.
    """
    check_config(config)
    use_device(config.device, threads=config.threads)
    data = load_data(config)
    probes = probes_of(config, data)
    if probes is not None:
        check_band(probes, config.band)
    test_probes = None if config.probe_split == "test" else probes_of(config, data, split="test")
    noise = build_label_noise(config, data)
    distil = build_distillation(config)
    state = new_state(new_model(config, data), config)
    use_float32()  # whatever a file of the user's own has set
    if checkpoint is not None:
        state.restore(checkpoint)

    def measured() -> tuple[TrainState, Measurement]:
        last = {"test_probes": test_probes} if state.ended or state.epoch == config.epochs else {}
        try:
            found = measure(state.model, data, probes, config=config, step=state.epoch, noise=noise, **last)
        except FloatingPointError as error:
            raise Diverged(f"{error} after epoch {state.epoch}") from None
        if noise is not None:
            _note_minimum(found, state)
        return state, found

    if checkpoint is None and 0 in config.epochs_to_measure:
        yield measured()
    for _ in () if state.ended else train(state, data, noise, distil):
        state.ended = _reached(state, data)
        if state.epoch in config.epochs_to_measure or state.ended:
            yield measured()
        if state.ended:
            return


def new_model(config: TrialConfig, data: Data) -> nn.Module:
    """Return the trial's untrained network, its weights drawn by the trial's seed."""
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(*config.streams, "model"))
        model = build_model(
            config.model,
            num_classes=data.num_classes,
            image_size=data.train.images.shape[-1],
            width=config.width,
            dropout=config.dropout,
        )
    if config.zero_head:
        zero_last_layer(model)
    return model


def _reached(state: TrainState, data: Data) -> bool:
    """Tell whether the accuracy or the loss at which the trial is to end is reached."""
    config = state.config
    if config.stop_loss and state.training_loss is not None and state.training_loss <= config.stop_loss:
        return True
    if not config.stop_accuracy:
        return False
    with evaluating(state.model, config.device, config.precision, config.memory_format) as predict:
        found = evaluate(predict, data.validation, data, batch_size=config.measure_batch)
    return found.correct.double().mean().item() >= config.stop_accuracy


def _note_minimum(found: Measurement, state: TrainState) -> None:
    """Put the lowest noise fitting so far, and its epoch, into the state and the measurement."""
    now = (found.metrics["noise_fitting/value"], found.step)
    value, epoch = state.lowest_noise_fitting = min(state.lowest_noise_fitting or now, now)
    found.metrics["noise_fitting/min"] = value
    found.arrays["noise_fitting/min_epoch"] = np.array(epoch)

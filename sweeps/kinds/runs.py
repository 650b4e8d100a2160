"""How is an experiment on targets of known frequency run as a trial? A batch of runs, trained side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from specbias.settings import SettingError
from specbias.synthetic.config import RunsConfig
from sweeps.service.study import Kind, Preset, Settings, Study

FLOPS = {"cpu": 6e10, "cuda": 1e13}  # of float32 training per second: measured per thread of an AMD EPYC 9004, guessed
SECONDS = 1e-3  # of an update, beside its products
SIZES = {"digits": (285, 72, 64), "mnist": (9_585, 2_397, 784)}  # images to train on, to validate on, and pixels


def run(config: RunsConfig, checkpoint: str | None) -> Iterator[tuple[Any, Any]]:
    from specbias.synthetic.run import run_experiment

    return run_experiment(config, checkpoint)


def seconds(config: RunsConfig) -> float:
    """Guess a trial's time from its matrix products: an update is three passes over all samples."""
    weights = (config.depth - 2) * config.width**2 + 2 * config.width
    flops = 6 * getattr(config, "samples", 400) * weights * config.runs * config.steps
    return 5 + SECONDS * config.steps + flops / _flops_per_second(config)


def seconds_on_digits(config: Any) -> float:
    """Guess the same where images are learned: an update is three passes, a record about one more."""
    training, validation, pixels = SIZES[config.dataset]
    if samples := getattr(config, "samples", 0):  # that many of all, none set aside
        training, validation = min(samples, training + validation), 0
    images = 3 * training + (training + validation) / config.record_every
    weights = (config.depth - 2) * config.width**2 + (pixels + 1) * config.width
    return 5 + 2 * images * weights * config.runs * config.steps / _flops_per_second(config)


def _flops_per_second(config: RunsConfig) -> float:
    return FLOPS[config.device] * (config.threads or 1 if config.device == "cpu" else 1)


def fetch_two_digits(config: Any) -> None:
    from specbias.synthetic.digits import load_two_digits

    load_two_digits(config.dataset)


def fetch_digits(config: Any) -> None:
    from specbias.synthetic.digits import read_digits

    read_digits(config.dataset)


def execution(device: str, *, threads: int) -> Settings:
    """All is in float32: nothing else resolves the amplitudes."""
    return {"device": device, "threads": threads}


def calibrate(config: RunsConfig) -> tuple[Settings, float]:
    raise SettingError("--calibrate: there is nothing to choose, targets of known frequency are learned in float32")


RUNS = Kind(
    config_class=RunsConfig,
    run=run,
    seconds=seconds,
    analyses=lambda configs: ["analysis/synthetic.py"],
    draws_records=False,
    calibrate=calibrate,
    execution=execution,
)
RUNS_ON_DIGITS = replace(RUNS, prepare=fetch_digits)
RUNS_ON_TWO_DIGITS = replace(RUNS, prepare=fetch_two_digits, seconds=seconds_on_digits)


def study_of_runs(
    config_class: type[RunsConfig],
    question: str,
    presets: Mapping[str, Preset],
    columns: Mapping[str, str],
    kind: Kind = RUNS,
) -> Study:
    """Return the study of an experiment on targets of known frequency."""
    return Study(
        name=config_class.kind,
        question=question,
        kind=replace(kind, config_class=config_class),
        presets=presets,
        choose_preset=lambda gpus: "paper" if gpus else "laptop",
        columns=columns,
    )

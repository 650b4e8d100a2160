"""Does a network learn low frequencies first, and what changes that? Sums of sines of known frequency.

Experiment 1 of "On the Spectral Bias of Neural Networks" (Rahaman et al., ICML 2019): full-batch training on sines of
ten frequencies, of equal amplitudes and of amplitudes that increase with frequency. A trial is a batch of runs, each
with its own phases and network, and reports the amplitude of every frequency in what it has learned so far. Beyond the
paper: activations, encodings of the input, depth, width and optimisers. Expected: the lower a frequency the earlier it
is learned, also where it is the weaker one; sines, splines and Fourier features shorten the wait for high ones.

  python sweeps/sinusoids.py --quick        2 trials of 5 runs x 5,000 updates, about 3 minutes on 2 cores
  python sweeps/sinusoids.py                2 trials of 10 runs x 60,000 updates, about an hour on 2 cores
  python analysis/synthetic.py --experiment sinusoids-quick      the figures
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from specbias.settings import SettingError
from specbias.synthetic.config import RunsConfig, SinusoidsConfig
from sweeps.service.study import Preset, Settings, Study

FLOPS = {"cpu": 6e10, "cuda": 1e13}  # of float32 training per second: measured per thread of an AMD EPYC 9004, guessed
SECONDS = 1e-3  # of an update, beside its products


def amplitudes(base: Any) -> dict[str, list]:
    """Both cases of the paper."""
    return {"amplitudes": ["increasing"]}


def interventions(base: Any) -> dict[str, list]:
    """What may change the bias: activations, encodings, sizes and optimisers, each with a rate it trains at."""
    return amplitudes(base) | {
        "activation": [
            "tanh",
            "gelu",
            {"activation": "sine", "learning_rate": 1e-4},
            {"activation": "kan", "width": 32, "depth": 3, "learning_rate": 1e-3},
        ],
        "fourier_features": [2.0, 10.0],
        "depth": [3, 10],
        "width": [64],
        "optimizer": [{"optimizer": "momentum", "learning_rate": 0.05}, "rmsprop"],  # plain sgd takes ten times as long
    }


def run(config: RunsConfig, checkpoint: str | None) -> Iterator[tuple[Any, Any]]:
    from specbias.synthetic.run import run_experiment

    return run_experiment(config, checkpoint)


def seconds(config: RunsConfig) -> float:
    """Guess a trial's time from its matrix products: an update is three passes over all samples."""
    weights = (config.depth - 2) * config.width**2 + 2 * config.width
    flops = 6 * getattr(config, "samples", 400) * weights * config.runs * config.steps
    return (
        5
        + SECONDS * config.steps
        + flops / FLOPS[config.device] / (config.threads or 1 if config.device == "cpu" else 1)
    )


def execution(device: str, *, threads: int) -> Settings:
    """All is in float32: nothing else resolves the amplitudes."""
    return {"device": device, "threads": threads}


def calibrate(config: RunsConfig) -> Settings:
    raise SettingError("--calibrate: there is nothing to choose, targets of known frequency are learned in float32")


def synthetic_study(
    config_class: type[RunsConfig],
    question: str,
    presets: Mapping[str, Preset],
    *,
    columns: Mapping[str, str],
    prepare: Callable[[Any], None] = lambda config: None,
) -> Study:
    """Return the study of an experiment on targets of known frequency."""
    return Study(
        name=config_class.kind,
        question=question,
        config_class=config_class,
        run=run,
        complete=lambda config: config,
        check=lambda config: None,
        prepare=prepare,
        presets=presets,
        choose_preset=lambda gpus: "paper" if gpus else "laptop",
        analysis="analysis/synthetic.py",
        columns=columns,
        seconds=seconds,
        calibrate=calibrate,
        execution=execution,
    )


PRESETS = {
    "paper": Preset({"steps": 80_000, "runs": 10}, amplitudes),
    "gpu": Preset({"steps": 80_000, "runs": 20}, interventions),
    "laptop": Preset({"steps": 60_000, "runs": 10}, amplitudes),
    "biases": Preset({"steps": 5_000, "runs": 5}, interventions),
    "quick": Preset({"steps": 5_000, "runs": 5}, amplitudes),
}

STUDY = synthetic_study(
    SinusoidsConfig,
    __doc__,
    PRESETS,
    columns={
        "synthetic/loss": "loss",
        "synthetic/amplitude": "learned",
        "synthetic/spectral_bias": "bias",
    },
)

if __name__ == "__main__":
    from sweeps.service.command_line import main

    main(STUDY)

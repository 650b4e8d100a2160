"""Does a network learn low frequencies first, and what changes that? Sums of sines of known frequency.

Experiment 1 of "On the Spectral Bias of Neural Networks" (Rahaman et al., ICML 2019): full-batch training on sums of
sines of ten frequencies, with equal amplitudes or with amplitudes that increase with frequency. A trial is a batch of
runs, each with its own phases and network. It reports how much of every frequency's amplitude has been learned.
Beyond the paper: activations, encodings of the input, depth, width and optimisers. Expected: lower frequencies are
learned earlier, even if they are weaker; sines, splines and Fourier features learn high frequencies sooner.

  python sweeps/sinusoids.py --quick        2 trials of 5 runs x 5,000 updates, about 3 minutes on 2 cores
  python sweeps/sinusoids.py                2 trials of 10 runs x 60,000 updates, about an hour on 2 cores
  python analysis/synthetic.py --experiment sinusoids-quick      the figures
"""

from __future__ import annotations

from typing import Any

from specbias.synthetic.config import SinusoidsConfig
from sweeps.kinds.runs import study_of_runs
from sweeps.service.study import Preset


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


PRESETS = {
    "paper": Preset({"steps": 80_000, "runs": 10}, amplitudes),
    "gpu": Preset({"steps": 80_000, "runs": 20}, interventions),
    "laptop": Preset({"steps": 60_000, "runs": 10}, amplitudes),
    "biases": Preset({"steps": 5_000, "runs": 5}, interventions),
    "quick": Preset({"steps": 5_000, "runs": 5}, amplitudes),
}

COLUMNS = {"synthetic/loss": "loss", "synthetic/amplitude": "learned", "synthetic/spectral_bias": "bias"}

STUDY = study_of_runs(SinusoidsConfig, __doc__, PRESETS, COLUMNS)

if __name__ == "__main__":
    from sweeps.service.command_line import main

    main(STUDY)

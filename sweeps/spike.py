"""What do depth, width and free weights do to a network's high frequencies?

Experiment 7 of "On the Spectral Bias of Neural Networks" (Rahaman et al., ICML 2019): networks fit a spike, whose
spectrum is the same at all frequencies. Three groups: depth at width 16, width at depth 3, and the bound that all
weights are kept within at depth 6 and width 64. Expected: the mean over the upper half of the frequencies, 1 for the
spike, rises much with depth, a little with width, and with the bound.

  python sweeps/spike.py --quick        5 trials of 5 runs x 3,000 updates, about a minute on 2 cores
  python sweeps/spike.py                11 trials of 10 runs x 20,000 updates, about 20 minutes on 2 cores
  python analysis/synthetic.py --experiment spike-quick      the figures
"""

from __future__ import annotations

from typing import Any

from specbias.synthetic.config import SpikeConfig
from sweeps.service.study import Preset, Settings
from sweeps.sinusoids import synthetic_study


def bounds(*values: float) -> list[Settings]:
    """Bounds of the weights, on the network that the paper tries them with."""
    return [{"weight_clip": value, "depth": 6, "width": 64} for value in values]


def interventions(base: Any) -> dict[str, list]:
    """The three groups of the paper; its depth 3, width 16 and bound 10 are the baseline."""
    return {"depth": [4, 5, 6], "width": [32, 64, 128], "weight_clip": bounds(0.1, 0.15, 0.2, 2.0)}


def quick_interventions(base: Any) -> dict[str, list]:
    """The largest depth and a large width, and two bounds, which are of another network than the baseline."""
    return {"depth": [6], "width": [64], "weight_clip": bounds(0.1, 2.0)}


PRESETS = {
    "paper": Preset({"steps": 60_000, "runs": 10}, interventions),
    "laptop": Preset({"steps": 20_000, "runs": 10}, interventions),
    "quick": Preset({"steps": 3_000, "runs": 5}, quick_interventions),
}

STUDY = synthetic_study(
    SpikeConfig,
    __doc__,
    PRESETS,
    columns={
        "synthetic/loss": "loss",
        "synthetic/spectrum": "learned",
        "synthetic/high_frequency": "upper half",
    },
)

if __name__ == "__main__":
    from sweeps.service.command_line import main

    main(STUDY)

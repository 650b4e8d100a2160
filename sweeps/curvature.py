"""Is noise harder to fit on a curved manifold than on a flat one?

Experiment 8 of "On the Spectral Bias of Neural Networks" (Rahaman et al., ICML 2019): networks fit labels drawn at
random, on images as a denoising auto-encoder reconstructs them, and on uniform samples of as many dimensions as its
code. Expected: the flat samples are fitted faster. But they also differ in scale and in how far neighbours are apart:
there is a third kind, flat and scaled to neighbours as far apart as those on the curved one. Seen on digits: what is
expected where the code has 32 dimensions, with `scaled` between the two; not where it has 8.

  python sweeps/curvature.py --quick        3 trials of 3 runs x 1,500 updates on digits, about a minute on 2 cores
  python sweeps/curvature.py                9 trials of 3 runs x 1,500 updates on digits, about 10 minutes on 2 cores
  python sweeps/curvature.py --preset paper          10 runs on MNIST; for GPUs
  python analysis/synthetic.py --experiment curvature-quick      the figures
"""

from __future__ import annotations

from typing import Any

from specbias.synthetic.config import CurvatureConfig
from sweeps.service.study import Preset
from sweeps.sinusoids import synthetic_study


def interventions(base: Any) -> dict[str, list]:
    """The flat manifold, as the paper has it and scaled."""
    return {"inputs": ["flat", "scaled"]}


def prepare(config: CurvatureConfig) -> None:
    """Fetch the images."""
    from specbias.synthetic.digits import read_digits

    read_digits(config.dataset)


PRESETS = {
    "paper": Preset({"dataset": "mnist", "steps": 10_000, "runs": 10}, interventions),
    "laptop": Preset(
        {"steps": 1_500, "runs": 3}, interventions, lambda base, options: [{"code": size} for size in (8, 16, 32)]
    ),
    "quick": Preset({"steps": 1_500, "runs": 3, "samples": 500, "width": 64, "depth": 4}, interventions),
}

STUDY = synthetic_study(CurvatureConfig, __doc__, PRESETS, columns={"synthetic/loss": "loss"}, prepare=prepare)

if __name__ == "__main__":
    from sweeps.service.command_line import main

    main(STUDY)

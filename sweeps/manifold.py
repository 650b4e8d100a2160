"""Are high frequencies learned sooner where the data lie on a more complicated curve?

Experiment 5 of "On the Spectral Bias of Neural Networks" (Rahaman et al., ICML 2019): sums of sines along a flower in
the plane, of more and more petals. Expected: the more petals, the sooner every frequency is learned.

  python sweeps/manifold.py --quick        2 trials of 2 runs x 1,500 updates, about 2 minutes on 2 cores
  python sweeps/manifold.py                4 trials of 2 runs x 5,000 updates, about 10 minutes on 2 cores
  python analysis/synthetic.py --experiment manifold-quick      the figures
"""

from specbias.synthetic.config import ManifoldConfig
from sweeps.service.study import Preset
from sweeps.sinusoids import STUDY as SINUSOIDS
from sweeps.sinusoids import synthetic_study

PRESETS = {
    "paper": Preset({"steps": 50_000, "runs": 10}, lambda base: {"petals": [4, 10, 16]}),
    "laptop": Preset({"steps": 5_000, "runs": 2}, lambda base: {"petals": [4, 10, 16]}),
    "quick": Preset({"steps": 1_500, "runs": 2}, lambda base: {"petals": [16]}),
}

STUDY = synthetic_study(ManifoldConfig, __doc__, PRESETS, columns=SINUSOIDS.columns)

if __name__ == "__main__":
    from sweeps.service.command_line import main

    main(STUDY)

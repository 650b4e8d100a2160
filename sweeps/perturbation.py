"""Are low frequencies more robust than high ones to random changes of the parameters?

Experiment 2 of "On the Spectral Bias of Neural Networks" (Rahaman et al., ICML 2019): networks learn sums of sines as
in sweeps/sinusoids.py; then steps of growing length are taken in random directions of parameter space, and the
amplitude of every frequency is compared with what it was. Expected: the higher a frequency, the shorter the step that
destroys it.

  python sweeps/perturbation.py --quick        5 runs x 5,000 updates, about 2 minutes on 2 cores
  python sweeps/perturbation.py                10 runs x 60,000 updates, about half an hour on 2 cores
  python analysis/synthetic.py --experiment perturbation-quick      the figures
"""

from specbias.synthetic.config import PerturbationConfig
from sweeps.service.study import Preset
from sweeps.sinusoids import STUDY as SINUSOIDS
from sweeps.sinusoids import synthetic_study

PRESETS = {
    "paper": Preset({"steps": 80_000, "runs": 10}, lambda base: {}),
    "laptop": Preset({"steps": 60_000, "runs": 10}, lambda base: {}),
    "quick": Preset({"steps": 5_000, "runs": 5, "deltas": 21, "directions": 20}, lambda base: {}),
}

STUDY = synthetic_study(PerturbationConfig, __doc__, PRESETS, columns=SINUSOIDS.columns)

if __name__ == "__main__":
    from sweeps.service.command_line import main

    main(STUDY)

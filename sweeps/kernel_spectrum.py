"""What does a network learn first of noisy labels, seen in the eigenfunctions of a Gaussian kernel?

Experiment 4 of "On the Spectral Bias of Neural Networks" (Rahaman et al., ICML 2019): threes and eights with noise on
their labels, once most in the kernel's last eigenfunctions (those that tell close images apart), once white. Learned
functions are projected on the eigenfunctions. Expected: the first ones are learned first; where the loss to the clean
labels is least, after about 200 updates (150 where the noise is white), the spectrum is that of the clean labels, also
in the last eigenfunctions, and only then comes the noise. The least loss is lower for the ramp than for white noise.

The paper's data are 2,000 images of MNIST; laptop and quick take all 357 of scikit-learn's digits, with a bandwidth
that gives the kernel the same range of eigenvalues.

  python sweeps/kernel_spectrum.py --quick            2 trials of 1 run x 400 updates, under a minute on 2 cores
  python sweeps/kernel_spectrum.py                    2 trials of 5 runs x 2,000 updates, about 5 minutes on 2 cores
  python sweeps/kernel_spectrum.py --preset paper     2 trials of 1 run x 5,000 updates on MNIST: minutes on 2 cores
  python analysis/synthetic.py --experiment kernel_spectrum-quick      the figures
"""

from __future__ import annotations

from typing import Any

from specbias.synthetic.config import KernelSpectrumConfig
from sweeps.digit_noise import digits_study
from sweeps.service.study import Preset


def white(base: Any) -> dict[str, list]:
    """Both noises of the paper."""
    return {"noise": ["white"]}


PRESETS = {
    "paper": Preset({"dataset": "mnist", "steps": 5_000, "runs": 1}, white),
    "laptop": Preset({"dataset": "digits", "steps": 2_000, "runs": 5}, white),
    "quick": Preset({"dataset": "digits", "steps": 400, "runs": 1}, white),
}

STUDY = digits_study(
    KernelSpectrumConfig,
    __doc__,
    PRESETS,
    columns={"synthetic/loss": "loss", "synthetic/validation_loss": "validation", "synthetic/spectrum": "spectrum"},
)

if __name__ == "__main__":
    from sweeps.service.command_line import main

    main(STUDY)

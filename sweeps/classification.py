"""How does the shape of the data's curve decide which frequencies of a class boundary can be learned?

Experiment 6 of "On the Spectral Bias of Neural Networks" (Rahaman et al., ICML 2019): along a flower in the plane the
class is the sign of a sine. Every number of petals is tried with every frequency. Expected: accuracy after a number of
updates rises with the petals and falls with the frequency.

  python sweeps/classification.py --quick        9 trials of 1 run x 500 updates, about 2 minutes on 2 cores
  python sweeps/classification.py                16 trials of 2 runs x 2,000 updates, about 15 minutes on 2 cores
  python analysis/synthetic.py --experiment classification-quick      the figures
"""

from specbias.synthetic.config import ClassificationConfig
from sweeps.service.study import Preset, Settings
from sweeps.sinusoids import synthetic_study


def cells(frequencies: tuple[int, ...], petals: tuple[int, ...]) -> list[Settings]:
    """Every frequency with every number of petals."""
    return [{"frequency": frequency, "petals": count} for frequency in frequencies for count in petals]


PRESETS = {
    "paper": Preset(
        {"steps": 10_000, "runs": 2},
        lambda base: {},
        lambda base, options: cells((50, 100, 150, 200, 250, 300, 350, 400), tuple(range(0, 21, 2))),
    ),
    "laptop": Preset(
        {"steps": 2_000, "runs": 2},
        lambda base: {},
        lambda base, options: cells((50, 100, 200, 400), (0, 6, 12, 20)),
    ),
    "quick": Preset(
        {"steps": 500, "runs": 1}, lambda base: {}, lambda base, options: cells((50, 100, 200), (0, 10, 20))
    ),
}

STUDY = synthetic_study(
    ClassificationConfig,
    __doc__,
    PRESETS,
    columns={"synthetic/loss": "loss", "synthetic/accuracy": "accuracy"},
)

if __name__ == "__main__":
    from sweeps.service.command_line import main

    main(STUDY)

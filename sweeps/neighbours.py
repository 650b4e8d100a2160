"""Do nearest neighbours have the network's preference for low frequencies?

Appendix E.2 of "On the Spectral Bias of Neural Networks" (Rahaman et al., ICML 2019): the classes of
sweeps/classification.py, learned by a network and told by the K nearest samples, for several K. Expected: the spectrum
of the network's map of the plane decays fastest; and more petals, which help the network, do not help neighbours.

  python sweeps/neighbours.py --quick        4 trials of 1 run x 500 updates, about a minute on 2 cores
  python sweeps/neighbours.py                9 trials of 2 runs x 2,000 updates, about 10 minutes on 2 cores
  python analysis/synthetic.py --experiment neighbours-quick      the figures
"""

from specbias.synthetic.config import NeighboursConfig
from sweeps.classification import PRESETS as CLASSIFICATION
from sweeps.classification import cells
from sweeps.service.study import Preset
from sweeps.sinusoids import synthetic_study

PRESETS = {
    "paper": CLASSIFICATION["paper"],
    "laptop": Preset(
        {"steps": 2_000, "runs": 2}, lambda base: {}, lambda base, options: cells((50, 150, 300), (0, 10, 20))
    ),
    "quick": Preset({"steps": 500, "runs": 1}, lambda base: {}, lambda base, options: cells((50, 150), (0, 20))),
}

STUDY = synthetic_study(
    NeighboursConfig,
    __doc__,
    PRESETS,
    columns={"synthetic/loss": "loss", "synthetic/accuracy": "accuracy"},
)

if __name__ == "__main__":
    from sweeps.service.command_line import main

    main(STUDY)

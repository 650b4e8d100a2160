"""Do networks learn low frequencies first? Targets of known frequency: the experiments of Rahaman et al. (ICML 2019).

"On the Spectral Bias of Neural Networks" has ten experiments, each with figures. The first and the ninth are also in
their own files, sweeps/sinusoids.py and sweeps/class_paths.py.

  python sweeps/synthetic.py NAME --quick        minutes on 2 cores
  python sweeps/synthetic.py NAME --help         its question, its presets and all flags
  python analysis/synthetic.py --experiment NAME-quick      the figures
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from specbias.synthetic.config import (
    ClassificationConfig,
    CurvatureConfig,
    DigitNoiseConfig,
    KernelSpectrumConfig,
    ManifoldConfig,
    NeighboursConfig,
    PerturbationConfig,
    SpikeConfig,
)
from sweeps import class_paths, sinusoids
from sweeps.kinds.runs import RUNS_ON_DIGITS, RUNS_ON_TWO_DIGITS, study_of_runs
from sweeps.service.study import Preset, Settings

LOSS, ACCURACY = {"synthetic/loss": "loss"}, {"synthetic/accuracy": "accuracy"}
VALIDATION = {"synthetic/validation_loss": "validation"}


def noises(frequencies: Sequence[float], strengths: Sequence[float]) -> list[Settings]:
    """No noise, and every frequency with every strength."""
    waves = [{"noise_frequency": k, "noise_strength": beta} for k in frequencies for beta in strengths]
    return [{"noise_strength": 0.0}, *waves]


def white(base: Any) -> dict[str, list]:
    """Both noises of the paper."""
    return {"noise": ["white"]}


def cells(frequencies: Sequence[int], petals: Sequence[int]) -> list[Settings]:
    """Every frequency with every number of petals."""
    return [{"frequency": frequency, "petals": count} for frequency in frequencies for count in petals]


def bounds(*values: float) -> list[Settings]:
    """Bounds of the weights, on the network that the paper tries them with."""
    return [{"weight_clip": value, "depth": 6, "width": 64} for value in values]


def sizes_and_bounds(base: Any) -> dict[str, list]:
    """The three groups of the paper; its depth 3, width 16 and bound 10 are the baseline."""
    return {"depth": [4, 5, 6], "width": [32, 64, 128], "weight_clip": bounds(0.1, 0.15, 0.2, 2.0)}


def quick_sizes_and_bounds(base: Any) -> dict[str, list]:
    """The largest depth and a large width, and two bounds, which are of another network than the baseline."""
    return {"depth": [6], "width": [64], "weight_clip": bounds(0.1, 2.0)}


def flat(base: Any) -> dict[str, list]:
    """The flat manifold, as the paper has it and scaled."""
    return {"inputs": ["flat", "scaled"]}


PERTURBATION = study_of_runs(
    PerturbationConfig,
    """Are low frequencies more robust than high ones to random changes of the parameters?

Experiment 2 of "On the Spectral Bias of Neural Networks" (Rahaman et al., ICML 2019): networks learn sums of sines as
in sweeps/sinusoids.py. Then the parameters take steps of growing length in random directions, and the amplitude of
every frequency is compared with the one before. Expected: higher frequencies are lost after shorter steps.

  python sweeps/synthetic.py perturbation --quick   5 runs x 5,000 updates, about 2 minutes on 2 cores
  python sweeps/synthetic.py perturbation           10 runs x 60,000 updates, about half an hour on 2 cores
  python analysis/synthetic.py --experiment perturbation-quick      the figures
""",
    {
        "paper": Preset({"steps": 80_000, "runs": 10}),
        "laptop": Preset({"steps": 60_000, "runs": 10}),
        "quick": Preset({"steps": 5_000, "runs": 5, "deltas": 21, "directions": 20}),
    },
    sinusoids.COLUMNS,
)

DIGIT_NOISE = study_of_runs(
    DigitNoiseConfig,
    """Does noise on the labels harm more where its frequency is low? A wave along the norm of two digits' images.

Experiment 3 of "On the Spectral Bias of Neural Networks" (Rahaman et al., ICML 2019): the labels -1 and 1 of threes and
eights get noise beta sin(2 pi k |x|). Validation uses clean labels of other images. Expected: noise of low frequency is
learned together with the labels and does harm from the start, more for larger beta. Noise of high frequency is learned
later: the validation loss first falls nearly to its value without noise, then rises.

The paper uses MNIST. The laptop and quick presets use scikit-learn's digits, 285 of them for training, whose norms span
a sixth of MNIST's. There each wave has its own effect, and the best validation loss falls with k only between the two
ends. The lowest frequency, 0.1, is a seventh of a period over the data and mostly an offset. The highest, 6, was chosen
after looking at others. On these data the study illustrates the experiment, but does not test it.

  python sweeps/synthetic.py digit_noise --quick          5 trials of 1 run x 300 updates, under a minute on 2 cores
  python sweeps/synthetic.py digit_noise                  19 trials of 3 runs x 1,000 updates, about 10 minutes
  python sweeps/synthetic.py digit_noise --preset paper   21 trials of 1 run x 5,000 updates on MNIST: hours on 2 cores
  python analysis/synthetic.py --experiment digit_noise-quick      the figures
""",
    {
        "paper": Preset(
            {"dataset": "mnist", "steps": 5_000, "runs": 1},
            conditions=lambda base, options: noises((0.05, 0.1, 0.2, 0.5, 1.0), (0.25, 0.5, 1.0, 2.0)),
        ),
        "laptop": Preset(
            {"dataset": "digits", "steps": 1_000, "runs": 3},
            conditions=lambda base, options: noises((0.1, 0.375, 0.75, 1.5, 3.0, 6.0), (0.5, 1.0, 2.0)),
        ),
        "quick": Preset(
            {"dataset": "digits", "steps": 300, "runs": 1},
            conditions=lambda base, options: noises((0.1, 6.0), (0.5, 1.0)),
        ),
    },
    LOSS | VALIDATION,
    RUNS_ON_TWO_DIGITS,
)

KERNEL_SPECTRUM = study_of_runs(
    KernelSpectrumConfig,
    """What does a network learn first from noisy labels, in the eigenfunctions of a Gaussian kernel?

Experiment 4 of "On the Spectral Bias of Neural Networks" (Rahaman et al., ICML 2019): threes and eights with noise on
their labels. One noise is a ramp, largest in the kernel's last eigenfunctions, which separate close images; the other
is white. Learned functions are projected on the eigenfunctions. Expected: the first eigenfunctions are learned first.
The loss on clean labels is lowest after about 200 updates (150 for white noise). The spectrum is then that of the clean
labels, also in the last eigenfunctions; the noise is learned later. The lowest loss is lower for the ramp than for
white noise.

The paper uses 2,000 images of MNIST. The laptop and quick presets use all 357 of scikit-learn's digits, with a
bandwidth that gives the kernel the same range of eigenvalues.

  python sweeps/synthetic.py kernel_spectrum --quick          2 trials of 1 run x 400 updates, under a minute on 2 cores
  python sweeps/synthetic.py kernel_spectrum                  2 trials of 5 runs x 2,000 updates, about 5 minutes
  python sweeps/synthetic.py kernel_spectrum --preset paper   2 trials of 1 run x 5,000 updates on MNIST: minutes
  python analysis/synthetic.py --experiment kernel_spectrum-quick      the figures
""",
    {
        "paper": Preset({"dataset": "mnist", "steps": 5_000, "runs": 1}, white),
        "laptop": Preset({"dataset": "digits", "steps": 2_000, "runs": 5}, white),
        "quick": Preset({"dataset": "digits", "steps": 400, "runs": 1}, white),
    },
    LOSS | VALIDATION | {"synthetic/spectrum": "spectrum"},
    RUNS_ON_TWO_DIGITS,
)

MANIFOLD = study_of_runs(
    ManifoldConfig,
    """Are high frequencies learned sooner if the data lie on a more complicated curve?

Experiment 5 of "On the Spectral Bias of Neural Networks" (Rahaman et al., ICML 2019): sums of sines along a flower in
the plane, with more and more petals. Expected: with more petals every frequency is learned sooner.

  python sweeps/synthetic.py manifold --quick   2 trials of 2 runs x 1,500 updates, about 2 minutes on 2 cores
  python sweeps/synthetic.py manifold           4 trials of 2 runs x 5,000 updates, about 10 minutes on 2 cores
  python analysis/synthetic.py --experiment manifold-quick      the figures
""",
    {
        "paper": Preset({"steps": 50_000, "runs": 10}, lambda base: {"petals": [4, 10, 16]}),
        "laptop": Preset({"steps": 5_000, "runs": 2}, lambda base: {"petals": [4, 10, 16]}),
        "quick": Preset({"steps": 1_500, "runs": 2}, lambda base: {"petals": [16]}),
    },
    sinusoids.COLUMNS,
)

CLASSIFICATION = study_of_runs(
    ClassificationConfig,
    """Which frequencies of a class boundary can be learned, depending on the shape of the data's curve?

Experiment 6 of "On the Spectral Bias of Neural Networks" (Rahaman et al., ICML 2019): along a flower in the plane the
class is the sign of a sine. Every number of petals is combined with every frequency. Expected: accuracy after a number
of updates rises with the petals and falls with the frequency.

  python sweeps/synthetic.py classification --quick   9 trials of 1 run x 500 updates, about 2 minutes on 2 cores
  python sweeps/synthetic.py classification           16 trials of 2 runs x 2,000 updates, about 15 minutes on 2 cores
  python analysis/synthetic.py --experiment classification-quick      the figures
""",
    {
        "paper": Preset(
            {"steps": 10_000, "runs": 2}, conditions=lambda base, options: cells(range(50, 401, 50), range(0, 21, 2))
        ),
        "laptop": Preset(
            {"steps": 2_000, "runs": 2}, conditions=lambda base, options: cells((50, 100, 200, 400), (0, 6, 12, 20))
        ),
        "quick": Preset({"steps": 500, "runs": 1}, conditions=lambda base, options: cells((50, 100, 200), (0, 10, 20))),
    },
    LOSS | ACCURACY,
)

SPIKE = study_of_runs(
    SpikeConfig,
    """How do depth, width and a bound on the weights change a network's high frequencies?

Experiment 7 of "On the Spectral Bias of Neural Networks" (Rahaman et al., ICML 2019): networks fit a spike, whose
spectrum is the same at all frequencies. There are three groups: depth at width 16, width at depth 3, and the bound on
all weights at depth 6 and width 64. Expected: the mean over the upper half of the frequencies, 1 for the spike, rises
strongly with depth, a little with width, and with the bound.

  python sweeps/synthetic.py spike --quick   5 trials of 5 runs x 3,000 updates, about a minute on 2 cores
  python sweeps/synthetic.py spike           11 trials of 10 runs x 20,000 updates, about 20 minutes on 2 cores
  python analysis/synthetic.py --experiment spike-quick      the figures
""",
    {
        "paper": Preset({"steps": 60_000, "runs": 10}, sizes_and_bounds),
        "laptop": Preset({"steps": 20_000, "runs": 10}, sizes_and_bounds),
        "quick": Preset({"steps": 3_000, "runs": 5}, quick_sizes_and_bounds),
    },
    LOSS | {"synthetic/spectrum": "learned", "synthetic/high_frequency": "upper half"},
)

CURVATURE = study_of_runs(
    CurvatureConfig,
    """Is noise harder to fit on a curved manifold than on a flat one?

Experiment 8 of "On the Spectral Bias of Neural Networks" (Rahaman et al., ICML 2019): networks fit random labels, on
images that a denoising auto-encoder has reconstructed, and on uniform samples with the dimension of its code. Expected:
the flat samples are fitted faster. But these also differ in scale and in the distance between neighbours. So there is a
third kind, `scaled`: flat, with neighbours as far apart as on the curved manifold. On digits the expected order was
found with a code of 32 dimensions, with `scaled` between the two, but not with 8.

  python sweeps/synthetic.py curvature --quick          3 trials of 3 runs x 1,500 updates on digits, about a minute
  python sweeps/synthetic.py curvature                  9 trials of 3 runs x 1,500 updates on digits, about 10 minutes
  python sweeps/synthetic.py curvature --preset paper   10 runs on MNIST; for GPUs
  python analysis/synthetic.py --experiment curvature-quick      the figures
""",
    {
        "paper": Preset({"dataset": "mnist", "steps": 10_000, "runs": 10}, flat),
        "laptop": Preset(
            {"steps": 1_500, "runs": 3}, flat, lambda base, options: [{"code": size} for size in (8, 16, 32)]
        ),
        "quick": Preset({"steps": 1_500, "runs": 3, "samples": 500, "width": 64, "depth": 4}, flat),
    },
    LOSS,
    RUNS_ON_DIGITS,
)

NEIGHBOURS = study_of_runs(
    NeighboursConfig,
    """Do nearest neighbours prefer low frequencies as networks do?

Appendix E.2 of "On the Spectral Bias of Neural Networks" (Rahaman et al., ICML 2019): the classes of `classification`,
learned by a network, and predicted from the K nearest samples, for several K. Expected: the spectrum of the network's
map of the plane decays fastest. More petals help the network, but not nearest neighbours.

  python sweeps/synthetic.py neighbours --quick   4 trials of 1 run x 500 updates, about a minute on 2 cores
  python sweeps/synthetic.py neighbours           9 trials of 2 runs x 2,000 updates, about 10 minutes on 2 cores
  python analysis/synthetic.py --experiment neighbours-quick      the figures
""",
    {
        "paper": CLASSIFICATION.presets["paper"],
        "laptop": Preset(
            {"steps": 2_000, "runs": 2}, conditions=lambda base, options: cells((50, 150, 300), (0, 10, 20))
        ),
        "quick": Preset({"steps": 500, "runs": 1}, conditions=lambda base, options: cells((50, 150), (0, 20))),
    },
    LOSS | ACCURACY,
)

MANY = (PERTURBATION, DIGIT_NOISE, KERNEL_SPECTRUM, MANIFOLD, CLASSIFICATION, SPIKE, CURVATURE, NEIGHBOURS)
STUDIES = {study.name: study for study in (sinusoids.STUDY, *MANY, class_paths.STUDY)}

if __name__ == "__main__":
    from sweeps.service.command_line import main_of

    main_of(STUDIES, __doc__)

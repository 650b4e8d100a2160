"""Which function frequencies does a network fit, and how do interventions change that?

Noise fitting of "Spectral Bias in Practice" (Fridovich-Keil et al., NeurIPS 2022). The labels are smoothed by a wave
over image space: along the image's norm (radial), or along a Fourier image of some spatial frequency. A network that
fits the wave has a lower loss on test images whose labels have the wave too. Every wave is combined with every
intervention. The control (uniform) has the same smoothing without a wave. Expected: networks fit low function
frequencies first and high ones late or never; larger models fit them sooner, regularised models later.

  python sweeps/label_noise.py --quick         15 small trials on scikit-learn's digits, about 3 minutes on 2 cores
  python sweeps/label_noise.py                 CIFAR-10, 20 trials of a small network; --dry-run estimates the time
  python sweeps/label_noise.py --preset paper --interventions none   91 trainings of ResNet-18; for GPUs
  python analysis/noise_fitting.py --experiment label_noise-quick    what was fitted, and the figures
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from specbias.settings.config import TrialConfig
from specbias.settings.recipes import RECIPES
from specbias.training.check import complete_config
from sweeps.kinds.classifier import CLASSIFIER, widths
from sweeps.service.study import Preset, Settings, Study

FREQUENCIES = (0.005, 0.01, 0.02, 0.038, 0.05, 0.075, 0.1, 0.2)  # cycles per unit of normalised L2 distance
SPATIAL_FREQUENCIES = (1.5, 3, 6, 8, 10, 12, 16, 22)  # cycles per image


def interventions(base: Any) -> dict[str, list]:
    """What a trial changes, one setting at a time: the regularisers, and the size."""
    return {"weight_decay": [0.0], "cutout": [16], "mixup": [0.4], "width": [2 * base.width] if base.width else []}


def study_interventions(base: Any) -> dict[str, list]:
    """Two sizes at two strengths of regularisation."""
    strong = 10 * base.weight_decay
    wide = [{"width": width} | decay for width in widths(base, (2,)) for decay in ({}, {"weight_decay": strong})]
    return {"width": wide, "weight_decay": [strong]}


def quick_interventions(base: Any) -> dict[str, list]:
    """Two regularisers."""
    return {"weight_decay": [5e-3], "cutout": [16]}


def paper_conditions(base: Any, options: Any) -> list[Settings]:
    """Radial waves and the control at three strengths, and Fourier waves of all spatial frequencies at one."""
    radial = [UNIFORM, *_radial(*FREQUENCIES)]
    fourier = [wave for k in SPATIAL_FREQUENCIES for wave in _fourier(k, *FREQUENCIES)]
    waves = {0.1: radial, 0.2: radial + fourier, 0.4: radial}
    return [{"label_noise": strength} | wave for strength, some in waves.items() for wave in some]


def laptop_conditions(base: Any, options: Any) -> list[Settings]:
    """The control, two radial waves and a Fourier wave that oscillates as often over the images as the first."""
    return [UNIFORM, *_radial(0.01, 0.05), *_fourier(4, 0.05)]


def study_conditions(base: Any, options: Any) -> list[Settings]:
    """The control, and Fourier waves whose frequency and spatial frequency vary apart: docs/study.md."""
    return [UNIFORM, *(wave for k in (1.5, 6, 12) for wave in _fourier(k, 0.038, 0.15, 0.6))]


def quick_conditions(base: Any, options: Any) -> list[Settings]:
    """The control, three radial waves and a Fourier wave."""
    return [UNIFORM, *_radial(0.02, 0.05, 0.15), *_fourier(4, 0.05)]


UNIFORM: Settings = {"noise_type": "uniform"}


def _radial(*frequencies: float) -> list[Settings]:
    return [{"noise_type": "radial", "noise_frequency": frequency} for frequency in frequencies]


def _fourier(spatial_frequency: float, *frequencies: float) -> list[Settings]:
    wave: Settings = {"noise_type": "fourier", "noise_spatial_frequency": float(spatial_frequency)}
    return [wave | {"noise_frequency": frequency} for frequency in frequencies]


def complete(config: TrialConfig) -> TrialConfig:
    """Return the config as every study's, and measured after every epoch unless it says when: a minimum is sought."""
    return complete_config(replace(config, measurement_epochs=config.measurement_epochs or tuple(range(config.epochs))))


PRESETS = {
    "paper": Preset(
        {"model": "resnet18", "epochs": 100, "label_noise": 0.2, "probe_pairs": 0}, interventions, paper_conditions
    ),
    "study": Preset(
        RECIPES["fast"]
        | {
            "model": "airbench",
            "width": 8,
            "epochs": 6,
            "train_size": 10_000,
            "flip_crop": 0,
            "label_smoothing": 0.0,
            "label_noise": 0.4,
            "probe_pairs": 0,
        },
        study_interventions,
        study_conditions,
    ),
    "laptop": Preset(
        {
            "model": "small_cnn",
            "epochs": 25,
            "train_size": 10_000,
            "flip_crop": 0,
            "label_noise": 0.4,
            "probe_pairs": 0,
        },
        interventions,
        laptop_conditions,
    ),
    "quick": Preset(
        {
            "dataset": "digits",
            "model": "small_cnn",
            "width": 8,
            "epochs": 20,
            "batch_size": 50,
            "flip_crop": 0,
            "label_noise": 0.4,
            "probe_pairs": 0,
        },
        quick_interventions,
        quick_conditions,
    ),
}

STUDY = Study(
    name="label_noise",
    question=__doc__,
    kind=replace(CLASSIFIER, complete=complete),
    presets=PRESETS,
    choose_preset=lambda gpus: "laptop",
    columns={
        "generalization/test_accuracy": "accuracy",
        "noise_fitting/min": "minimum",
        "noise_fitting/normalised": "fit",
    },
)

if __name__ == "__main__":
    from sweeps.service.command_line import main

    main(STUDY)

"""What decides the result of an experiment on targets of known frequency? A frozen record of settings for each."""

from collections.abc import Mapping

from specbias.settings import Settings
from specbias.synthetic.config.class_paths import ClassPathsConfig
from specbias.synthetic.config.images import CurvatureConfig, DigitNoiseConfig, DigitsConfig, KernelSpectrumConfig
from specbias.synthetic.config.runs import RunsConfig
from specbias.synthetic.config.sines import (
    ClassificationConfig,
    ManifoldConfig,
    NeighboursConfig,
    PerturbationConfig,
    SinusoidsConfig,
    SpikeConfig,
)

__all__ = [
    "CONFIGS",
    "ClassPathsConfig",
    "ClassificationConfig",
    "CurvatureConfig",
    "DigitNoiseConfig",
    "DigitsConfig",
    "KernelSpectrumConfig",
    "ManifoldConfig",
    "NeighboursConfig",
    "PerturbationConfig",
    "RunsConfig",
    "SinusoidsConfig",
    "SpikeConfig",
]

CONFIGS: Mapping[str, type[Settings]] = {  # in the order of the paper
    config.kind: config
    for config in (
        SinusoidsConfig,
        PerturbationConfig,
        DigitNoiseConfig,
        KernelSpectrumConfig,
        ManifoldConfig,
        ClassificationConfig,
        SpikeConfig,
        CurvatureConfig,
        ClassPathsConfig,
        NeighboursConfig,
    )
}

"""Does noise on the labels harm more where its frequency is low? Experiment 3, on two digits."""

from __future__ import annotations

import math

from torch import Tensor

from specbias.synthetic.config import DigitNoiseConfig
from specbias.synthetic.digits import load_two_digits
from specbias.synthetic.networks import Networks
from specbias.synthetic.training import Task, Values, mean_squared_error

TRAINING_SHARE = 0.8  # of the images, the first ones; the rest validates


def build_digit_noise(config: DigitNoiseConfig) -> Task:
    """Return the task of two digits with a wave on their targets (Rahaman et al. 2019, experiment 3).

    Runs differ in their first weights only. Recorded: `loss`, to the noisy targets of the training images, and
    `validation_loss`, to the clean targets of the others. `norms` and `targets`, noise included, are of the training
    images (N,). SettingError where the data set can neither be found nor fetched.
    """
    points = load_two_digits(config.dataset)
    count = int(TRAINING_SHARE * len(points.targets))
    norms = points.inputs[:count].norm(dim=-1)
    noisy = points.targets[:count] + config.noise_strength * wave(norms, config.noise_frequency)
    inputs, validation_inputs = (
        points.inputs.float().to(config.device).unsqueeze(0).split([count, len(points.targets) - count], dim=1)
    )
    targets = noisy.float().to(config.device).expand(config.runs, -1)
    clean = points.targets[count:].float().to(config.device)

    def record(networks: Networks, outputs: Tensor) -> Values:
        return {
            "loss": mean_squared_error(outputs, targets),
            "validation_loss": mean_squared_error(networks(validation_inputs), clean),
        }

    facts = {"norms": norms.numpy(), "targets": noisy.numpy()}
    return Task(inputs, targets, mean_squared_error, record, facts=facts)


def wave(norms: Tensor, frequency: float) -> Tensor:
    """Return sin(2 pi k |x|) for norms |x| of any shape. The paper's equation 10 has no 2 pi, its notebook has."""
    return (2 * math.pi * frequency * norms).sin()

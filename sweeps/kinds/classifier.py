"""How is a classifier trained and measured as a trial?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from specbias.data import facts_of
from specbias.models import look_up_model
from specbias.pictures import spectra_png
from specbias.settings.config import TrialConfig
from specbias.settings.own_code import is_own
from specbias.settings.recipes import RECIPES
from specbias.training.check import check_config, complete_config, teacher_of, whole_size
from sweeps.service.study import Kind, Settings

# Sustained FLOP/s of a training step, measured on one core of an AMD EPYC 9004 and guessed for a GPU.
FLOPS = {("cpu", "float32"): 6e10, ("cpu", "bf16"): 1.0e11, ("cuda", "float32"): 1.5e13, ("cuda", "bf16"): 4e13}
FLOPS |= {("cpu", "corrected"): 9e10, ("cuda", "corrected"): 3.5e13}  # a twentieth of the paths in float32 too
PATH_SAMPLES = 75  # on the mean path between two CIFAR-10 images


def seconds(config: Any) -> float:
    """Guess a complete TrialConfig's time from the floating-point operations of its network."""
    model, facts = look_up_model(config.model), facts_of(config.dataset, config.selection)
    pairs = facts.num_classes * (facts.num_classes + 1) // 2 * config.probe_pairs
    measurements = len(config.epochs_to_measure)
    images = 3 * config.epochs * (whole_size(config) if config.equal_steps else config.train_size)
    images += measurements * (config.train_size + sum(facts.sizes[1:]))
    walks = measurements + (config.probe_split != "test")  # paths of the test split are walked at the end
    wider = config.width / model.width if model.width else 1
    wider **= 2 if wider > 1 else 1.5  # narrow layers do not fill a core
    flop = 1e6 * model.megaflops * wider * (facts.image_size / 32) ** 2
    work = images / operations_per_second(config, config.precision)
    work += walks * pairs * PATH_SAMPLES / operations_per_second(config, config.measure_precision or config.precision)
    return 4 + flop * work


def operations_per_second(config: Any, precision: str) -> float:
    """Guess what the device of a trial sustains: a GPU, or all the threads on a CPU."""
    return FLOPS[config.device, precision] * (config.threads if config.device == "cpu" else 1)


def widths(base: Any, ratios: tuple[float, ...] = (1 / 2, 2)) -> list[int]:
    """Return those multiples of the width that the model can have; none of a model without one."""
    step = look_up_model(base.model).width_step
    found = [int(ratio * base.width) for ratio in ratios] if base.width else []
    return [width for width in found if width and width % step == 0]


def run(config: TrialConfig, checkpoint: str | None) -> Iterator[tuple[Any, Any]]:
    from specbias.trials.trial import run_trial

    return run_trial(config, checkpoint)


def prepare(config: TrialConfig) -> str | None:
    import torch

    from specbias.data import load_dataset
    from specbias.models import build_model
    from specbias.models.layers import zero_last_layer
    from specbias.models.own import check_own
    from specbias.training.distillation import load_teacher
    from specbias.training.effect import idle_interventions
    from specbias.training.own_intervention import check_own_intervention

    facts = facts_of(config.dataset, config.selection)
    network: Settings = {"num_classes": facts.num_classes, "image_size": facts.image_size}
    network |= {"width": config.width, "dropout": config.dropout}
    if is_own(config.model):
        check_own(config.model, **network, zero_head=config.zero_head)
    else:
        with torch.device("meta"):  # a network that cannot be is said before any trial
            model = build_model(config.model, **network)
            if config.zero_head:
                zero_last_layer(model)
    check_own_intervention(config)
    if config.teacher is not None:
        load_teacher(config)
    load_dataset(config.dataset, config.selection)
    if idle := idle_interventions(config):
        changed = f"{config.describe(idle)} changed none of 4,096 images of {config.dataset}"
        return f"{changed}: trials may equal those without it"
    return None


def analyses(configs: Sequence[TrialConfig]) -> list[str]:
    """Return the scripts for what these trials measured: frequencies, and which waves on the labels they fit."""
    frequencies = ["analysis/interventions.py"] if any(config.probe_pairs for config in configs) else []
    return frequencies + (["analysis/noise_fitting.py"] if any(config.label_noise for config in configs) else [])


def calibrate(config: TrialConfig) -> tuple[Settings, float]:
    from specbias.trials.calibrate import fastest_execution

    return fastest_execution(config)


def memory(configs: Sequence[TrialConfig]) -> int:
    from specbias.trials.memory import most_demanding, peak_memory

    return max(peak_memory(config) for config in most_demanding(configs))


CLASSIFIER = Kind(
    config_class=TrialConfig,
    run=run,
    seconds=seconds,
    analyses=analyses,
    calibrate=calibrate,
    complete=complete_config,
    check=check_config,
    prepare=prepare,
    memory=memory,
    teacher=teacher_of,
    recipes=RECIPES,
    picture=spectra_png,
)

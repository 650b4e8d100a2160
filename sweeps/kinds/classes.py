"""How does a trial measure the classes of a network, and their diversity? It may train the network first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from specbias.data import facts_of
from specbias.models import look_up_model
from specbias.settings.recipes import RECIPES
from specbias.trials.class_config import PARTS, ClassConfig, check, complete, trained_before
from sweeps.kinds import classifier
from sweeps.service.study import Kind


def run(config: ClassConfig, checkpoint: str | None) -> Iterator[tuple[Any, Any]]:
    from specbias.trials.classes import run_classes

    return run_classes(config, checkpoint)


def prepare(config: ClassConfig) -> str | None:
    """Fetch what a trial reads: data, and published weights."""
    if config.part == "training":
        return classifier.prepare(config)
    if config.pretrained is not None and config.shard == 1:
        from specbias.trials.classes import open_network

        open_network(config)
    return None


def seconds(config: ClassConfig) -> float:
    """Guess a trial's time: a training's from its operations, a measurement's from the images on its paths."""
    if config.part == "training":
        return classifier.seconds(config)
    if config.part == "diversity":
        return 4 + 0.2 * len(config.labels)
    model = look_up_model(config.model)
    facts = facts_of(config.dataset, config.selection)
    size = (config.image_size or facts.image_size) / 32
    pairs = min(config.class_pairs, sum(facts.probe_supply.values()))
    share = config.width / model.width if config.width and model.width else 1
    images = len(config.labels) * 2 * pairs * (classifier.PATH_SAMPLES * size + config.class_samples)
    rate = classifier.operations_per_second(config, config.measure_precision or config.precision)
    return 4 + images * 1e6 * model.megaflops * (share * size) ** 2 / rate


def analyses(configs: Sequence[ClassConfig]) -> list[str]:
    """Return the script that holds frequency against diversity, where both are there, and those for trainings."""
    parts = {part: [config for config in configs if config.part == part] for part in PARTS}
    ways = {replace(config, shard=1).trial_id for config in parts["diversity"]}
    measured = [config.selection for config in (*parts["frequency"], *parts["diversity"])]
    chosen = {(each.classes, each.first_class, each.class_seed) for each in measured}  # at whatever size
    one = len(ways) == len(chosen) == len({config.dataset for config in configs}) == 1
    compared = ["analysis/class_diversity.py"] if parts["frequency"] and one else []
    return compared + classifier.analyses(parts["training"])


CLASSES = Kind(
    config_class=ClassConfig,
    run=run,
    seconds=seconds,
    analyses=analyses,
    calibrate=lambda config: classifier.calibrate(replace(config, part="training")),
    complete=complete,
    check=check,
    prepare=prepare,
    last_epoch=lambda config: config.last_epoch,
    teacher=trained_before,
    recipes=RECIPES,
)

"""Can a class's images be connected to adversarial images of that class by paths that never leave the class?

Experiment 9 of "On the Spectral Bias of Neural Networks" (Rahaman et al., ICML 2019, appendix A.7). Images of other
classes are changed until a trained ResNet-20 assigns them to the class. A path from each of them to an image of the
class starts as a straight line and is bent to where the class's logit is higher. Expected: every path stays in the
class, and is about 3% longer than the straight line. The control is how many straight lines stay in the class.

  python sweeps/cifar.py --dataset cifar10 --model resnet20 --interventions none      a network, if you have none
  python sweeps/class_paths.py --set checkpoint=mlruns/.../state/weights.pt           5 x 5 pairs a class; GPU: 50 x 50
  python sweeps/class_paths.py --set checkpoint=weights.pt --model wrn_28_2 --set 'model_args={"width": 16}'

The paper does not say how its pixels are scaled. Its learning rate of 1e-3 on pixels from 0 to 1 is 0.016 on ours,
which are divided by about 0.25. With a ResNet-20 of 72% test accuracy and a learning rate of 0.016, 40 of 40 paths
stayed in the class and were 2.3% longer than the straight lines, of which 3 stayed. With 1e-3 on our pixels 25 of 40
stayed, 0.06% longer.

Cost: on a GPU with 50 x 50 pairs about 10 minutes, on a CPU core with 5 x 5 about 10, with 2 x 2 (--quick) about 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from specbias.data import facts_of
from specbias.data.datasets import DATASETS
from specbias.models import MODELS
from specbias.settings import SettingError
from specbias.synthetic.config import ClassPathsConfig
from sweeps.service.study import Kind, Preset, Settings, Study

FLOPS = {"cpu": 4e10, "cuda": 5e12}  # of float32 per second and thread, in narrow convolutions; guessed for a GPU
PATH_LENGTH = 75  # normalised, between two CIFAR-10 images on the mean


def prepare(config: ClassPathsConfig) -> None:
    """Fetch the images; SettingError where the weights do not fit the network."""
    from specbias.data import load_dataset
    from specbias.synthetic.class_paths import network_of
    from specbias.trials.network import load_network

    if config.dataset in DATASETS:
        load_dataset(config.dataset)
        facts = facts_of(config.dataset)
        load_network(network_of(config), num_classes=facts.num_classes, image_size=facts.image_size)


def run(config: ClassPathsConfig, checkpoint: str | None) -> Iterator[tuple[Any, Any]]:
    from specbias.synthetic.class_paths import run_class_paths

    return run_class_paths(config, checkpoint)


def execution(device: str, *, threads: int) -> Settings:
    """All is in float32: gradients of images in bf16 are coarse."""
    return {"device": device, "threads": threads, "batch_size": 2048 if device == "cuda" else 256}


def seconds(config: ClassPathsConfig) -> float:
    """Guess a network's time, at its published width, from the passes that bend paths and those that check them."""
    model, facts = MODELS.get(config.model), DATASETS.get(config.dataset)
    megaflops, classes = (model.megaflops if model else 200.0), (facts.num_classes if facts else 100)
    pairs = classes * config.images_per_class * config.adversarials_per_class
    bending = config.neb_iterations * (3 * config.neb_steps + 10) * 1.5 * config.pivots
    passes = pairs * (bending + 2 * PATH_LENGTH / config.spacing)
    return 10 + 1e6 * megaflops * passes / FLOPS[config.device] / (config.threads or 1 if config.device == "cpu" else 1)


def calibrate(config: ClassPathsConfig) -> tuple[Settings, float]:
    raise SettingError("--calibrate: there is nothing to choose, paths are found in float32")


PRESETS = {
    "paper": Preset({}),
    "laptop": Preset({"images_per_class": 5, "adversarials_per_class": 5}),
    "quick": Preset({"images_per_class": 2, "adversarials_per_class": 2}),
}

CLASS_PATHS = Kind(
    config_class=ClassPathsConfig,
    run=run,
    seconds=seconds,
    analyses=lambda configs: ["analysis/synthetic.py"],
    draws_records=False,
    calibrate=calibrate,
    complete=lambda config: config.identified(),
    prepare=prepare,
    execution=execution,
)

STUDY = Study(
    name=ClassPathsConfig.kind,
    question=__doc__,
    kind=CLASS_PATHS,
    presets=PRESETS,
    choose_preset=lambda gpus: "paper" if gpus else "laptop",
    columns={
        "synthetic/connected": "connected",
        "synthetic/connected_straight": "straight",
        "synthetic/length_ratio": "length ratio",
    },
)

if __name__ == "__main__":
    from sweeps.service.command_line import main

    main(STUDY)

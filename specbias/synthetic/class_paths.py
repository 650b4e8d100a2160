"""Are a class's images joined to its adversarials without leaving the class? One trained network, many pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from specbias.data import Data, to_pixels
from specbias.measurement import Measurement
from specbias.settings import SettingError
from specbias.settings.measurement import NetworkConfig
from specbias.settings.seeds import derive_seed
from specbias.synthetic.adversarial import make_adversarials
from specbias.synthetic.classifier import Classifier, class_margin
from specbias.synthetic.config import ClassPathsConfig
from specbias.synthetic.elastic_band import Paths, auto_neb, lowest_values, straight_paths
from specbias.training.execution import use_device
from specbias.trials.network import load_images, load_network

PAIRS_AT_ONCE = 512
EXAMPLE_IMAGES, EXAMPLE_MARGINS = 9, 101  # along an example's path, at equal distances, both ends included


class Measured:
    """The state of a network that is only measured: there is nothing to save."""

    def save(self, folder: str | Path) -> None:
        pass


@dataclass(frozen=True)
class Pairs:
    """The ends of paths: images of a class and adversarials of it, every one with every other of its class."""

    images: Tensor  # (P, 2) index of the class's image, and of the image that was made an adversarial
    starts: Tensor  # (I, D) the images
    ends: Tensor  # (A, D) the adversarials
    of: Tensor  # (P, 2) a pair's rows in `starts` and `ends`
    classes: Tensor  # (P,)
    adversarial_distances: Tensor  # (A,) from the image that it was
    tried: dict[str, np.ndarray]  # of every attack, also those that did not reach the class


def run_class_paths(
    config: ClassPathsConfig, checkpoint: str | Path | None = None
) -> Iterator[tuple[Measured, Measurement]]:
    """Yield the one measurement: what share of pairs is joined within the class, by a path and by the straight line.

    A pair is `connected` where its class's logit is the largest at all samples of the path, at most `spacing` apart.
    Images are drawn from those that the network classifies correctly; adversarials that were not reached are counted
    and left out. Rahaman et al. 2019, appendix A.7, which does not say how adversarials are made or paths are checked.

    Arrays, of P pairs class after class (with `_straight` appended: of the straight line): `classes`, `images` (P, 2),
    their index in the split, `connected`, `lowest_margin`, both also straight, `length`, `length_ratio`, `pivots`,
    `adversarial_distance`. Of every attack: `tried_classes`, `tried_images`, `tried_reached`, `tried_distance`. Of E
    pairs, `example_pairs`: `example_images` (E, 9, 3, H, W) in uint8, `example_margins` (E, 101), both also straight.

    Sets torch's number of threads and float32 precision. SettingError before anything else; FloatingPointError on an
    output that is not finite. `checkpoint` is not used: there is nothing to go on with.
    """
    config = config.identified()
    use_device(config.device, threads=config.threads)
    data = load_images(network_of(config), config.device)
    classifier = load_classifier(data, config)
    pairs = choose_pairs(classifier, data, config)
    arrays = pairs.tried | measure_pairs(classifier, pairs, data, config)
    bad = ~np.isfinite(arrays["lowest_margin"]) | ~np.isfinite(arrays["lowest_margin_straight"])
    if bad.any():
        raise FloatingPointError(f"the network's output is not finite on {bad.sum()} of {len(bad)} paths")
    yield Measured(), Measurement(0, _metrics(arrays), arrays)


def network_of(config: ClassPathsConfig) -> NetworkConfig:
    """Return which network is asked, on which images."""
    names = ("model", "model_args", "checkpoint", "dataset", "split", "seed")
    return NetworkConfig(**{name: getattr(config, name) for name in names})


def load_classifier(data: Data, config: ClassPathsConfig) -> Classifier:
    """Return the network, in evaluation mode, as a function of flat normalised images (B, 3 * H * W)."""
    shape = data.test.images.shape[1:]
    model = load_network(network_of(config), num_classes=data.num_classes, image_size=shape[-1])
    model = model.to(config.device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
    black = torch.zeros(1, *shape, device=config.device)
    return Classifier(
        lambda points: model(points.view(-1, *shape).contiguous(memory_format=torch.channels_last)).float(),
        lowest=data.normalise(black).flatten(),
        highest=data.normalise(black + 255).flatten(),
        batch_size=config.batch_size,
    )


def choose_pairs(classifier: Classifier, data: Data, config: ClassPathsConfig) -> Pairs:
    """Return the ends of all paths: images drawn by the seed, and the adversarials that were reached.

    Each class has its images and as many of the other classes' to be made adversarials, all classified correctly.
    """
    split = data.splits[config.split]
    count = max(config.images_per_class, config.adversarials_per_class)
    labels = range(data.num_classes)
    pools = [_classified_correctly(classifier, data, label, count=count, config=config) for label in labels]
    own = [pool[: config.images_per_class] for pool in pools]
    foreign = []
    for label in labels:
        others = torch.cat([pools[other] for other in labels if other != label])
        stream = torch.Generator().manual_seed(derive_seed(config.seed, "adversarials", label))
        drawn = torch.randperm(len(others), generator=stream)[: config.adversarials_per_class]
        foreign.append(others[drawn.to(others.device)])
    images, sources = torch.cat(own), torch.cat(foreign)
    of_source = _repeated([len(part) for part in foreign], sources.device)
    before = data.normalise(split.images[sources]).flatten(1)
    ends, reached = make_adversarials(classifier, before, of_source, config=config)
    distances = (ends - before).norm(dim=1)
    of_image = _repeated([len(part) for part in own], images.device)
    of = (of_image[:, None] == torch.where(reached, of_source, -1)).nonzero()
    if not len(of):
        raise SettingError(f"{config.checkpoint}: no pairs, as no image is classified correctly, or no attack works")
    tried = {"classes": of_source, "images": sources, "reached": reached, "distance": distances}
    return Pairs(
        images=torch.stack((images[of[:, 0]], sources[of[:, 1]]), dim=1),
        starts=data.normalise(split.images[images]).flatten(1),
        ends=ends,
        of=of,
        classes=of_image[of[:, 0]],
        adversarial_distances=distances,
        tried={f"tried_{name}": value.cpu().numpy() for name, value in tried.items()},
    )


def _classified_correctly(
    classifier: Classifier, data: Data, label: int, *, count: int, config: ClassPathsConfig
) -> Tensor:
    """Return the first `count` images of a class, in an order drawn by the seed, that are classified as it."""
    split = data.splits[config.split]
    mine = (split.labels == label).nonzero().squeeze(1)
    stream = torch.Generator().manual_seed(derive_seed(config.seed, "images", label))
    order = mine[torch.randperm(len(mine), generator=stream).to(mine.device)]
    found = order[:0]
    for part in order.split(count):
        points = data.normalise(split.images[part]).flatten(1)
        found = torch.cat((found, part[classifier.values(class_margin, points, split.labels[part]) > 0]))
        if len(found) >= count:
            break
    return found[:count]


def _repeated(counts: list[int], device: torch.device) -> Tensor:
    """Return 0, 0, ..., 1, 1, ..., each as often as it is counted."""
    return torch.arange(len(counts), device=device).repeat_interleave(torch.tensor(counts, device=device))


def measure_pairs(classifier: Classifier, pairs: Pairs, data: Data, config: ClassPathsConfig) -> dict[str, np.ndarray]:
    """Return the arrays over pairs, and those over the examples, which are spread evenly over the pairs."""
    spread = torch.linspace(0, len(pairs.of) - 1, config.examples).round().long().unique()
    shape = data.test.images.shape[1:]
    parts: dict[str, list[Tensor]] = {"example_pairs": [spread], "classes": [pairs.classes], "images": [pairs.images]}
    for first in range(0, len(pairs.of), PAIRS_AT_ONCE):
        chosen = slice(first, first + PAIRS_AT_ONCE)
        starts, ends = pairs.starts[pairs.of[chosen, 0]], pairs.ends[pairs.of[chosen, 1]]
        classes = pairs.classes[chosen]
        bent = auto_neb(classifier, starts, ends, classes, config=config)
        line = straight_paths(starts, ends, pivots=0)
        examples = [i - first for i in spread.tolist() if first <= i < first + PAIRS_AT_ONCE]
        found = {
            "length_ratio": bent.lengths() / line.lengths(),
            "length": bent.lengths(),
            "pivots": bent.owner.bincount() - 2,
            "adversarial_distance": pairs.adversarial_distances[pairs.of[chosen, 1]],
        }
        for suffix, paths in {"": bent, "_straight": line}.items():
            lowest = lowest_values(classifier, class_margin, paths, classes, spacing=config.spacing)
            found |= {f"connected{suffix}": lowest > 0, f"lowest_margin{suffix}": lowest}
            for i in examples:
                points, margins = _example(classifier, paths, classes, i)
                images = to_pixels(points.view(-1, *shape), data.mean, data.std)
                for name, value in {"images": images, "margins": margins}.items():
                    parts.setdefault(f"example_{name}{suffix}", []).append(value[None])
        for name, value in found.items():
            parts.setdefault(name, []).append(value)
    return {name: torch.cat(values).cpu().numpy() for name, values in parts.items()}


def _example(classifier: Classifier, paths: Paths, classes: Tensor, path: int) -> tuple[Tensor, Tensor]:
    """Return points (9, D) along one path, and its class's margins at 101, at equal distances."""
    few, many = (
        paths.along(path, torch.linspace(0, 1, samples, device=classes.device))
        for samples in (EXAMPLE_IMAGES, EXAMPLE_MARGINS)
    )
    return few, classifier.values(class_margin, many, classes[path].expand(len(many)))


def _metrics(arrays: dict[str, np.ndarray]) -> dict[str, float]:
    names = ("connected", "connected_straight", "length_ratio", "adversarial_distance")
    found = {name: arrays[name].mean(dtype=float).item() for name in names}
    found |= {f"lowest_margin{suffix}": arrays[f"lowest_margin{suffix}"].min().item() for suffix in ("", "_straight")}
    found |= {"pairs": len(arrays["connected"]), "adversarial_failures": int((~arrays["tried_reached"]).sum())}
    return {f"synthetic/{name}": value for name, value in found.items()}

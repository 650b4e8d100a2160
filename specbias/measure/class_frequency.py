"""How fast does the function vary within one class, and between it and others? A record for each of many classes.

"Spectral Bias in Practice", section on ImageNet, which gives neither the number of pairs nor the distance of samples:
both a fixed spacing and a fixed number of samples are given. Images serve in one path within their class at most, so
that paths of a class are independent.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from specbias.data import ByClass, Data, Split
from specbias.measure.frequency import KINDS, PathValues, frequency_arrays, measure_pairs, summarise
from specbias.measure.generalization import evaluate
from specbias.measure.pairs import Probes, join
from specbias.measure.paths import Predict
from specbias.seeds import derive_seed

FIXED = "fixed_samples"
REPORTED = ("mean_frequency", "total_variation")


class ClassProbes(NamedTuple):
    """The images on whose paths a class is measured: its own first, then those of its partners."""

    images: Tensor  # (N, 3, H, W) in uint8
    labels: Tensor  # (N,) among the network's outputs
    own: int  # how many are the class's
    within: Tensor  # (2, P) rows
    between: Tensor  # (2, P), the first an own image
    numbers: Tensor  # (N,) of each image among those of its class, in the order of the splits


def choose_class_probes(
    classes: ByClass,
    label: int,
    *,
    splits: tuple[str, ...],
    pairs: int,
    partners: int,
    seed: int,
    outputs: tuple[int, ...],
) -> ClassProbes:
    """Draw the paths of one class by seed: up to `pairs` within it, as many to `partners` other classes in turn.

    Within the class no image is in two paths; a partner's image neither, as long as it has enough of them.
    """
    own = torch.cat([classes.images(split, label) for split in splits])
    count = min(pairs, len(own) // 2)
    within = torch.from_numpy(_order(len(own), seed, "within", label))[: 2 * count].view(2, -1)
    starts = torch.from_numpy(_order(len(own), seed, "between", label))[:count]
    others = np.delete(np.arange(len(classes.names)), label)
    chosen = others[_order(len(others), seed, "partners", label)[: min(partners, count)]]
    images, labels, numbers = [own], [torch.full((len(own),), outputs[label])], [torch.arange(len(own))]
    ends = torch.zeros(count, dtype=torch.long)
    for place, other in enumerate(chosen.tolist()):
        mine = torch.arange(place, count, len(chosen))
        theirs = torch.cat([classes.images(split, other) for split in splits])
        rows = torch.from_numpy(np.resize(_order(len(theirs), seed, "partner", label, other), len(mine)))
        ends[mine] = torch.arange(len(mine)) + sum(map(len, images))
        images.append(theirs[rows])
        labels.append(torch.full((len(mine),), outputs[other]))
        numbers.append(rows)
    between = torch.stack([starts, ends])
    return ClassProbes(torch.cat(images), torch.cat(labels), len(own), within, between, torch.cat(numbers))


def _order(count: int, seed: int, *stream: object) -> np.ndarray:
    return np.random.default_rng(derive_seed(seed, "class probes", *stream)).permutation(count)


def measure_class(
    predict: Predict,
    classes: ByClass,
    probes: ClassProbes,
    *,
    spacing: float,
    samples: int,
    signal: str,
    batch_size: int,
    device: str,
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return the metrics of a class, and every path as arrays.

    `frequency/{kind}` is the released high-frequency share with samples `spacing` apart, its `standard_error` over
    images (between classes, of paths to these very partners: others would differ by more), `fixed_samples` the same
    with `samples` on each path; `path_length` the mean distance of the ends; `generalization/class_accuracy` over all
    own images. A kind whose every path is too short is left out. Arrays are those of frequency_arrays, for the fixed
    number under `fixed_samples/`; `image_label` and `image_number` say which images `first_image` and `second_image`
    count.
    """
    split = Split(probes.images.to(device), probes.labels.to(device))
    none = Split(split.images[:0], split.labels[:0])
    data = Data(none, none, split, classes.mean, classes.std, num_classes=len(classes.names))
    correct = evaluate(predict, split, data, batch_size=batch_size).correct
    metrics = {"generalization/class_accuracy": correct[: probes.own].double().mean().item()}
    arrays = {"image_label": probes.labels.numpy(), "image_number": probes.numbers.numpy()}
    for name, fixed in (("", None), (FIXED, samples)):
        ends = {kind: join(data, split, each, spacing=spacing, path_samples=fixed) for kind, each in _ends(probes)}
        asked = Probes("test", ends[KINDS[0]], ends[KINDS[1]], torch.ones(len(split.labels), dtype=torch.bool))
        found = {
            kind: measure_pairs(predict, data, asked, pairs, correct=correct, signal=signal, batch_size=batch_size)
            for kind, pairs in ends.items()
            if len(pairs)
        }
        for kind, values in found.items():
            metrics |= _metrics(values, f"frequency/{kind}", name)
        prefix = f"{name}/" if name else ""
        arrays |= {f"{prefix}{key}": array for key, array in frequency_arrays(found).items()}
    return metrics, arrays


def _ends(probes: ClassProbes) -> zip:
    return zip(KINDS, (probes.within, probes.between), strict=True)


def _metrics(values: PathValues, key: str, name: str) -> dict[str, float]:
    summary = summarise(values)
    share = f"{key}/{name}" if name else key
    found = {share: summary.means["high_frequency_share"]}
    if (error := summary.standard_errors["high_frequency_share"]) is not None:
        found[f"{share}/standard_error"] = error
    if name:
        return found
    found |= {f"{key}/{each}": summary.means[each] for each in REPORTED if each in summary.means}
    if of_correct := summarise(values, values.ends_correct).means:
        found[f"{key}/ends_correct"] = of_correct["high_frequency_share"]
    return found | {f"{key}/path_length": values.pairs.distance.mean().item()}

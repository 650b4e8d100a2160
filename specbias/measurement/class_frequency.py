"""How fast does the function vary within one class, and between it and others? A record for each of many classes.

"Spectral Bias in Practice", section on ImageNet, which gives neither the number of pairs nor the distance of samples:
both a fixed spacing and a fixed number of samples are given. Images serve in one path within their class at most, so
that paths of a class are independent.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from specbias.data import ByClass, Data, Split
from specbias.measurement.frequency import KINDS, frequency_arrays, measure_pairs
from specbias.measurement.generalization import evaluate
from specbias.measurement.pairs import Probes, join
from specbias.measurement.path_values import PathValues, summarise
from specbias.measurement.paths import Predict
from specbias.settings.config import BAND
from specbias.settings.seeds import derive_seed

FIXED = "fixed_samples"
REPORTED = ("mean_frequency", "total_variation", "crossings", "sharpness")


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
    band: float = BAND,
    batch_size: int,
    device: str,
    exactly: Predict | None = None,
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return the metrics of a class, and every path as arrays.

    `frequency/{kind}/fixed_band` is the share above `band` with samples `spacing` apart, by which classes are compared,
    its `standard_error` over images (between classes, of paths to these very partners: others would differ by more);
    `frequency/{kind}` the released share, which steps with a path's length, and `fixed_samples` that with `samples` on
    each path; `path_length` the mean distance of the ends; `without_band`, where above 0, how many paths cannot tell
    what is above the band, and are in all means but that; `generalization/class_accuracy` over all own images. A kind
    whose every path is too short is left out. Arrays are those of frequency_arrays, for the fixed number under
    `fixed_samples/`; `image_label` and `image_number` say which images `first_image` and `second_image` count.
    """
    split = Split(probes.images.to(device), probes.labels.to(device))
    none = Split(split.images[:0], split.labels[:0])
    data = Data(none, none, split, classes.mean, classes.std, num_classes=int(split.labels.max()) + 1)
    correct = evaluate(exactly or predict, split, data, batch_size=batch_size).correct
    metrics = {"generalization/class_accuracy": correct[: probes.own].double().mean().item()}
    how: dict[str, Any] = {"signal": signal, "band": band, "batch_size": batch_size, "exactly": exactly}
    arrays = {"image_label": probes.labels.numpy(), "image_number": probes.numbers.numpy()}
    for name, fixed in (("", None), (FIXED, samples)):
        ends = {kind: join(data, split, each, spacing=spacing, path_samples=fixed) for kind, each in _ends(probes)}
        asked = Probes("test", ends[KINDS[0]], ends[KINDS[1]], torch.ones(len(split.labels), dtype=torch.bool))
        found = {
            kind: measure_pairs(predict, data, asked, pairs, correct=correct, **how)
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
    shares = {f"{key}/{name}": "high_frequency_share"} if name else {key: "high_frequency_share"}
    shares |= {} if name else {f"{key}/fixed_band": "fixed_band"}
    found = {}
    for share, scalar in shares.items():
        if scalar in summary.means:
            found[share] = summary.means[scalar]
        if (error := summary.standard_errors.get(scalar)) is not None:
            found[f"{share}/standard_error"] = error
    if name:
        return found
    found |= {f"{key}/{each}": summary.means[each] for each in REPORTED if each in summary.means}
    if of_correct := summarise(values, values.ends_correct).means:
        found[f"{key}/ends_correct"] = of_correct["high_frequency_share"]
    if without := int(np.isnan(values.scalars["fixed_band"]).sum()):
        found[f"{key}/without_band"] = float(without)
    return found | {f"{key}/path_length": values.pairs.distance.mean().item()}

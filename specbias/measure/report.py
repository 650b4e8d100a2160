"""What can be said of any function from images to logits? One record of numbers, and the paths they come from.

Used on networks that were trained elsewhere: `python -m specbias measure` writes the record as JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from specbias.config import MeasureSettings
from specbias.data import Data
from specbias.measure.fourier import SAMPLES as FOURIER_SAMPLES
from specbias.measure.fourier import measure_fourier
from specbias.measure.frequency import (
    KINDS,
    SCALARS,
    PathValues,
    Summary,
    frequency_arrays,
    joined,
    measure_pairs,
    rows_of_classes,
    summarise,
)
from specbias.measure.generalization import evaluate
from specbias.measure.jacobian import jacobian_norm
from specbias.measure.local import POINTS, measure_local
from specbias.measure.pairs import Pairs, Probes, choose_probes
from specbias.measure.paths import Predict
from specbias.settings import SettingError

FIRST_ROUND = 5  # pairs, when more are added until the standard errors are small enough; then twice as many, ...


def measure_function(
    predict: Predict,
    data: Data,
    settings: MeasureSettings = MeasureSettings(),  # noqa: B008
    *,
    on_images: Callable[[int, int], object] = lambda done, total: None,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return a JSON-ready record of the function `predict`, and the arrays behind it.

    `predict` takes images (B, 3, H, W) in the data set's normalised space, on the device of `data`, to logits (B, C);
    a network is in evaluation mode, and gradients are off unless the Jacobian is asked for. The record has `accuracy`,
    `accuracy_per_class`, `within_class` and `between_class` (means, `n_paths`, `n_samples`, `n_left_out`,
    `standard_errors`, and the same for `ends_correct`), `per_class`, `per_class_pair`, where asked for `fourier`,
    `local`, `jacobian_norm`, and where `data` has a second test set `extra_accuracy`. What is undefined is None, never
    NaN. `on_images` is told the images done and to do. Raises SettingError where the images do not suffice or the
    number of logits is wrong, FloatingPointError on an output that is not finite.
    """
    if isinstance(predict, nn.Module) and predict.training:
        raise SettingError("the network is in training mode: call its eval() first")
    probes = choose_probes(
        data,
        pairs=settings.pairs,
        seed=settings.seed,
        pairing=settings.pairing,
        split=settings.split,
        spacing=settings.spacing,
        path_samples=settings.path_samples,
    )
    split = data.splits[settings.split]
    settings = replace(settings, batch_size=settings.batch_size or (2048 if split.images.is_cuda else 256))
    for name, needed in (("fourier", 2 * settings.fourier), ("local", settings.local), ("jacobian", settings.jacobian)):
        if needed > len(split.labels):  # said before anything is measured
            raise SettingError(
                f"{name}={getattr(settings, name)}: needs {needed} images, there are {len(split.labels)}"
            )
    on_paths = sum(int(getattr(probes, kind).samples.sum()) for kind in KINDS)
    elsewhere = len(split.labels) + 2 * FOURIER_SAMPLES * settings.fourier + POINTS * settings.local + settings.jacobian
    counted = _counted(predict, data.num_classes, on_images, total=on_paths + elsewhere)
    with torch.inference_mode():
        evaluation = evaluate(counted, split, data, batch_size=settings.batch_size)
        paths = _in_rounds(counted, data, probes, evaluation.correct, settings)
        record = _record(paths, evaluation.correct, split.labels, data.num_classes)
        if settings.until_se is not None:
            record["until_se_reached"] = all(_precise([values], settings.until_se) for values in paths.values())
            record["forward_passes_saved"] = on_paths - sum(record[kind]["n_samples"] for kind in KINDS)
        further, arrays = _further(counted, data, settings)
        if "extra" in data.splits and settings.split != "extra":
            extra = evaluate(counted, data.splits["extra"], data, batch_size=settings.batch_size)
            further["extra_accuracy"] = extra.correct.double().mean().item()
    arrays["accuracy_per_class"] = np.array(record["accuracy_per_class"])
    record |= further | {"class_names": list(data.class_names), "settings": settings.to_dict()}
    return record, frequency_arrays(paths) | arrays


def _counted(predict: Predict, num_classes: int, on_images: Callable[[int, int], object], *, total: int) -> Predict:
    """Return `predict`, held to its number of classes, that tells how many images it has seen."""
    done = 0

    def counted(images: Tensor) -> Tensor:
        nonlocal done
        logits = predict(images)
        if not isinstance(logits, Tensor):
            raise SettingError(f"the model gives a {type(logits).__name__}, not a tensor of logits")
        if logits.ndim != 2 or logits.shape[1] != num_classes:
            raise SettingError(
                f"the model gives outputs of shape {tuple(logits.shape[1:])} per image, the data set has {num_classes} "
                "classes"
            )
        done += len(images)
        on_images(done, total)
        return logits.float()

    return counted


def _further(predict: Predict, data: Data, settings: MeasureSettings) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what is asked for besides straight paths."""
    record: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    common: dict[str, Any] = {"split": settings.split, "seed": settings.seed, "batch_size": settings.batch_size}
    if settings.fourier:
        record["fourier"], found = measure_fourier(predict, data, pairs=settings.fourier, **common)
        arrays |= found
    if settings.local:
        record["local"], found = measure_local(predict, data, images=settings.local, **common)
        arrays |= found
    if settings.jacobian:
        images = data.splits[settings.split].images[: settings.jacobian]
        record["jacobian_norm"] = jacobian_norm(
            predict,
            data.normalise(images),
            batch_size=settings.batch_size,
            projections=settings.projections,
            seed=settings.seed,
        )
    return record, arrays


def _in_rounds(
    predict: Predict, data: Data, probes: Probes, correct: Tensor, settings: MeasureSettings
) -> dict[str, PathValues]:
    """Measure all pairs at once or, with `until_se`, the first 5 of every two classes, then up to 10, 20, ..."""
    found: dict[str, list[PathValues]] = {kind: [] for kind in KINDS}
    reached = 0
    while reached < settings.pairs:
        target = settings.pairs if settings.until_se is None else min(max(2 * reached, FIRST_ROUND), settings.pairs)
        for kind in KINDS:
            pairs: Pairs = getattr(probes, kind)
            rows = (pairs.number >= reached) & (pairs.number < target)
            if rows.any():
                values = measure_pairs(
                    predict,
                    data,
                    probes,
                    pairs.take(rows),
                    correct=correct,
                    signal=settings.signal,
                    batch_size=settings.batch_size,
                )
                found[kind].append(values)
        reached = target
        if settings.until_se is not None and all(_precise(found[kind], settings.until_se) for kind in KINDS):
            break
    return {kind: joined(values, reached=reached) for kind, values in found.items()}


def _precise(parts: list[PathValues], limit: float) -> bool:
    error = summarise(joined(parts)).standard_errors["high_frequency_share"] if parts else None
    return error is not None and error < limit


def _record(paths: dict[str, PathValues], correct: Tensor, labels: Tensor, num_classes: int) -> dict[str, Any]:
    per_class = [correct[labels == label].double() for label in range(num_classes)]
    record: dict[str, Any] = {
        "accuracy": correct.double().mean().item(),
        "accuracy_per_class": [hits.mean().item() for hits in per_class],
    }
    for kind, values in paths.items():
        record[kind] = _as_dict(summarise(values)) | {
            "n_left_out": len(values.pairs.left_out),
            "ends_correct": _as_dict(summarise(values, values.ends_correct)),
        }
    groups = {kind: rows_of_classes(values.pairs) for kind, values in paths.items()}
    record["per_class"] = {
        str(a): _as_dict(summarise(paths["within_class"], rows)) for (a, _), rows in groups["within_class"].items()
    }
    record["per_class_pair"] = {
        f"{a}-{b}": _as_dict(summarise(paths["between_class"], rows))
        for (a, b), rows in groups["between_class"].items()
    }
    return record


def _as_dict(summary: Summary) -> dict[str, Any]:
    return {
        **{name: summary.means.get(name) for name in SCALARS},
        "n_paths": summary.paths,
        "n_samples": summary.samples,
        "standard_errors": {name: summary.standard_errors.get(name) for name in SCALARS},
    }

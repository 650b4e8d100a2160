"""What can be said of any function from images to logits? One record of numbers, and the paths they come from.

Used on networks that were trained elsewhere: `python -m specbias measure` writes the record as JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from specbias.config import MeasureSettings
from specbias.data import Data
from specbias.measure.fourier import measure_fourier
from specbias.measure.frequency import (
    KINDS,
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
from specbias.measure.local import measure_local
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
    `standard_errors`, and the same for `ends_correct`), `per_class`, `per_class_pair`, and where asked for `fourier`,
    `local`, `jacobian_norm`; no NaN is in it, what is undefined is null. `on_images` is told the images done and to do.
    Raises SettingError where the images do not suffice or the number of logits is wrong, FloatingPointError on an
    output that is not finite.
    """
    probes = choose_probes(
        data,
        pairs=settings.pairs,
        seed=settings.seed,
        pairing=settings.pairing,
        split=settings.split,
        spacing=settings.spacing,
        path_samples=settings.path_samples,
    )
    everything = [getattr(probes, kind) for kind in KINDS]
    split = data.splits[settings.split]
    extra = settings.fourier * 200 + settings.local * 128 + settings.jacobian
    total = len(split.labels) + sum(int(pairs.samples.sum()) for pairs in everything) + extra
    done = 0

    def counted(images: Tensor) -> Tensor:
        nonlocal done
        logits = predict(images)
        if logits.ndim != 2 or logits.shape[1] != data.num_classes:
            raise SettingError(
                f"the model gives outputs of shape {tuple(logits.shape[1:])} per image, the data set has "
                f"{data.num_classes} classes"
            )
        done += len(images)
        on_images(done, total)
        return logits.float()

    with torch.inference_mode():
        evaluation = evaluate(counted, split, data, batch_size=settings.batch_size)
        paths = _in_rounds(counted, data, probes, evaluation.correct, settings)
        record = _record(paths, evaluation.correct, split.labels, data.num_classes)
        arrays = frequency_arrays(paths)
        if settings.until_se is not None:
            used = sum(found["n_samples"] for found in (record["within_class"], record["between_class"]))
            record["forward_passes_saved"] = sum(int(pairs.samples.sum()) for pairs in everything) - used
        common: dict[str, Any] = {"split": settings.split, "seed": settings.seed, "batch_size": settings.batch_size}
        if settings.fourier:
            record["fourier"], found = measure_fourier(counted, data, pairs=settings.fourier, **common)
            arrays |= found
        if settings.local:
            record["local"], found = measure_local(counted, data, images=settings.local, **common)
            arrays |= found
        if settings.jacobian:
            images = data.normalise(split.images[: settings.jacobian])
            record["jacobian_norm"] = jacobian_norm(
                counted, images, batch_size=settings.batch_size, projections=settings.projections, seed=settings.seed
            )
    record["settings"] = settings.to_dict()
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
        if settings.until_se is not None and all(_precise(joined(found[k]), settings.until_se) for k in KINDS):
            break
    return {kind: joined(values) for kind, values in found.items()}


def _precise(values: PathValues, limit: float) -> bool:
    error = summarise(values).standard_errors["high_frequency_share"]
    return error is not None and error < limit


def _record(paths: dict[str, PathValues], correct: Tensor, labels: Tensor, num_classes: int) -> dict[str, Any]:
    per_class = [correct[labels == label].double() for label in range(num_classes)]
    record: dict[str, Any] = {
        "accuracy": correct.double().mean().item(),
        "accuracy_per_class": [hits.mean().item() if len(hits) else None for hits in per_class],
    }
    for kind, values in paths.items():
        record[kind] = _as_dict(summarise(values)) | {
            "n_left_out": values.pairs.left_out,
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
        **summary.means,
        "n_paths": summary.paths,
        "n_samples": summary.samples,
        "standard_errors": summary.standard_errors,
    }

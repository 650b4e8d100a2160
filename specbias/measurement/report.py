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

from specbias.data import Data
from specbias.measurement.answers import as_logits
from specbias.measurement.examples import example_arrays
from specbias.measurement.fourier import SAMPLES as FOURIER_SAMPLES
from specbias.measurement.fourier import measure_fourier
from specbias.measurement.frequency import (
    KINDS,
    check_band,
    frequency_arrays,
    measure_pairs,
)
from specbias.measurement.generalization import evaluate
from specbias.measurement.half_precision import NOT_FINITE
from specbias.measurement.jacobian import jacobian_norm
from specbias.measurement.local import POINTS, measure_local
from specbias.measurement.pairs import Pairs, Probes, choose_probes
from specbias.measurement.path_values import SCALARS, PathValues, Summary, joined, rows_of_classes, summarise
from specbias.measurement.paths import Predict
from specbias.settings import SettingError
from specbias.settings.measurement import MeasureSettings

EXPECTED_WITHIN = 0.01  # of the accuracy that is expected
FIRST_ROUND = 5  # pairs, when more are added until the standard errors are small enough; then twice as many, ...


def measure_function(
    predict: Predict,
    data: Data,
    settings: MeasureSettings = MeasureSettings(),  # noqa: B008
    *,
    exactly: Predict | None = None,
    corrected: bool = False,
    on_images: Callable[[int, int], object] = lambda done, total: None,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return a JSON-ready record of the function `predict`, and the arrays behind it.

    `predict` takes images (B, 3, H, W), normalised by `settings.input_mean` and `input_std` or else as the data set is
    (data.mean, data.std, the space of paths and distances in any case), on the device of `data`, to logits (B, C), or
    what as_logits finds them in; a network is in evaluation mode, and gradients are off unless the Jacobian is asked
    for. The record has `accuracy`, over `n_images`, `normalisation`, `notes` (lines on how network and images were
    understood), `outputs` (which of the network's are the classes), `accuracy_per_class`, `within_class` and
    `between_class` (means, `n_paths`, `n_samples`, `n_left_out`, `n_without_band`, `standard_errors`, and the same for
    `ends_correct`), `per_class`, `per_class_pair`, where asked for `fourier`, `local`, `jacobian_norm`, and where
    `data` has a second test set `extra_accuracy`. What is undefined is None, never NaN. The arrays are those of
    frequency_arrays and example_arrays, and whether the network is right on each image, `correct` (N,). `exactly` is
    the same function in float32, where `predict` computes in less; with `corrected` it computes a few paths too, which
    correct the means of the others (`corrections`), and all that is not on paths. `on_images` is told the images done
    and to do. Raises SettingError where the images do not suffice, where the network's answers are none that can be
    measured (as_logits), and where its accuracy is not `expect_accuracy`; FloatingPointError on an output that is not
    finite.
    """
    if isinstance(predict, nn.Module) and predict.training:
        raise SettingError("the network is in training mode: call its eval() first")
    probes = chosen_probes(data, settings)
    split = data.splits[settings.split]
    settings = replace(settings, batch_size=settings.batch_on(split.images.device.type))
    on_paths = sum(int(getattr(probes, kind).samples.sum()) for kind in KINDS)
    elsewhere = len(split.labels) + 2 * FOURIER_SAMPLES * settings.fourier + POINTS * settings.local + settings.jacobian
    asked = as_logits(predict, data, split, settings, exactly=exactly)
    counting = _counting(on_images, total=on_paths + elsewhere)
    counted, exact = counting(asked.logits), None
    if corrected and exactly is not None:
        exact = as_logits(exactly, data, split, settings).logits
    no_gradients = torch.no_grad if settings.jacobian else torch.inference_mode  # a network may keep a tensor
    with torch.random.fork_rng(enabled=settings.answers > 1), no_gradients():
        if settings.answers > 1:
            torch.manual_seed(settings.seed)
        elsewhere_by = counted if exact is None else counting(exact)
        evaluation = evaluate(elsewhere_by, split, data, batch_size=settings.batch_size)
        _check_accuracy(evaluation.correct, settings.expect_accuracy, asked.notes)
        paths = _in_rounds(counted, data, probes, evaluation.correct, settings, exactly=exact)
        record = _record(paths, evaluation.correct, split.labels, data.num_classes)
        if settings.until_se is not None:
            record["until_se_reached"] = all(_precise([values], settings.until_se) for values in paths.values())
            record["forward_passes_saved"] = on_paths - sum(record[kind]["n_samples"] for kind in KINDS)
        further, arrays = _further(elsewhere_by, data, settings)
        of_examples = exact or asked.logits
        arrays |= example_arrays(
            lambda images: of_examples(images).float(), data, split, paths, batch_size=settings.batch_size
        )
        if "extra" in data.splits and settings.split != "extra":
            extra = evaluate(elsewhere_by, data.splits["extra"], data, batch_size=settings.batch_size)
            further["extra_accuracy"] = extra.correct.double().mean().item()
    arrays["correct"] = evaluation.correct.cpu().numpy()
    arrays["accuracy_per_class"] = np.array(record["accuracy_per_class"])
    network = {"mean": settings.input_mean or data.mean, "std": settings.input_std or data.std}
    record["normalisation"] = {"distances": {"mean": data.mean, "std": data.std}, "network": network}
    not_finite = any(values.half is not None and not values.half.finite for values in paths.values())
    record["notes"] = asked.notes + [NOT_FINITE] * not_finite
    record["outputs"] = asked.outputs
    record |= further | {"class_names": list(data.class_names), "settings": settings.to_dict()}
    record["measure_version"] = settings.measure_version
    return record, frequency_arrays(paths) | arrays


def chosen_probes(data: Data, settings: MeasureSettings) -> Probes:
    """Return the pairs of images that are measured; SettingError where the images do not suffice for all that is."""
    probes = choose_probes(
        data,
        pairs=settings.pairs,
        seed=settings.seed,
        pairing=settings.pairing,
        split=settings.split,
        spacing=settings.spacing,
        path_samples=settings.path_samples,
    )
    check_band(probes, settings.band)
    images = len(data.splits[settings.split].labels)
    for name, needed in (("fourier", 2 * settings.fourier), ("local", settings.local), ("jacobian", settings.jacobian)):
        if needed > images:
            raise SettingError(f"{name}={getattr(settings, name)}: needs {needed} images, there are {images}")
    return probes


def _counting(on_images: Callable[[int, int], object], *, total: int) -> Callable[[Predict], Predict]:
    """Return what makes of functions such, in float32, that tell how many images they have seen together."""
    done = 0

    def counting(predict: Predict) -> Predict:
        def counted(images: Tensor) -> Tensor:
            nonlocal done
            logits = predict(images)
            done += len(images)
            on_images(done, total)
            return logits.float()

        return counted

    return counting


def _check_accuracy(correct: Tensor, expected: float | None, notes: list[str]) -> None:
    found = correct.double().mean().item()
    if expected is not None and abs(found - expected) > EXPECTED_WITHIN:
        because = "".join(f"; {note}" for note in notes)
        raise SettingError(f"expect_accuracy={expected}: on these images it is {found:.4f}{because}")


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
    predict: Predict,
    data: Data,
    probes: Probes,
    correct: Tensor,
    settings: MeasureSettings,
    *,
    exactly: Predict | None,
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
                    exactly=exactly,
                    correct=correct,
                    signal=settings.signal,
                    band=settings.band,
                    keep=settings.keep_paths,
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
        "n_images": len(correct),
        "accuracy_per_class": [hits.mean().item() for hits in per_class],
    }
    for kind, values in paths.items():
        record[kind] = _as_dict(summarise(values)) | {
            "n_left_out": len(values.pairs.left_out),
            "n_without_band": int(np.isnan(values.scalars["fixed_band"]).sum()),
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
        **(_of_correction(summary) if summary.corrections else {}),
    }


def _of_correction(summary: Summary) -> dict[str, Any]:
    found = {name: summary.corrections.get(name, (None, None)) for name in SCALARS}
    return {
        "n_in_float32": summary.in_float32,
        "corrections": {name: moved for name, (moved, _) in found.items()},
        "correction_standard_errors": {name: error for name, (_, error) in found.items()},
    }

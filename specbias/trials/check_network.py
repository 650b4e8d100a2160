"""How are a network and its images understood, and what would be measured of it? Said without measuring anything."""

from __future__ import annotations

import time

import torch

from specbias.measurement.answers import JUDGED, as_logits
from specbias.measurement.frequency import KINDS
from specbias.measurement.report import chosen_probes
from specbias.settings.measurement import NetworkConfig
from specbias.trials.network import prepare


def check_network(config: NetworkConfig) -> list[str]:
    """Return lines for people; what measure_network would refuse at its beginning is refused here, by SettingError."""
    predict, measured, data, settings, network = prepare(config)
    split = data.splits[settings.split]
    probes = chosen_probes(data, settings)
    asked = as_logits(measured, data, split, settings, exactly=predict)
    rows = torch.linspace(0, len(split.labels) - 1, min(JUDGED, len(split.labels))).long().to(split.labels.device)
    with torch.inference_mode():
        started = time.perf_counter()
        right = asked.logits(data.normalise(split.images[rows])).argmax(1) == split.labels[rows]
        rate = len(rows) / (time.perf_counter() - started)
    within, between = (getattr(probes, kind) for kind in KINDS)
    images = len(split.labels) + int(within.samples.sum() + between.samples.sum())
    normalisation = _constants(settings.input_mean or data.mean, settings.input_std or data.std)
    own = " (the data set's own)" if settings.input_mean is None else ""
    weights = f"weights of {settings.checkpoint}" if settings.checkpoint else "weights as its factory makes them"
    parameters = sum(parameter.numel() for parameter in network.module.parameters())
    side = " x ".join(map(str, split.images.shape[2:]))
    further = [f"{n} {getattr(settings, n)}" for n in ("fourier", "local", "jacobian") if getattr(settings, n)]
    return [
        f"network: {type(network.module).__name__}, {parameters:,} parameters, {weights}",
        f"its input: {normalisation}{own}",
        f"images: {settings.dataset}, {settings.split} split, {len(split.labels):,} of {side} in {data.num_classes} "
        f"classes; distances with {_constants(data.mean, data.std)}",
        f"accuracy on {len(rows)} of them: {right.double().mean():.4f}",
        f"paths: {len(within):,} within classes, {len(between):,} between; {images:,} images in all, about "
        f"{images / rate / 60:.1f} minutes" + "".join(f"; and {each}" for each in further),
        *(
            [f"--expect-accuracy {settings.expect_accuracy} is judged on all {len(split.labels):,} when measuring"]
            if settings.expect_accuracy is not None
            else []
        ),
        *(f"note: {note}" for note in network.notes + asked.notes),
    ]


def _constants(mean: object, std: object) -> str:
    return ", ".join(
        f"{name} " + " ".join(f"{value:.4g}" for value in values)  # type: ignore[attr-defined]
        for name, values in (("mean", mean), ("std", std))
    )

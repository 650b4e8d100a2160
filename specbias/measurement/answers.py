"""What does a network answer, and can it be measured? It is asked about a few images before anything is measured.

A function that answers differently each time, or for an image according to what else is in the batch, has no frequency
along a path; one that gives probabilities is not to go through a softmax again. Neither shows in the numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from specbias.data import Data, Split
from specbias.data.outputs import match_outputs
from specbias.measurement.logits import are_probabilities, check_table, from_probabilities, logits_in
from specbias.measurement.normalisation import better_normalisation, expected_input
from specbias.measurement.paths import Predict
from specbias.settings import SettingError
from specbias.settings.measurement import MeasureSettings
from specbias.settings.own_code import reason

ASKED, JUDGED = 64, 128  # images, evenly spaced: that answers are compared on, and that accuracy is
SAME = 1e-5  # how far two answers of a sound network may differ, of their size
ROUNDINGS = 4  # and one that gives half precision: in roundings of its numbers


class Answers(NamedTuple):
    """A network's logits, as a function of its input, and what there is to say of how they were found."""

    logits: Predict
    notes: list[str]
    outputs: dict[str, Any]  # how many there are, which are the data set's classes, and over which probabilities are


def as_logits(
    predict: Predict, data: Data, split: Split, settings: MeasureSettings, *, exactly: Predict | None = None
) -> Answers:
    """Return the logits of images in the data set's normalised space, from what the network answers to its own input.

    Those of the data set's classes come first, in their order, as match_outputs finds them; then the network's others,
    unless `settings.class_outputs` is own. The network's input has the constants `settings.input_mean` and `input_std`,
    or the data set's own; `exactly` as in understand. SettingError is understand's and match_outputs'.
    """
    mean, std = settings.input_mean or data.mean, settings.input_std or data.std
    rows = torch.linspace(0, len(split.labels) - 1, min(JUDGED, len(split.labels))).long().to(split.labels.device)
    images, labels = split.images[rows], split.labels[rows]
    into = expected_input(data.mean, data.std, mean, std, images.device)
    some = images[:: -(-len(images) // ASKED)]
    shown = into(data.normalise(some))
    found = understand(predict, shown, num_classes=data.num_classes, settings=settings, exactly=exactly)
    placed = _of_classes(found, data, settings.class_outputs)
    with torch.random.fork_rng(), torch.no_grad():
        better = better_normalisation(placed.logits, data, images, labels, mean, std)
    notes = [*data.notes, *placed.notes, *([better] if better else [])]
    return placed._replace(logits=lambda images: placed.logits(into(images)), notes=notes)


def _of_classes(found: Answers, data: Data, over: str) -> Answers:
    """Return the answers with the outputs of the data set's classes first, and others after them or not at all."""
    count = found.outputs["count"]
    places, how = match_outputs(data, count)
    others = [] if over == "own" else sorted({*range(count)} - {*places})
    order = [*places, *others]
    if len(order) < count:
        how += f"{'; ' if how else ''}accuracy and probabilities are over the classes' own outputs alone"
    notes = [*found.notes, *([how] if how else [])]
    outputs = found.outputs | {"of_classes": [*places], "over": over}
    if order == [*range(count)]:
        return Answers(found.logits, notes, outputs)
    columns = torch.tensor(order, device=data.test.labels.device)
    return Answers(lambda images: found.logits(images)[:, columns], notes, outputs)


def understand(
    predict: Predict,
    images: Tensor,
    *,
    num_classes: int,
    settings: MeasureSettings,
    exactly: Predict | None = None,
) -> Answers:
    """Return the logits (B, C) that the network answers to its input, from what it answers to `images` (B, 3, H, W).

    Probabilities become their logarithms, `settings.answers` answers the logarithm of their mean probabilities.
    `exactly` is the same function in float32, where `predict` computes in less: it is asked, as rounding hides much.
    SettingError where it fails, where its logits cannot be found, where what it gives is no logits and no
    probabilities, and where its answer differs each time or depends on the batch. Torch's random streams are as before.
    """
    with torch.random.fork_rng(), torch.no_grad():  # no inference mode: a tensor that it keeps may need gradients
        raw, place = logits_in(_ask(exactly or predict, images), num_classes)
        mapped = raw.ndim > 2 and len(raw) == len(images) and raw.shape[2:].numel() == 1
        notes = [f"the logits are {place} of what the network returns"] if place else []
        notes += ["the network gives a map of 1 x 1 per image, whose only place is taken"] if mapped else []

        def found_in(answer: Any) -> Tensor:
            found, _ = logits_in(answer, num_classes)
            return found.flatten(1) if mapped and found.ndim > 2 else found

        def outputs(images: Tensor) -> Tensor:
            return found_in(_answer(predict, images))

        def exact(images: Tensor) -> Tensor:
            return found_in(_ask(exactly or predict, images))

        raw = raw.flatten(1) if mapped else raw
        check_table(raw, images=len(images), num_classes=num_classes)
        if exactly is not None:
            _ask(predict, images)
        logits: Predict = outputs
        if settings.outputs != "logits" and are_probabilities(raw):
            notes.append("the network gives probabilities (a softmax at its end), which are used directly")
            logits = from_probabilities(outputs)
        if _difference(raw, again := exact(images)) > _tolerance(raw):
            notes.append(_several(raw, again, settings.answers))
            logits = _mean_of(logits, settings.answers)
        else:
            if settings.answers > 1:
                notes.append(f"the network answers the same each time: answers={settings.answers} is not needed")
            _check_batch(exact, images, raw)
    return Answers(logits, notes, {"count": raw.shape[1]})


def _ask(predict: Predict, images: Tensor) -> Any:
    try:
        return _answer(predict, images)
    except (SettingError, FloatingPointError):
        raise
    except Exception as error:
        raise SettingError(f"the network fails on images of shape {tuple(images.shape)}: {reason(error)}") from error


def _answer(predict: Predict, images: Tensor) -> Any:
    """Return what a network answers, which may write on the images it is given, and may not end the program."""
    try:
        return predict(images.clone())
    except SystemExit as error:
        raise SettingError(f"the network ends the program: {reason(error)}") from error


def _several(first: Tensor, second: Tensor, answers: int) -> str:
    differ = f"the network's two answers to the same images differ by {_difference(first, second):.2g} of their size"
    if answers == 1:
        raise SettingError(
            f"{differ}: something in it is random in evaluation, as dropout that is always on. --answers N measures "
            "the mean of N answers"
        )
    return (
        f"{differ}: measured is the mean probability of {answers} answers; what is left of the noise, about "
        f"{answers**-0.5:.2g} of it, counts as high frequency"
    )


def _mean_of(logits: Predict, answers: int) -> Predict:
    def mean(images: Tensor) -> Tensor:
        total = logits(images).double().softmax(1)
        for _ in range(answers - 1):
            total += logits(images).double().softmax(1)
        return (total / answers).clamp(min=torch.finfo(torch.float32).tiny).log()

    return mean


def _check_batch(outputs: Predict, images: Tensor, raw: Tensor) -> None:
    for few in sorted({len(images) // 2, 1} - {0, len(images)}, reverse=True):
        found = outputs(images[:few])
        if found.shape != (few, *raw.shape[1:]):
            asked = "one image" if few == 1 else f"{few} images"
            raise SettingError(
                f"for {asked} the network gives shape {tuple(found.shape)}, and {tuple(raw.shape)} for {len(images)}: "
                "does it call squeeze() without a dimension?"
            )
        difference = _difference(raw[:few], found)
        if difference > _tolerance(raw):
            raise SettingError(
                f"the network's answer to an image depends on the others in the batch: with {few} images instead of "
                f"{len(images)} it differs by {difference:.2g} of its size. Does it use batch statistics in evaluation?"
            )


def _difference(first: Tensor, second: Tensor) -> float:
    """Return the largest difference of two answers, over the largest number of the first."""
    if first.shape != second.shape:
        return float("inf")
    first, second = first.double(), second.double()
    size = first.abs().max()
    difference = (first - second).abs().max() / size if size > 0 else second.abs().max()
    return float(difference)


def _tolerance(raw: Tensor) -> float:
    half = raw.is_floating_point() and torch.finfo(raw.dtype).bits <= 16
    return ROUNDINGS * torch.finfo(raw.dtype).eps if half else SAME

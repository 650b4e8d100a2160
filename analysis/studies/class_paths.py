"""Are a class' images connected by paths on which a network never leaves the class? Experiment 9 (figures 20, 21)."""

from __future__ import annotations

import numpy as np

from analysis.figures import ImageRow, Line, Lines, image_rows, line_panels
from analysis.findings import Findings, plain
from analysis.inference.claim import Claim, judge
from analysis.inference.resampling import no_interval, over_pairs
from analysis.studies.trial import Trial

KINDS = {"": "path", "_straight": "straight line"}  # what the names of arrays end in


def class_paths(trials: list[Trial]) -> Findings:
    """Return what experiment 9 finds (Rahaman et al. 2019, figures 20 and 21); pairs take the place of runs."""
    found = Findings()
    lengths: list[Line] = []
    margins: list[Line] = []
    for number, trial in enumerate(trials):
        found.claims += pair_claims(trial)
        values = {name: np.asarray(trial[name], dtype=float) for name in ("connected", "length_ratio", "lowest_margin")}
        found.numbers[trial.label] = {name: plain(value) for name, value in values.items()}
        shares = (np.arange(len(values["connected"])) + 1) / len(values["connected"])
        for lines, name in ((lengths, "length_ratio"), (margins, "lowest_margin")):
            lines.append(Line(trial.label, np.sort(values[name]), shares))
        if "example_pairs" in trial.arrays and len(trial["example_pairs"]):
            ending = f"_{number + 1}" if len(trials) > 1 else ""
            found.figures[f"example_images{ending}"] = image_rows(example_rows(trial))
            found.figures[f"example_margins{ending}"] = _margins_figure(trial)
    panels = [Lines("", lengths, "length of the path / straight line", "share of pairs")]
    panels.append(Lines("", margins, "lowest margin of the class on the path", "share of pairs"))
    found.figures["paths"] = line_panels(panels)
    return found


def pair_claims(trial: Trial) -> list[Claim]:
    """Return the claims on connection, length and margin, with intervals over images and adversarials.

    An adversarial is of an image and a class. Of failed attacks there is their share; of the smallest margin no
    interval.
    """
    label, drawn = trial.label, over_pairs(_ends(trial))
    connected, straight, ratio, margin = (
        np.asarray(trial[name], dtype=float)
        for name in ("connected", "connected_straight", "length_ratio", "lowest_margin")
    )
    failed = 1 - np.asarray(trial["tried_reached"], dtype=float)
    note = f"{failed.sum():.0f} of {len(failed)}; their pairs are left out"
    return [
        judge("pairs connected", np.mean, connected, trials=label, at_least=1, note="authors: all", interval=drawn),
        judge("pairs connected by the straight line", np.mean, straight, trials=label, interval=drawn),
        judge("length / straight line", np.mean, ratio, trials=label, note="authors: 1.030 +- 0.003", interval=drawn),
        judge("lowest margin, smallest of the pairs", np.min, margin, trials=label, interval=no_interval),
        judge("attacks that failed", np.mean, failed, trials=label, note=note, interval=no_interval),
    ]


def _ends(trial: Trial) -> np.ndarray:
    """Return a number for the image and one for the adversarial of every pair (P, 2)."""
    images, classes = trial["images"], trial["classes"]
    adversarials = np.unique(np.stack([classes, images[:, 1]], axis=1), axis=0, return_inverse=True)[1]
    return np.stack([images[:, 0], adversarials.reshape(-1)], axis=1)


def example_rows(trial: Trial) -> list[ImageRow]:
    """Return the images of every example along the path and along the straight line, with the class's margin there."""
    rows = []
    for example, pair in enumerate(trial["example_pairs"]):
        for ending, kind in KINDS.items():
            images, margins = (trial[f"example_{name}{ending}"][example] for name in ("images", "margins"))
            there = np.interp(np.linspace(0, 1, len(images)), np.linspace(0, 1, len(margins)), margins)
            rows.append(ImageRow(f"class {trial['classes'][pair]}\n{kind}", images, there))
    return rows


def _margins_figure(trial: Trial):
    panels = []
    for example, pair in enumerate(trial["example_pairs"]):
        lines = []
        for ending, kind in KINDS.items():
            margins = trial[f"example_margins{ending}"][example]
            lines.append(Line(kind, np.linspace(0, 1, len(margins)), margins))
        lines.append(Line("boundary", np.array([0, 1]), np.zeros(2), None, ":", "0.4"))
        title = f"pair {pair}, class {trial['classes'][pair]}"
        panels.append(Lines(title, lines, "place, from image to adversarial", "margin of the class"))
    return line_panels(panels)

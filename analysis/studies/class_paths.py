"""Are a class' images connected by paths on which a network never leaves the class? Experiment 9 (figures 20, 21)."""

from __future__ import annotations

import numpy as np

from analysis.figures import Line, Lines, line_panels
from analysis.inference.claim import judge
from analysis.studies.trial import Findings, Trial, plain


def class_paths(trials: list[Trial]) -> Findings:
    """Return what experiment 9 finds (Rahaman et al. 2019, appendix A.7); pairs take the place of runs."""
    found = Findings()
    lengths: list[Line] = []
    margins: list[Line] = []
    for trial in trials:
        connected, straight = (np.asarray(trial[name], float).ravel() for name in ("connected", "connected_straight"))
        ratio, margin = (np.asarray(trial[name], float).ravel() for name in ("length_ratio", "lowest_margin"))
        label = trial.label
        found.claims += [
            judge("pairs connected", np.mean, connected, trials=label, at_least=0.95, note="authors: all"),
            judge("pairs connected by the straight line", np.mean, straight, trials=label),
            judge("length / straight line", np.mean, ratio, trials=label, at_most=1.1, note="authors 1.030 +- 0.003"),
            judge("lowest margin, smallest of the pairs", np.min, margin, trials=label),
        ]
        found.numbers[label] = {
            "connected": plain(connected),
            "length_ratio": plain(ratio),
            "lowest_margin": plain(margin),
        }
        for lines, values in ((lengths, ratio), (margins, margin)):
            lines.append(Line(label, np.sort(values), (np.arange(len(values)) + 1) / len(values)))
    panels = [Lines("", lengths, "length of the path / straight line", "share of pairs")]
    panels.append(Lines("", margins, "lowest margin of the class on the path", "share of pairs"))
    found.figures["paths"] = line_panels(panels)
    return found

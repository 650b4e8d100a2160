"""Are labels on curved data harder to fit than on flat data? Experiment 8: losses on both."""

from __future__ import annotations

import numpy as np

from analysis.figures import Lines, line_panels
from analysis.inference.claim import judge
from analysis.inference.learning_time import at_step, smooth
from analysis.studies.sinusoids import lines_of
from analysis.studies.trial import Findings, Trial, by_settings, plain


def curvature(trials: list[Trial]) -> Findings:
    """Return what experiment 8 finds (Rahaman et al. 2019, appendix A.6; figure 19)."""
    inputs = by_settings(trials, "inputs")
    found = Findings(numbers={name: {"last_loss": plain(t["loss"][:, -1])} for name, t in inputs.items()})
    if {"curved", "flat"} <= set(inputs):
        curved, flat = inputs["curved"], inputs["flat"]
        last = int(min(curved["steps"][-1], flat["steps"][-1]))
        for step in sorted({last // 10, last // 2, last}):
            losses = [at_step(t["steps"], smooth(t["loss"]), step) for t in (curved, flat)]
            name = f"ln(loss curved / loss flat) at {step}"
            found.claims.append(judge(name, _log_ratio, *losses, trials="curved and flat inputs", at_least=0))
    lines = lines_of(list(inputs.values()), list(inputs), "loss", spread=True)
    found.figures["curves"] = line_panels([Lines("", lines, "update", "mean squared error", "xy")], legend="inputs")
    return found


def _log_ratio(curved: np.ndarray, flat: np.ndarray) -> float:
    return float(np.log(curved.mean() / flat.mean()))

"""Are labels on curved data harder to fit than on flat data? Experiment 8: losses on both, and what sets them apart."""

from __future__ import annotations

import numpy as np

from analysis.figures import Lines, line_panels
from analysis.findings import Findings, plain
from analysis.inference.claim import Claim, judge
from analysis.inference.learning_time import at_step, smooth
from analysis.studies.sinusoids import lines_of
from analysis.studies.trial import Trial, as_columns, by_settings

KEYS = ("code", "inputs")
CONTROLS = {  # what curved inputs are compared with
    "flat": "the paper's",
    "scaled": "ours: flat, neighbours as far apart as curved",
}
GEOMETRY = (
    "nearest_distance",
    "mean_distance",
    "explained_variance",
)  # the last of an auto-encoder, where there is one


def curvature(trials: list[Trial]) -> Findings:
    """Return what experiment 8 finds (Rahaman et al. 2019, figure 19), for each size of the code on its own."""
    codes: dict[int | None, dict[str, Trial]] = {}
    for (code, inputs), trial in by_settings(trials, *KEYS).items():
        codes.setdefault(code, {})[inputs] = trial
    found = Findings(tables=[geometry_table(codes)])
    panels = []
    for code, kinds in codes.items():
        found.claims += curved_claims(_label(code), kinds)
        found.numbers[_label(code)] = {name: _numbers(trial) for name, trial in kinds.items()}
        lines = lines_of(list(kinds.values()), list(kinds), "loss", spread=True)
        panels.append(Lines(_label(code), lines, "update", "mean squared error", "xy"))
    found.figures["curves"] = line_panels(panels, legend="inputs")
    return found


def curved_claims(label: str, kinds: dict[str, Trial]) -> list[Claim]:
    """Return the claims that losses on curved inputs are higher than on each of the others.

    At the recorded updates nearest to a tenth, half and all of them, untrained networks left out.
    """
    claims = []
    for other, note in CONTROLS.items():
        if not {"curved", other} <= set(kinds):
            continue
        pair = (kinds["curved"], kinds[other])
        steps = pair[0]["steps"][1:]  # recorded, but for the untrained networks
        for step in sorted({int(steps[np.abs(steps - share * steps[-1]).argmin()]) for share in (0.1, 0.5, 1)}):
            losses = [at_step(trial["steps"], smooth(trial["loss"]), step) for trial in pair]
            name = f"ln(loss curved / loss {other}) at {step}"
            claims.append(judge(name, _log_ratio, *losses, trials=label, above=0, note=note))
    return claims


def geometry_table(codes: dict[int | None, dict[str, Trial]]) -> str:
    """Return how far samples are apart, and how well the auto-encoder fits, for every trial."""
    rows: list[tuple] = [("inputs", *(name.replace("_", " ") for name in GEOMETRY))]
    for code, kinds in codes.items():
        for inputs, trial in kinds.items():
            facts = [float(trial.arrays[name]) if name in trial.arrays else "-" for name in GEOMETRY]
            rows.append((f"{inputs}, {_label(code)}", *facts))
    return as_columns(rows)


def _numbers(trial: Trial) -> dict:
    facts = {name: plain(trial[name][None])[0] for name in GEOMETRY if name in trial.arrays}
    return {"last_loss": plain(trial["loss"][:, -1]), **facts}


def _label(code: int | None) -> str:
    return "code as the images'" if code is None else f"code {code}"


def _log_ratio(curved: np.ndarray, other: np.ndarray) -> float:
    return float(np.log(curved.mean() / other.mean()))

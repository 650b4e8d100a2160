"""Does label noise of low frequency do more harm? Experiment 3: validation curves, best losses and dips."""

from __future__ import annotations

import numpy as np

from analysis.figures import Line, Lines, line_panels
from analysis.findings import Findings, plain
from analysis.inference.claim import Claim, judge, judge_order
from analysis.inference.rows import setting_text
from analysis.studies.sinusoids import lines_of
from analysis.studies.trial import Trial, by_settings

KEYS = ("noise_frequency", "noise_strength")
JUDGED = 1.0  # the strength of the noise at which the order of the best losses is claimed
Cells = dict[tuple[float, float], Trial]  # by frequency and strength of the noise


def digit_noise(trials: list[Trial]) -> Findings:
    """Return what experiment 3 finds (Rahaman et al. 2019, figures 4 and 11)."""
    cells = by_settings(trials, *KEYS)
    noisy = {(k, beta): trial for (k, beta), trial in cells.items() if beta}
    clean = [trial for (_, beta), trial in cells.items() if not beta]
    found = Findings(claims=noise_claims(noisy))
    for (k, beta), trial in noisy.items():
        loss = trial["validation_loss"]
        found.numbers[f"k={setting_text(k)} strength={setting_text(beta)}"] = {
            "best": plain(best(loss)),
            "final": plain(loss[:, -1]),
        }
    found.figures |= {"validation": _validation_figure(noisy, clean), "best": _best_figure(noisy, clean)}
    return found


def best(loss: np.ndarray) -> np.ndarray:
    """Return the smallest of the losses (runs, T) of each run."""
    return loss.min(axis=1)


def noise_claims(noisy: Cells) -> list[Claim]:
    """Return the claims on best loss, its growth with the strength, the dip and the training loss.

    The order of the best losses is judged at strength JUDGED, where the notebooks have it, and reported at others.
    """
    claims, frequencies = [], sorted({k for k, _ in noisy})
    for beta in sorted({beta for _, beta in noisy}):
        ks = [k for k in frequencies if (k, beta) in noisy]
        if len(ks) < 2:
            continue
        label, row = f"strength {beta:g}", [noisy[k, beta] for k in ks]
        bests, dips = ([of(trial["validation_loss"]) for trial in row] for of in (best, _dip))
        training = [trial["loss"][:, -1] for trial in row]
        falling = -0.8 if beta == JUDGED else None
        claims += [
            judge_order("rho(k, best validation loss)", ks, bests, trials=label, at_most=falling),
            judge_order("rho(k, dip: final - best)", ks, dips, trials=label, at_least=0.8),
            judge_order("rho(k, last training loss)", ks, training, trials=label, at_least=0.8),
        ]
    return [*claims, *_slope_claim(noisy, frequencies)]


def _dip(loss: np.ndarray) -> np.ndarray:
    return loss[:, -1] - best(loss)


def _slope_claim(noisy: Cells, frequencies: list[float]) -> list[Claim]:
    """Compare the growth of the best loss with the strength at the lowest frequency and at the highest."""
    ends = [[beta for k, beta in noisy if k == end] for end in (frequencies[0], frequencies[-1])] if noisy else []
    if len(frequencies) < 2 or min(map(len, ends)) < 2:
        return []
    losses = [
        best(noisy[k, b]["validation_loss"])
        for k, bs in zip(frequencies[:: len(frequencies) - 1], ends, strict=True)
        for b in bs
    ]

    def difference(*runs: np.ndarray) -> float:
        means = np.array([run.mean() for run in runs])
        low, high = means[: len(ends[0])], means[len(ends[0]) :]
        return float(np.polyfit(ends[0], low, 1)[0] - np.polyfit(ends[1], high, 1)[0])

    name = f"slope of best loss in strength, k={frequencies[0]:g} less k={frequencies[-1]:g}"
    return [judge(name, difference, *losses, trials="over strengths", above=0)]


def _validation_figure(noisy: Cells, clean: list[Trial]):
    """Draw figure 4: validation loss by update, a panel for each strength and for each frequency varied in strength."""
    panels = []
    for axis, other, word in ((1, 0, "strength"), (0, 1, "frequency")):
        names = ("k", "strength") if axis else ("strength", "k")
        for value in sorted({key[axis] for key in noisy}):
            cells = {key[other]: trial for key, trial in noisy.items() if key[axis] == value}
            if len(cells) > 1:
                lines = lines_of(list(cells.values()), [f"{names[0]} = {v:g}" for v in cells], "validation_loss")
                clean_lines = lines_of(clean[:1], ["no noise"], "validation_loss", style="--")
                lines += [line._replace(colour="0.4") for line in clean_lines]
                panels.append(Lines(f"{word} {value:g}", lines, "update", "validation loss", "xy"))
    return line_panels(panels or [_all_curves(noisy, clean)], ordered=True)


def _all_curves(noisy: Cells, clean: list[Trial]) -> Lines:
    lines = lines_of(
        [*noisy.values(), *clean[:1]],
        [f"k = {k:g}, strength {b:g}" for k, b in noisy] + ["no noise"][: len(clean)],
        "validation_loss",
    )
    return Lines("", lines, "update", "validation loss", "xy")


def _best_figure(noisy: Cells, clean: list[Trial]):
    lines: list[Line] = []
    dips: list[Line] = []
    for beta in sorted({beta for _, beta in noisy}):
        ks = np.array([k for k, b in noisy if b == beta])
        row = [noisy[k, beta]["validation_loss"] for k in ks]
        for found, values in ((lines, [best(loss) for loss in row]), (dips, [_dip(loss) for loss in row])):
            means, spreads = (np.array([getattr(v, f)() for v in values]) for f in ("mean", "std"))
            found.append(Line(f"strength {beta:g}", ks, means, spreads, "o-"))
    for trial in clean[:1]:
        level = best(trial["validation_loss"]).mean()
        lines.append(
            Line(
                "no noise",
                np.array(sorted({k for k, _ in noisy})),
                np.full(len({k for k, _ in noisy}), level),
                None,
                "--",
            )
        )
    panels = [Lines("", lines, "frequency of the noise, k", "best validation loss", "x")]
    panels.append(Lines("", dips, "frequency of the noise, k", "dip: final less best", "x"))
    return line_panels(panels, ordered=True)

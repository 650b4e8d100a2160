"""Are nearest neighbours smoother than a network? The figure 22 comparison: maps, and their radial spectra."""

from __future__ import annotations

import numpy as np

from analysis.figures import Line, Lines, Square, line_panels, squares
from analysis.findings import Findings, plain
from analysis.inference.claim import Claim, judge, judge_order
from analysis.studies.classification import EXTENT
from analysis.studies.trial import Trial, by_settings

KEYS = ("petals", "frequency")


def neighbours(trials: list[Trial]) -> Findings:
    """Return what the comparison with K nearest neighbours finds (Rahaman et al. 2019, figure 22)."""
    cells = by_settings(trials, *KEYS)
    found = Findings()
    for (petals, frequency), trial in cells.items():
        label = f"k = {frequency}, {petals} petals"
        found.claims += spectrum_claims(label, trial)
        found.numbers[label] = {name: plain(trial[name]) for name in ("held_out_accuracy", "neighbour_accuracy")}
    found.claims += _petals_claims(cells)
    (petals, frequency), trial = max(cells.items(), key=lambda cell: cell[0])
    found.figures["maps"] = _maps_figure(trial)
    found.figures["radial_spectra"] = _spectra_figure(cells)
    return found


def high_share(spectrum: np.ndarray) -> np.ndarray:
    """Return the share of the upper half of radii in spectrum (..., R), the constant left out: (...); NaN of none."""
    spectrum = np.asarray(spectrum, dtype=float)
    varying, upper = spectrum[..., 1:].sum(axis=-1), spectrum[..., spectrum.shape[-1] // 2 :].sum(axis=-1)
    return np.divide(upper, varying, out=np.full_like(varying, np.nan), where=varying > 0)


def spectrum_claims(label: str, trial: Trial) -> list[Claim]:
    """Return the claim that the network's spectrum decays faster than that of every number of neighbours."""
    network, others = high_share(trial["radial_spectrum"]), high_share(trial["neighbour_radial_spectrum"])

    def log_ratio(runs: np.ndarray) -> float:
        means = runs.mean(axis=0)
        return float(np.log(means[0] / np.nanmin(means[1:])))  # a constant map has no share

    name = "ln(high-frequency share / least of the neighbours')"
    claims = [judge(name, log_ratio, np.column_stack([network, others]), trials=label, below=0)]
    claims.append(judge("held-out accuracy", np.mean, trial["held_out_accuracy"], trials=label))
    for number, count in enumerate(trial["neighbours"]):
        accuracy = trial["neighbour_accuracy"][:, number]
        claims.append(judge(f"held-out accuracy of {count} neighbours", np.mean, accuracy, trials=label))
    return claims


def _petals_claims(cells: dict[tuple, Trial]) -> list[Claim]:
    """Report how held-out accuracy goes with petals, where a frequency has several flowers."""
    claims = []
    for frequency in sorted({k for _, k in cells}):
        row = {petals: trial for (petals, k), trial in cells.items() if k == frequency}
        if len(row) > 1:
            for name, key in (("network", "held_out_accuracy"), ("neighbours, average", "neighbour_accuracy")):
                values = [trial[key].reshape(len(trial[key]), -1).mean(axis=1) for trial in row.values()]
                claim, over = f"rho(petals, held-out accuracy), {name}", f"over petals, k = {frequency}"
                claims.append(judge_order(claim, list(row), values, trials=over))
    return claims


def _maps_figure(trial: Trial):
    panels = [Square("network", trial["map"][0], EXTENT)]
    for count, values in zip(trial["neighbours"], trial["neighbour_maps"][0], strict=True):
        panels.append(Square(f"{count} nearest neighbour{'s' if count > 1 else ''}", values, EXTENT))
    return squares(panels, colour="probability of class 1", columns=min(3, len(panels)))


def _spectra_figure(cells: dict[tuple, Trial]):
    panels = []
    for (petals, frequency), trial in cells.items():
        network, others = trial["radial_spectrum"].mean(axis=0), trial["neighbour_radial_spectrum"].mean(axis=0)
        radii = trial["radial_frequencies"]
        lines = [Line("network", radii[1:], network[1:], colour="black")]
        for count, values in zip(trial["neighbours"], others, strict=True):
            lines.append(Line(f"{count} nearest", radii[1:], values[1:]))
        panels.append(
            Lines(f"k = {frequency}, {petals} petals", lines, "periods per unit of length", "power per bin", "xy")
        )
    return line_panels(panels, ordered=True)

"""Which frequencies does a network have, how does each setting change them, and which come first in training?

Mean amplitude spectra along paths within and between classes, in cycles per unit of distance, with 95% bands over
images and the share above the band. It shows the settings of a sweep, one trial over its epochs (the heat map of
Rahaman et al., ICML 2019, figure 2, for real networks), or single measured networks.

  python analysis/spectra.py --experiment cifar-quick
  python analysis/spectra.py first.npz second.npz          files of `python -m specbias measure`
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from analysis.decompose import DecomposeOptions
from analysis.tables.options import read_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from analysis.findings import Findings
    from analysis.questions.mean_spectra import OfOne
    from analysis.tables.table import Records

BANDS = "bands: 95% over images, of the networks as they are; they say nothing of other seeds"
CAREFUL = (
    "spectra are periodic: an end is joined to its beginning, and the jump between two classes has all frequencies"
)


def spectra(records: Records, *, trial: str | None = None) -> Findings:
    """Return the spectra of all settings, and of a trial over its epochs, by default the baseline's first.

    RecordError without arrays.
    """
    from analysis.figures.spectra import by_epoch_figure, spectra_figure
    from analysis.findings import Findings
    from analysis.questions.mean_spectra import by_epoch, by_setting, groups_of, order_of
    from analysis.tables.conditions import data_and_model
    from specbias import path_pictures
    from specbias.portraits import paths_portrait

    records = records.of_part("training")
    settings, notes = by_setting(records)
    grown, last = by_epoch(records, trial)
    orders = order_of(grown)
    of = f"{sum(one.trials for one in settings)} trials, {data_and_model(records)}"
    found = Findings(
        answers=[*_extremes(settings), *_orders(grown.trial, orders, len(grown.epochs))],
        careful=[CAREFUL],
        notes=notes,
        tables=[as_text(settings)],
        figures={"spectra": spectra_figure(groups_of(settings)), "spectra_by_epoch": by_epoch_figure(grown)},
        captions={
            "spectra": f"Mean amplitude spectra at the last epoch, means over seeds; {of}{_bands(settings)}.",
            "spectra_by_epoch": f"{grown.trial}: amplitude at each measured epoch, as a share of the last one's; on"
            " mirrored paths, whose ends meet.",
        },
        numbers={"settings": settings, "by_epoch": grown, "orders": orders},
    )
    if path_pictures.examples_of(last):
        found.figures["paths"] = paths_portrait({}, last)
        found.captions["paths"] = (
            f"{grown.trial}: paths of lowest, median and highest share, with class probabilities along them and their"
            " own spectra; dotted: where the predicted class changes."
        )
    else:
        found.notes.append("no paths are drawn: trials measured before they were kept have none")
    return found


def of_files(files: Sequence[Path]) -> Findings:
    """Return the spectra of single networks; RecordError where a file is none of a measurement."""
    from analysis.figures.spectra import spectra_figure
    from analysis.findings import Findings
    from analysis.questions.mean_spectra import mean_of
    from analysis.tables.measured import names_of, read_measurement
    from analysis.tables.table import RecordError

    measured = zip(names_of(files), map(read_measurement, files), strict=True)
    networks = [mean_of(name, name, name, [arrays]) for name, arrays in measured]
    if without := [one.name for one in networks if not one.spectra]:
        raise RecordError(f"{', '.join(without)}: no spectra in it")
    return Findings(
        answers=_extremes(networks) if len(networks) > 1 else [],
        careful=[CAREFUL],
        tables=[as_text(networks)],
        figures={"spectra": spectra_figure({"": networks})},
        captions={"spectra": f"Mean amplitude spectra{_bands(networks)}."},
        numbers={"networks": networks},
    )


def _bands(settings: Sequence[OfOne]) -> str:
    """Return what the bands of a figure are, empty where none was kept."""
    return f"; {BANDS}" if any(s.standard_error is not None for one in settings for s in one.spectra.values()) else ""


def _extremes(settings: Sequence[OfOne]) -> list[str]:
    """Return by kind of path which setting has the lowest share of high frequencies, and which the highest."""
    from specbias.pictures import KINDS

    said = []
    for kind, name in KINDS.items():
        there = sorted((one for one in settings if kind in one.shares), key=lambda one: one.shares[kind].value)
        if there:
            low, high = there[0], there[-1]
            said.append(
                f"{name}: {low.shares[kind].value:.3f} of the amplitude lies above {low.shares[kind].band:g} cycles per"
                f" unit in {low.name}, the lowest, and {high.shares[kind].value:.3f} in {high.name}, the highest"
            )
    return said


def _orders(trial: str, orders: dict[str, float], epochs: int) -> list[str]:
    """Return in words whether low frequencies come first; one trial has no interval, so that is no verdict."""
    from specbias.pictures import KINDS

    said = []
    for kind, order in orders.items():
        if order != order:
            told = f"cannot tell which frequencies come first: they come together, in {epochs} measured epochs"
        else:
            first = "low" if order > 0 else "high"
            told = f"{first} frequencies come first (Spearman {order:+.2f} of frequency with epoch, of one trial)"
        said.append(f"{trial}, {KINDS[kind]}: {told}")
    return said


def as_text(settings: Sequence[OfOne]) -> str:
    """Return the shares as a table for people."""
    from specbias.pictures import KINDS

    width = max(len(one.name) for one in settings)
    lines = [f"share above the band  {'':{max(0, width - 22)}}" + "".join(f"{name:>18}" for name in KINDS.values())]
    for one in settings:
        cells = (f"{one.shares[kind].value:18.4f}" if kind in one.shares else f"{'-':>18}" for kind in KINDS)
        lines.append(f"{one.name:<{max(width, 22)}}{''.join(cells)}")
    return "\n".join(lines)


def main() -> None:
    """Print the shares, save the figures and numbers, attach those of a sweep to its parent run."""
    options = read_options(DecomposeOptions, __doc__)
    from analysis.findings import publish, publish_files  # pandas, matplotlib and mlflow only past --help

    if options.files:
        publish_files("spectra", of_files, options)
    else:
        publish("spectra", partial(spectra, trial=options.trial), options)


if __name__ == "__main__":
    main()

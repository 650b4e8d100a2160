"""What does one measurement look like? Its spectra, on Axes that are given; matplotlib is imported on use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from specbias.settings.config import BAND

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Arrays = Mapping[str, np.ndarray]  # those of a measurement's npz
KINDS = {"within_class": "within classes", "between_class": "between classes"}
COLOURS = {"within_class": "#0072B2", "between_class": "#D55E00"}  # Okabe and Ito 2008
DASHES = {"within_class": "-", "between_class": "--"}
NORMAL = 1.96  # standard errors to either side of a 95% interval
DEEPEST = 1e-4  # of the highest amplitude: what is below is not drawn, it is rounding
FREQUENCY = "frequency (cycles per unit of distance)"
LOOK: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "svg.fonttype": "none",  # text stays text
    "pdf.fonttype": 42,
    "svg.hashsalt": "specbias",  # the same picture gives the same file
}


class Spectrum(NamedTuple):
    """A mean amplitude spectrum: frequencies (F,) above 0, amplitude per sample there (F,), and its standard error.

    Frequencies are in cycles per unit of normalised L2 distance. The standard error (F,) is over images, None where it
    was not kept.
    """

    frequency: np.ndarray
    amplitude: np.ndarray
    standard_error: np.ndarray | None = None


class Share(NamedTuple):
    """The mean high-frequency share of one kind of paths, its standard error (None: unknown), and what it is above."""

    value: float
    standard_error: float | None
    band: float  # cycles per unit of distance


def spectrum_of(arrays: Arrays, kind: str, *, boundary: str = "periodic") -> Spectrum:
    """Return the mean spectrum over all paths of a kind, without its constant part; KeyError where there is none.

    `kind` is within_class or between_class, `boundary` periodic, mirror, hann or detrend.
    """
    prefix, place = f"frequency/{kind}", "" if boundary == "periodic" else f"{boundary}/"
    error = arrays.get(f"{prefix}/standard_error/{place}spectrum")
    amplitude = arrays[f"{prefix}/{place}spectrum"]
    return Spectrum(arrays["frequency/axis"][1:], amplitude[1:], None if error is None else error[1:])


def share_of(arrays: Arrays, kind: str) -> Share:
    """Return the mean share above the band; of version 1 of the measure, which had no such band, the released share."""
    prefix = f"frequency/{kind}"
    scalar, name = ("fixed_band",) * 2
    if f"{prefix}/fixed_band" not in arrays:
        scalar, name = "share", "high_frequency_share"
    values = arrays[f"{prefix}/{scalar}"]
    known = values[np.isfinite(values)]
    error = arrays.get(f"{prefix}/standard_error/{name}")
    band = float(arrays.get("frequency/band", BAND))
    return Share(float(known.mean()) if len(known) else np.nan, None if error is None else float(error), band)


def draw_spectra(axes: Axes, arrays: Arrays, *, boundary: str = "periodic") -> None:
    """Draw both mean spectra of a measurement, log-log, with 95% bands over images; high frequencies are shaded.

    How much of the amplitude lies there is written beside them: the share of `share_of`, periodic in any case.
    """
    there = [kind for kind in KINDS if f"frequency/{kind}/spectrum" in arrays]
    for kind in there:
        draw_spectrum(
            axes,
            spectrum_of(arrays, kind, boundary=boundary),
            label=KINDS[kind],
            colour=COLOURS[kind],
            dash=DASHES[kind],
        )
    shares = {kind: share_of(arrays, kind) for kind in there}
    written = "\n".join(f"{KINDS[kind].split()[0]} {share.value:.3f}" for kind, share in shares.items())
    for share in list(shares.values())[:1]:
        shade_band(axes, share.band, f"share above {share.band:g}:\n{written}")
    axes.legend(loc="lower left")


def draw_spectrum(axes: Axes, spectrum: Spectrum, *, label: str, colour: Any, dash: Any = "-") -> None:
    """Draw one mean spectrum, log-log, with a 95% band of plus and minus 1.96 standard errors where these are known."""
    axes.plot(spectrum.frequency, spectrum.amplitude, linestyle=dash, color=colour, label=label)
    if spectrum.standard_error is not None:
        spread = NORMAL * spectrum.standard_error
        low, high = spectrum.amplitude - spread, spectrum.amplitude + spread
        axes.fill_between(spectrum.frequency, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.set(xscale="log", xlabel=FREQUENCY, ylabel="amplitude per sample")
    axes.margins(x=0.02)
    axes.set_yscale("log", nonpositive="clip")
    _plain_logarithmic(axes)


def shade_band(axes: Axes, band: float, text: str = "") -> None:
    """Shade the frequencies above `band` on axes with a spectrum, and write `text` at the top right of them."""
    ends = [float(np.asarray(line.get_xdata())[-1]) for line in axes.get_lines()]
    axes.axvspan(band, max([*ends, band]), color="0.5", alpha=0.12, linewidth=0)
    if text:
        axes.text(0.98, 0.98, text, transform=axes.transAxes, ha="right", va="top", fontsize=7)


def _plain_logarithmic(axes: Axes) -> None:
    """Number a frequency axis plainly, and leave out amplitudes that are rounding."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    lines = [np.asarray(line.get_ydata(), dtype=float) for line in axes.get_lines()]
    highest = max(float(line.max()) for line in lines)
    lowest = min((float(line[line > 0].min()) for line in lines if (line > 0).any()), default=0.0)
    if highest > 0:
        axes.set_ylim(max(0.7 * lowest, DEEPEST * highest), 1.6 * highest)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())

"""What does one measurement look like? Panels on Axes that are given: spectra, shares, and the numbers.

matplotlib is imported on use.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from specbias.look import COLOUR_OF, DASH_OF, LOOK
from specbias.settings.config import BAND

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Arrays = Mapping[str, np.ndarray]  # those of a measurement's npz
Record = Mapping[str, Any]  # its JSON
KINDS = {"within_class": "within classes", "between_class": "between classes"}
NORMAL = 1.96  # standard errors to either side of a 95% interval
DEEPEST = 1e-4  # of the highest amplitude: what is below is not drawn, it is rounding
SCALARS = {
    "high_frequency_share": "share, as released",
    "fixed_band": "share above the band",
    "mean_frequency": "mean frequency",
    "total_variation": "total variation",
    "crossings": "crossings",
    "sharpness": "sharpness",
}
FREQUENCY = "frequency (cycles per unit of distance)"


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
    from specbias.measurement import correction  # and torch

    prefix = f"frequency/{kind}"
    scalar, name = ("fixed_band",) * 2
    if f"{prefix}/fixed_band" not in arrays:
        scalar, name = "share", "high_frequency_share"
    values = correction.column(arrays, prefix, scalar)
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
            colour=COLOUR_OF[kind],
            dash=DASH_OF[kind],
        )
    shares = {kind: share_of(arrays, kind) for kind in there}
    written = "\n".join(f"{KINDS[kind].split()[0]} {share.value:.3f}" for kind, share in shares.items())
    for share in list(shares.values())[:1]:
        shade_band(axes, share.band, f"share above {share.band:g}:\n{written}")
    axes.legend(loc="lower left")


def draw_spectrum(
    axes: Axes, spectrum: Spectrum, *, label: str, colour: Any, dash: Any = "-", xlabel: str = FREQUENCY
) -> None:
    """Draw one mean spectrum, log-log, with a 95% band of plus and minus 1.96 standard errors where these are known."""
    if axes.get_yscale() != "log":  # before anything is drawn: of a constant function nothing is above 0
        axes.set_xscale("log")
        axes.set_yscale("log", nonpositive="clip")
    if not (spectrum.amplitude > 0).any():
        axes.set_autoscaley_on(False)
    axes.plot(spectrum.frequency, spectrum.amplitude, linestyle=dash, color=colour, label=label)
    if spectrum.standard_error is not None:
        spread = NORMAL * spectrum.standard_error
        low, high = spectrum.amplitude - spread, spectrum.amplitude + spread
        axes.fill_between(spectrum.frequency, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.set(xlabel=xlabel, ylabel="amplitude per sample")
    axes.margins(x=0.02)
    _plain_logarithmic(axes)


def shade_band(axes: Axes, band: float, text: str = "") -> None:
    """Shade the frequencies above `band` on axes with a spectrum, and write `text` at the top right of them."""
    ends = [float(np.asarray(line.get_xdata())[-1]) for line in axes.get_lines()]
    axes.axvspan(band, max([*ends, band]), color="0.5", alpha=0.12, linewidth=0)
    if text:
        axes.text(0.98, 0.98, text, transform=axes.transAxes, ha="right", va="top", fontsize=7)


def _plain_logarithmic(axes: Axes) -> None:
    """Number both axes plainly, and leave out amplitudes that are rounding."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    lines = [np.asarray(line.get_ydata(), dtype=float) for line in axes.get_lines()]
    highest = max(float(line.max()) for line in lines)
    lowest = min((float(line[line > 0].min()) for line in lines if (line > 0).any()), default=0.0)
    if highest > 0:
        axes.set_ylim(max(0.7 * lowest, DEEPEST * highest), 1.6 * highest)
    else:  # of a constant function nothing is drawn
        axes.set_ylim(DEEPEST, 1)
    low, high = axes.get_ylim()
    for axis, leading in ((axes.xaxis, (1, 2, 5)), (axes.yaxis, (1,) if high > 300 * low else (1, 3))):
        axis.set_major_locator(LogLocator(subs=leading))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())


def draw_shares(axes: Axes, arrays: Arrays) -> None:
    """Draw how the paths' shares above the band are distributed, with the mean of each kind and its 95% interval."""
    edges = np.linspace(0, 1, 41)
    highest, means = 0.0, []
    for kind in [kind for kind in KINDS if f"frequency/{kind}/share" in arrays]:
        values, share = shares_of(arrays, kind), share_of(arrays, kind)
        percent = 100 * np.histogram(values, edges)[0] / max(len(values), 1)
        highest = max(highest, float(values.max(initial=0.0)))
        axes.stairs(percent, edges, fill=True, alpha=0.25, color=COLOUR_OF[kind])
        axes.stairs(percent, edges, color=COLOUR_OF[kind], linestyle=DASH_OF[kind], label=KINDS[kind])
        means.append((kind, share))
    top = axes.dataLim.y1
    for kind, share in means:
        spread = None if share.standard_error is None else NORMAL * share.standard_error
        axes.errorbar(share.value, 1.08 * top, xerr=spread, fmt="D", markersize=3, color=COLOUR_OF[kind], capsize=2)
    axes.set(xlim=(0, min(1.0, highest + 0.05)), ylim=(0, 1.4 * top), ylabel="paths (%)")
    axes.set_xlabel(f"share of a path above {means[0][1].band:g} cycles per unit" if means else "")
    axes.legend(loc="upper left", ncols=2, title="above: mean, 95%", title_fontsize=7, alignment="left")


def shares_of(arrays: Arrays, kind: str) -> np.ndarray:
    """Return the shares (n,) of which share_of gives the mean: those of the paths that have one."""
    prefix = f"frequency/{kind}"
    values = arrays[f"{prefix}/fixed_band" if f"{prefix}/fixed_band" in arrays else f"{prefix}/share"]
    return values[np.isfinite(values)]


def draw_numbers(axes: Axes, record: Record) -> None:
    """Write accuracy and the scalars of both kinds of paths, each with its standard error, as a table."""
    axes.set_axis_off()
    settings = record["settings"]
    error = accuracy_error(record)
    accuracy = f"accuracy {record['accuracy']:.4f}" + ("" if error is None else f" ± {error:.4f}")
    axes.text(0, 1, shortened(str(settings["model"]), 40), va="top", weight="bold", transform=axes.transAxes)
    on = f"{accuracy} on {shortened(str(settings['dataset']), 40)}, {settings['split']}"
    rows = [(words, *(_with_error(record[kind], name) for kind in KINDS)) for name, words in SCALARS.items()]
    lines = [("", *KINDS.values()), *rows]
    axes.text(0, 1 - 1.2 / (len(lines) + 2.5), on, va="top", transform=axes.transAxes, fontsize=7)
    for row, line in enumerate(lines):
        for column, text in zip((0.0, 0.68, 1.0), line, strict=True):
            axes.text(
                column,
                1 - (row + 2.6) / (len(lines) + 2.5),
                text,
                va="top",
                ha="left" if column == 0 else "right",
                transform=axes.transAxes,
                fontsize=7,
                color="black" if row else "0.35",
            )


def draw_standing(axes: Axes, record: Record, kind: str) -> None:
    """Draw the released share by test accuracy of 447 published networks, in grey, and where this one stands."""
    from specbias.measurement.published import published

    them = published()
    axes.plot(them.accuracy, getattr(them, kind), "o", color="0.6", markersize=2, label="447 published", zorder=1)
    error = record[kind]["standard_errors"]["high_frequency_share"]
    own: dict[str, Any] = {"color": COLOUR_OF[kind], "markersize": 5, "label": "this network", "zorder": 2}
    spread = None if error is None else NORMAL * error
    axes.errorbar(record["accuracy"], record[kind]["high_frequency_share"], yerr=spread, fmt="D", **own)
    axes.set(xlabel="test accuracy", ylabel="share, as released", title=f"{KINDS[kind]}, RobustNets")
    axes.legend(loc="best")


def accuracy_error(record: Record) -> float | None:
    """Return the standard error of the accuracy over images; None in a record of before `n_images` was kept."""
    share, count = record["accuracy"], record.get("n_images")
    return None if not count else float(np.sqrt(share * (1 - share) / count))


def _with_error(found: Record, name: str) -> str:
    value, error = found.get(name), found["standard_errors"].get(name)
    if value is None:
        return "undefined"
    return f"{value:.4f}" + ("" if error is None else f" ± {error:.4f}")


def shortened(name: str, longest: int = 14) -> str:
    """Return a name that fits: of a long one the middle is left out."""
    half = longest // 2
    return name if len(name) <= longest else f"{name[: longest - half - 1]}…{name[-half:]}"


def spectra_png(arrays: Arrays) -> bytes | None:
    """Return a small picture of both mean spectra of a measurement, a PNG; None where it has none."""
    if not any(f"frequency/{kind}/spectrum" in arrays for kind in KINDS):
        return None
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(LOOK), BytesIO() as file:
        figure = Figure(figsize=(3.6, 2.7), layout="constrained")  # none of pyplot's, which is for one thread
        draw_spectra(figure.subplots(), arrays)
        figure.savefig(file, format="png", dpi=120)
        return file.getvalue()

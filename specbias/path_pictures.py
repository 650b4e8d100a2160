"""What is a path? The images along it, what a network says of each, and the spectrum of that: panels on given Axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from specbias.look import COLOURS
from specbias.pictures import KINDS, Arrays, Spectrum, draw_spectrum, shade_band, shortened
from specbias.settings.config import BAND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

FRAMES = 9  # of a film strip
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 1)))
SEEN = 0.1  # a class whose probability is nowhere above that is drawn in grey, without a name


class Path(NamedTuple):
    """A path of T samples, `step` apart, between two images (2, 3, H, W) in uint8, and the logits (T, C) along it."""

    kind: str  # within_class or between_class
    which: str  # lowest, median or highest of its kind
    images: np.ndarray
    logits: np.ndarray
    step: float  # distance between neighbouring samples, normalised L2
    classes: tuple[int, int]
    share: float  # of its amplitude, above the band
    band: float
    signal: str

    @property
    def distance(self) -> np.ndarray:
        """Where the samples (T,) lie, from the first image on."""
        return self.step * np.arange(len(self.logits))

    @property
    def probabilities(self) -> np.ndarray:
        """The class probabilities (T, C)."""
        powers = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    @property
    def crossings(self) -> np.ndarray:
        """At which distances the predicted class changes: half-way between two samples."""
        changes = np.flatnonzero(np.diff(self.logits.argmax(axis=1)))
        return (changes + 0.5) * self.step

    @property
    def spectrum(self) -> Spectrum:
        """Its own amplitude spectrum, periodic, of the signal that was measured, at its own frequencies above 0."""
        import torch

        from specbias.measurement.spectra import amplitude_spectrum, signal_of

        signal = signal_of(torch.from_numpy(self.logits)[None], self.signal, torch.tensor([self.classes[0]]))
        amplitude = amplitude_spectrum(signal)[0].numpy() / len(self.logits)
        return Spectrum(np.arange(1, len(amplitude)) / (len(self.logits) * self.step), amplitude[1:])


def examples_of(arrays: Arrays) -> dict[tuple[str, str], Path]:
    """Return (kind, which) -> the example paths of a measurement; none of one that kept none."""
    from specbias.measurement.examples import WHICH

    found = {}
    for kind in [kind for kind in KINDS if f"examples/{kind}/row" in arrays]:
        of = {name: arrays[f"frequency/{kind}/{name}"] for name in ("samples", "distance", "first_class")}
        of |= {name: arrays[f"frequency/{kind}/{name}"] for name in ("second_class", "fixed_band", "step")}
        rows = arrays[f"examples/{kind}/row"]
        parts = np.split(arrays[f"examples/{kind}/logits"], of["samples"][rows].cumsum()[:-1])
        for which, row, images, logits in zip(WHICH, rows, arrays[f"examples/{kind}/images"], parts, strict=True):
            found[kind, which] = Path(
                kind,
                which,
                images,
                logits,
                step=float(of["step"][row]),
                classes=(int(of["first_class"][row]), int(of["second_class"][row])),
                share=float(of["fixed_band"][row]),
                band=float(arrays.get("frequency/band", BAND)),
                signal=str(arrays["frequency/signal"]),
            )
    return found


def draw_strip(axes: Axes, path: Path, *, frames: int = FRAMES) -> None:
    """Draw images along the path, each above the distance at which it lies, from the first image to the second."""
    first, second = path.images.astype(float)
    length = float(path.distance[-1])
    half = length / (frames - 1) / 2
    for place in np.linspace(0, 1, frames):
        image = np.rint(first + place * (second - first)).astype(np.uint8).transpose(1, 2, 0)
        at = place * length
        axes.imshow(image, extent=(at - half, at + half, 0, 1), aspect="auto", interpolation="nearest")
    axes.set(xlim=(-half, length + half), ylim=(0, 1))
    axes.set_axis_off()


def draw_probabilities(axes: Axes, path: Path, names: Sequence[str] = (), *, frames: int = FRAMES) -> None:
    """Draw the class probabilities over the distance along the path; dotted lines are where the prediction changes."""
    probabilities, half = path.probabilities, float(path.distance[-1]) / (frames - 1) / 2
    ends = list(dict.fromkeys(path.classes))
    others = [c for c in np.argsort(-probabilities.max(axis=0), kind="stable") if int(c) not in ends]
    named = ends + [int(c) for c in others if probabilities[:, c].max() > SEEN][: len(COLOURS) - len(ends)]
    for crossing in path.crossings:
        axes.axvline(crossing, color="0.4", linestyle=":", linewidth=0.7)
    for label in sorted({*range(probabilities.shape[1])} - {*named}):
        axes.plot(path.distance, probabilities[:, label], color="0.7", linewidth=0.5)
    for label, colour, dash in zip(named, COLOURS, DASHES, strict=False):
        name = shortened(str(names[label])) if len(names) > label else str(label)
        axes.plot(path.distance, probabilities[:, label], color=colour, linestyle=dash, label=name)
    axes.set(xlim=(-half, path.distance[-1] + half), ylim=(-0.02, 1.02), yticks=(0, 0.5, 1))
    axes.set(xlabel="distance along the path (normalised L2)", ylabel="probability")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.6, borderaxespad=0.2)


def draw_path_spectrum(axes: Axes, path: Path) -> None:
    """Draw the path's own amplitude spectrum, log-log; its share above the band is written beside it."""
    draw_spectrum(axes, path.spectrum, label="this path", colour="black", xlabel="cycles per unit of distance")
    shade_band(axes, path.band, "" if np.isnan(path.share) else f"share {path.share:.3f}")


def title_of(path: Path, names: Sequence[str] = ()) -> str:
    """Return what a path is, in words: `median of paths between classes: 3 to 8, share 0.271`."""
    first, second = (shortened(str(names[c])) if len(names) > c else str(c) for c in path.classes)
    which = {"lowest": "lowest share", "median": "median share", "highest": "highest share"}[path.which]
    return f"{which} {KINDS[path.kind]}: {first} to {second}"

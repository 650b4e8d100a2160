"""What does a network look like, measured? Whole pictures for the screen and for a column of a paper."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import specbias.class_pictures as class_pictures
import specbias.path_pictures as path_pictures
import specbias.pictures as pictures
from specbias.look import LOOK
from specbias.measurement.published import is_comparable
from specbias.pictures import Arrays, Record
from specbias.settings import SettingError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CENTIMETRE = 1 / 2.54  # in inches
WIDTH = 17.5  # cm: two columns of a paper
NARROWEST, WIDEST = 7.0, 60.0
COLUMN = 12.0  # cm: what is narrower has its panels one below the other
FORMATS = ("png", "svg")
DPI, SCREEN = 200, 110  # of files, and in a notebook


@functools.cache
def _picture_class() -> type[Figure]:
    import matplotlib
    from matplotlib.figure import Figure

    class Picture(Figure):
        """A figure that a notebook shows as it is, without pyplot, and whose text is text in a file."""

        def savefig(self, fname: Any, **how: Any) -> None:
            with matplotlib.rc_context(LOOK):
                super().savefig(fname, **how)

        def _repr_png_(self) -> bytes:
            return as_png(self, dpi=SCREEN)

    return Picture


@contextmanager
def new_picture(width: float, height: float) -> Iterator[Any]:
    """Give an empty figure of so many centimetres, and the one look of all while it is drawn on.

    SettingError for a width in which no panel is legible.
    """
    import matplotlib

    if not NARROWEST <= width <= WIDEST:
        raise SettingError(f"width={width:g}: must be between {NARROWEST:g} and {WIDEST:g} cm")
    with matplotlib.rc_context(LOOK):
        size = (width * CENTIMETRE, height * CENTIMETRE)
        yield _picture_class()(figsize=size, layout="constrained")


def as_png(figure: Figure, *, dpi: int = DPI) -> bytes:
    """Return the figure as the content of a PNG file."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi)
    return content.getvalue()


def save(figure: Figure, file: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write the figure in each format, FILE.png and so on, and return the files; in vector formats text is text."""
    files = [file.with_suffix(f".{kind}") for kind in formats]
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it is laid out, once for all formats
    for each in files:
        undated = {"Date": None} if each.suffix == ".svg" else None
        figure.savefig(each, dpi=DPI, metadata=undated)
    return files


def portrait(record: Record, arrays: Arrays, *, width: float = WIDTH) -> Figure:
    """Draw a measured network: numbers, spectra, shares, classes, and the median path between classes; `width` in cm.

    Where it was measured as 447 published networks were, also where it stands among them.

    Below COLUMN panels stand one below the other. `record` and `arrays` are those of measure_function.
    """
    names = record.get("class_names") or ()
    wide = width >= COLUMN
    path = path_pictures.examples_of(arrays).get(("between_class", "median"))
    side = width / 2 if wide else width
    standing = [*pictures.KINDS] if is_comparable(record) else []
    rows = [4.2, *([0.8 * side] * (2 + bool(standing)) if wide else [0.75 * side] * (4 + len(standing)))]
    path_rows = [] if path is None else [path_height(width)]
    with new_picture(width, sum(rows) + sum(path_rows)) as figure:
        parts = figure.subfigures(len(rows) + len(path_rows), 1, height_ratios=rows + path_rows, squeeze=False)[:, 0]
        pictures.draw_numbers(parts[0].subplots(), record)
        columns = 2 if wide else 1
        places = [axes for part in parts[1 : len(rows)] for axes in part.subplots(1, columns, squeeze=False)[0]]
        pictures.draw_spectra(places[0], arrays)
        pictures.draw_shares(places[1], arrays)
        class_pictures.draw_class_pairs(places[2], arrays, names)
        class_pictures.draw_classes(places[3], record)
        for axes, kind in zip(places[4:], standing, strict=True):
            pictures.draw_standing(axes, record, kind)
        if path is not None:
            _draw_path(parts[-1], path, names, wide=wide)
    return figure


def paths_portrait(record: Record, arrays: Arrays, *, width: float = WIDTH) -> Figure:
    """Draw the example paths: of each kind the lowest share, the median and the highest; ValueError if none is kept."""
    names, wide = record.get("class_names") or (), width >= COLUMN
    examples = path_pictures.examples_of(arrays)
    if not examples:
        raise ValueError("this measurement has no example paths: measure again")
    with new_picture(width, path_height(width) * len(examples)) as figure:
        parts = figure.subfigures(len(examples), 1, squeeze=False)[:, 0]
        for part, path in zip(parts, examples.values(), strict=True):
            _draw_path(part, path, names, wide=wide)
    return figure


def path_height(width: float) -> float:
    """Return how many centimetres a path takes at a width, so that the images of its strip are about square."""
    return 0.28 * width if width >= COLUMN else 1.15 * width


def _draw_path(part: Any, path: path_pictures.Path, names: Sequence[str], *, wide: bool) -> None:
    """Draw a path on a part of a figure: strip above probabilities, the spectrum beside them or, if narrow, below."""
    if wide:
        grid = part.add_gridspec(2, 2, width_ratios=(2.4, 1), height_ratios=(1, 1.8))
        strip, below, beside = (part.add_subplot(grid[place]) for place in ((0, 0), (1, 0), (slice(None), 1)))
    else:
        grid = part.add_gridspec(3, 1, height_ratios=(1, 4.5, 6))
        strip, below, beside = (part.add_subplot(grid[row, 0]) for row in range(3))
    part.suptitle(path_pictures.title_of(path, names), fontsize=8)
    path_pictures.draw_strip(strip, path)
    path_pictures.draw_probabilities(below, path, names)
    path_pictures.draw_path_spectrum(beside, path)

"""What was measured of a network, held together: it prints, draws, saves and loads itself, and gives tables."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from specbias.pictures import KINDS, Record, accuracy_error
from specbias.settings import SettingError
from specbias.settings.config import MEASURE_VERSION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

NAME = "measurement"  # of the files in a folder
SHOWN = ("high_frequency_share", "mean_frequency", "total_variation")  # of each kind of path, as text


@dataclass(frozen=True, repr=False)
class Result:
    """A measured network: the `record` of its numbers and the `arrays` of all paths (docs/measurements.md has both)."""

    record: dict[str, Any]
    arrays: dict[str, np.ndarray]
    name: str = NAME  # of the network, or of the file that it was loaded from

    def __repr__(self) -> str:
        return as_text(self.record)

    def _repr_html_(self) -> str:
        """Return the numbers and the picture, for a notebook."""
        from specbias.portraits import SCREEN, as_png

        picture = base64.b64encode(as_png(self.plot(), dpi=SCREEN)).decode()
        return f'<pre>{escape(repr(self))}</pre><img alt="the measured network" src="data:image/png;base64,{picture}">'

    def plot(self, *, width: float = 17.5) -> Figure:
        """Return the picture of the network, `width` cm wide: below 12 its panels stand one below the other.

        matplotlib's figure: `figure.savefig("network.pdf")` has its text as text.
        """
        from specbias.portraits import portrait

        return portrait(self.record, self.arrays, width=width)

    def plot_paths(self, *, width: float = 17.5) -> Figure:
        """Return the picture of the example paths, of each kind the lowest share, the median and the highest.

        ValueError for a measurement that kept none, one from before there were any.
        """
        from specbias.portraits import paths_portrait

        return paths_portrait(self.record, self.arrays, width=width)

    def to_frame(self) -> pd.DataFrame:
        """Return a row per path: its kind, its images and their classes, its length, and all its scalars."""
        import pandas as pd

        tables = []
        for kind in KINDS:
            count = len(self.arrays[f"frequency/{kind}/samples"])
            columns = {
                name.removeprefix(f"frequency/{kind}/"): values
                for name, values in self.arrays.items()
                if name.startswith(f"frequency/{kind}/")
                and values.ndim == 1
                and len(values) == count
                and "spectrum" not in name
                and "/half/" not in name
            }
            tables.append(pd.DataFrame({"kind": kind} | columns))
        return pd.concat(tables, ignore_index=True)

    def save(self, folder: str | Path) -> list[Path]:
        """Write the record, the arrays and both pictures into a folder, made if need be, and return the files.

        They are measurement.json, .npz, .png and .svg, and the paths' measurement_paths.png and .svg; load reads them.
        OSError where they cannot be written.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return self.write(folder / f"{NAME}.json")

    def write(self, file: Path) -> list[Path]:
        """Write the record into a file, and the rest beside it under its name; return the files."""
        from specbias.portraits import save

        arrays, pictures, paths = files_beside(file)[1:4]
        with _whole(arrays) as stream:
            np.savez_compressed(stream, **self.arrays)  # type: ignore[arg-type]
        with _whole(file) as stream:
            stream.write(json.dumps(self.record, indent=1, allow_nan=False).encode())
        written = [file, arrays, *save(self.plot(), pictures)]
        if any(name.startswith("examples/") for name in self.arrays):
            written += save(self.plot_paths(), paths)
        return written


@contextmanager
def _whole(file: Path) -> Iterator[IO[bytes]]:
    """Give a stream to write into; the file is there, or another than before, once all of it is written."""
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("wb") as stream:
            yield stream
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def files_beside(file: Path) -> list[Path]:
    """Return the files of a measurement whose record is in `file`: that, arrays, picture, paths, and both in svg."""
    paths = file.with_name(f"{file.stem}_paths.png")
    own = [file, file.with_suffix(".npz"), file.with_suffix(".png"), paths]
    return [*own, file.with_suffix(".svg"), paths.with_suffix(".svg")]


def load(file: str | Path) -> Result:
    """Return what Result.save, or `python -m specbias measure`, has written: the folder, the .json or the .npz.

    SettingError, one line, where there is no such file, where it is none of these, and where a later version of the
    measure has written it.

    >>> import specbias, tempfile, torch
    >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 10))
    >>> result = specbias.measure(network, "digits", pairs=1, spacing=4, quiet=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = result.save(folder)
    ...     specbias.load(folder).record["accuracy"] == result.record["accuracy"]
    True
    """
    place = Path(file).expanduser()
    place = place / f"{NAME}.json" if place.is_dir() else place
    if place.suffix not in (".json", ".npz"):
        raise SettingError(f"{place}: expected a folder, or the .json or .npz of a measurement")
    both = place.with_suffix(".json"), place.with_suffix(".npz")
    for each in both:
        if not each.is_file():
            beside = "" if each == place else f", which belongs to {place.name}"
            raise SettingError(f"{each}: there is no such file{beside}; measure again")
    try:
        record = json.loads(both[0].read_text(encoding="utf-8"))
        with np.load(both[1], allow_pickle=False) as content:
            arrays = dict(content)
    except (ValueError, OSError, EOFError) as error:
        raise SettingError(f"{place}: no measurement of specbias ({str(error).splitlines()[0]})") from None
    if not isinstance(record, dict) or "accuracy" not in record or "frequency/axis" not in arrays:
        raise SettingError(f"{place}: no measurement of specbias: it lacks an accuracy, or paths")
    if (version := record.get("measure_version", 1)) > MEASURE_VERSION:
        raise SettingError(f"{place}: of version {version} of the measure, this specbias has {MEASURE_VERSION}: update")
    name = place.parent.name if place.stem == NAME else place.stem
    return Result(record, arrays, name)


def as_text(record: Record) -> str:
    """Return the record for people: accuracy, both kinds of paths with standard errors, and what there is to note."""
    from specbias.measurement.published import standing

    settings = record["settings"]
    network = " ".join(filter(None, (settings["model"], settings["checkpoint"])))
    error = accuracy_error(record)
    accuracy = f"accuracy {record['accuracy']:.4f}" + ("" if error is None else f" +- {error:.4f}")
    columns = ("high-frequency share", "mean frequency", "total variation")
    lines = [
        f"{network} on {settings['dataset']}, {settings['split']} split: {accuracy}",
        f"{'':14}" + "".join(f"{column:>24}" for column in columns),
    ]
    for kind in ("within_class", "between_class"):
        found, errors = record[kind], record[kind]["standard_errors"]
        cells = []
        for name in SHOWN:
            spread = "" if errors.get(name) is None else f" +- {errors[name]:.4f}"
            cells.append(f"{found[name]:.4f}{spread}" if found.get(name) is not None else "undefined")
        lines.append(f"{kind.replace('_', ' '):14}" + "".join(f"{cell:>24}" for cell in cells))
        left_out = f", {found['n_left_out']} left out as too short" if found["n_left_out"] else ""
        lines[-1] += f"   {found['n_paths']} paths, {found['n_samples']} images{left_out}"
        if moved := found.get("corrections"):
            said = [(moved[name], found["correction_standard_errors"][name]) for name in SHOWN]
            cells = ["undefined" if move is None else f"{move:+.5f} +- {error:.5f}" for move, error in said]
            of_paths = f"   {found['n_in_float32']} paths in float32 too"
            lines.append(f"{'  corrected by':14}" + "".join(f"{cell:>24}" for cell in cells) + of_paths)
    if "forward_passes_saved" in record:
        reached = "reached" if record["until_se_reached"] else "not reached"
        lines.append(f"--until-se {reached}; it saved {record['forward_passes_saved']} forward passes")
    for part, found in record.get("fourier", {}).items():
        share, distance = found["high_frequency_share"], found["consistent_distance"]
        lines.append(f"Fourier {part}: high-frequency share {share:.4f}, consistent distance {distance:.1f} of 100")
    if "local" in record:
        lines.append(
            f"local lines: mean frequency {record['local']['mean_frequency']:.3g} cycles per unit of [0, 1] pixels"
        )
    if "jacobian_norm" in record:
        lines.append(f"Jacobian norm {record['jacobian_norm']:.3f}")
    lines += filter(None, [standing(record)])
    lines += [f"network's input: {_constants(record['normalisation']['network'])}"]
    lines += [f"note: {note}" for note in record["notes"]]
    if run := record.get("run"):
        rate, memory = run["images"] / run["seconds"], run["peak_memory_mb"]
        taken = f"{run['images']} images in {run['seconds']:.1f} s: {rate:.0f} per second"
        lines.append(taken + (f"; peak memory {memory} MB" if memory else ""))
    return "\n".join(lines)


def _constants(normalisation: dict) -> str:
    return ", ".join(f"{name} " + " ".join(f"{value:.4g}" for value in normalisation[name]) for name in ("mean", "std"))

"""How reliable are the numbers of a measurement? Repeatability, pairs needed, aliasing, and shares by path length.

It reads npz files of `python -m specbias measure` for one network: measured with two seeds of image pairs, and, for one
of these seeds, with samples 1, 1/2 and 1/4 of a unit apart.

  python -m specbias measure --model M --checkpoint F --pairing random --seed 0 --output seed0.json     (then --seed 1)
  python -m specbias measure --model M --checkpoint F --pairing random --spacing 0.5 --output half.json      (and 0.25)
  python analysis/trust.py --seeds seed0.npz seed1.npz --spacings seed0.npz half.npz quarter.npz
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from specbias.settings.output import guard_output

ENOUGH = 0.002  # standard error
KINDS = ("within_class", "between_class")
Arrays = Mapping[str, np.ndarray]
Named = tuple[Path, Arrays]


@dataclass(frozen=True)
class TrustOptions:
    seeds: Annotated[tuple[Path, Path], tyro.conf.arg(metavar="FILE FILE")]
    """The network measured with two seeds of image pairs."""
    spacings: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE ...")] = ()
    """The network measured with closer and closer samples, on the same pairs."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("figures/trust")
    """Folder for the figure and the numbers."""


def refuse_unlike_probes(seeds: Sequence[Named], spacings: Sequence[Named]) -> None:
    """Raise ValueError, with the two files, unless `seeds` are of other images, and `spacings` of the same ones.

    All are of one signal, band and measure among themselves; along every path of `spacings` samples get more.
    """
    from specbias.measurement.alike import refuse_unlike

    for files in (seeds, spacings):
        for name, arrays in files[1:]:
            refuse_unlike(files[0][1], arrays, names=(files[0][0], name))
    (first, one), (second, other) = seeds
    if all(_same(one, other, kind) for kind in KINDS):
        raise ValueError(f"--seeds: {first} and {second} were measured on the same images: give another --seed to one")
    for (before, coarse), (after, fine) in pairwise(spacings):
        for kind in KINDS:
            both = f"--spacings: {before} and {after}, {kind}"
            if not _same(coarse, fine, kind):
                raise ValueError(f"{both}: measured on different images; measure with the same pairs, split and seed")
            counts = [arrays[f"frequency/{kind}/samples"] for arrays in (coarse, fine)]
            if fewer := (counts[1] <= counts[0]).sum():
                raise ValueError(f"{both}: no more samples on {fewer} of {len(counts[0])} paths; give the widest first")


def _same(one: Arrays, other: Arrays, kind: str) -> bool:
    names = [f"frequency/{kind}/{name}" for name in ("first_image", "second_image", "distance")]
    return all(one[name].shape == other[name].shape and np.allclose(one[name], other[name], 1e-5) for name in names)


def mean_of(arrays: Arrays, kind: str, name: str) -> float:
    """Return a mean over paths, by its name among SCALARS; NaN where no path has a value."""
    from specbias.measurement.correction import column
    from specbias.measurement.path_values import SCALARS

    scalar, weight_name = SCALARS[name]
    above = column(arrays, f"frequency/{kind}", scalar, weight=weight_name)
    below = np.ones(len(above)) if weight_name is None else column(arrays, f"frequency/{kind}", weight_name)
    known = np.isfinite(above)
    return float(above[known].sum() / below[known].sum()) if below[known].sum() > 0 else math.nan


def pairs_needed(arrays: Arrays, kind: str, name: str) -> int | None:
    """Return how many pairs, per class or per two classes, give a mean a standard error of ENOUGH; None if unknown."""
    error = arrays.get(f"frequency/{kind}/standard_error/{name}")
    if error is None:
        return None
    pairs = len(arrays[f"frequency/{kind}/samples"]) / len(arrays[f"frequency/{kind}/classes"])
    return math.ceil(pairs * (float(error) / ENOUGH) ** 2)


def trust(seeds: Sequence[Arrays], spacings: Sequence[Arrays]) -> list[dict]:
    """Return a row for each kind of path and scalar: its mean, what a seed moves it by, pairs, spacings."""
    from specbias.measurement.path_values import SCALARS

    return [
        {
            "kind": kind,
            "scalar": name,
            "mean": mean_of(seeds[0], kind, name),
            "other_seed": mean_of(seeds[1], kind, name) - mean_of(seeds[0], kind, name),
            "standard_error": float(seeds[0].get(f"frequency/{kind}/standard_error/{name}", math.nan)),
            "pairs_needed": pairs_needed(seeds[0], kind, name),
            "by_spacing": [mean_of(arrays, kind, name) for arrays in spacings],
        }
        for kind in KINDS
        for name in SCALARS
    ]


def by_length(arrays: Sequence[Arrays], kind: str, width: int = 4) -> dict[str, np.ndarray]:
    """Return mean shares of both forms over paths of about equal length, `width` samples together, where 5 or more are.

    `samples` is the middle of each; `released_error` and `fixed_band_error` are standard errors, paths as independent.
    """
    from specbias.measurement.correction import column

    samples = np.concatenate([each[f"frequency/{kind}/samples"] for each in arrays])
    place = samples // width
    found: dict[str, list[float]] = {}
    for at in np.unique(place):
        if (rows := place == at).sum() >= 5:
            found.setdefault("samples", []).append((at + 0.5) * width - 0.5)
            for form, scalar in (("released", "share"), ("fixed_band", "fixed_band")):
                values = np.concatenate([column(each, f"frequency/{kind}", scalar) for each in arrays])[rows]
                values = values[np.isfinite(values)]
                found.setdefault(form, []).append(float(values.mean()) if len(values) else math.nan)
                error = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
                found.setdefault(f"{form}_error", []).append(float(error))
    return {name: np.array(values) for name, values in found.items()}


def as_text(rows: list[dict], spacings: int) -> str:
    """Return the rows as a table for people, in Markdown."""
    head = ["paths", "mean of", "value", "other seed", "standard error", f"pairs for {ENOUGH}"]
    head += [f"spacing {i + 1} of {spacings}" for i in range(spacings)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        pairs = "unknown" if row["pairs_needed"] is None else f"{row['pairs_needed']:,}"
        cells = [row["kind"].replace("_", " "), row["scalar"], f"{row['mean']:.4f}", f"{row['other_seed']:+.4f}"]
        cells += [f"{row['standard_error']:.4f}", pairs, *(f"{value:.4f}" for value in row["by_spacing"])]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, save it as JSON with the figure of shares by path length."""
    guard_output()
    options = tyro.cli(TrustOptions, description=__doc__)
    from analysis.figures import save
    from analysis.figures.path_length import draw_path_length
    from analysis.findings import plain

    try:
        named = [[(file, dict(np.load(file))) for file in files] for files in (options.seeds, options.spacings)]
        refuse_unlike_probes(*named)
        seeds, spacings = ([arrays for _, arrays in files] for files in named)
        rows = trust(seeds, spacings)
        lengths = {kind: by_length(seeds, kind) for kind in KINDS}
        figure = draw_path_length(lengths)
        paths = save(figure, options.out, "path_length")
        paths.append(options.out / "trust.json")
        paths[-1].write_text(json.dumps(plain({"rows": rows, "by_length": lengths}), indent=1))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyError as error:
        print(f"error: {error}: not an npz of this version of `specbias measure`; measure again", file=sys.stderr)
        sys.exit(2)
    print(as_text(rows, len(spacings)), "", *(f"saved: {path}" for path in paths), sep="\n")


if __name__ == "__main__":
    main()

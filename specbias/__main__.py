"""specbias without Ray, from the command line.

python -m specbias measure --model torchvision:resnet18 --model-args '{"num_classes": 10}' --checkpoint FILE
python -m specbias synthetic sinusoids --runs 10 --steps 10000 --output out.npz
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from specbias.settings import SettingError
from specbias.settings.config import PathSettings
from specbias.settings.inputs import inputs_of
from specbias.settings.measurement import (
    BatchSettings,
    ComputeSettings,
    FurtherSettings,
    ImageSettings,
    InputSettings,
    NetworkConfig,
    NetworkSettings,
    PairSettings,
)
from specbias.settings.output import guard_output
from specbias.settings.own_code import reason
from specbias.synthetic import command as synthetic


class _Unchecked:
    def __post_init__(self) -> None:
        """Check nothing yet: tyro would say what is wrong in its own words."""


@dataclass(frozen=True)
class Network(_Unchecked, InputSettings, NetworkSettings):
    """The network, what it takes and what it gives."""


@dataclass(frozen=True)
class Images(_Unchecked, ImageSettings):
    """The images that it is measured on."""


@dataclass(frozen=True)
class Paths(_Unchecked, PathSettings, PairSettings):
    """The straight paths between images along which its frequency is measured."""


@dataclass(frozen=True)
class Further(_Unchecked, FurtherSettings):
    """What else is measured; a zero leaves it out."""


@dataclass(frozen=True)
class Compute(_Unchecked, BatchSettings, ComputeSettings):
    """How it is computed."""


@dataclass(frozen=True)
class Measure:
    """Measure the frequency of the function that a network has learned.

    The network is made by its factory, called without arguments or with --model-args; modules of the current folder can
    be named. Weights are loaded safely (no code in them is run). The record is written to --output as JSON, every path
    to an npz beside it.

      python -m specbias measure --model my_networks.py:make --checkpoint weights.pt --check
      python -m specbias measure --model my_networks.py:make --checkpoint weights.pt --expect-accuracy 0.93 --pairs 20
      python -m specbias measure --model timm:resnet18 --model-args '{"num_classes": 10}' --dataset imagefolder:DIR

    Exit status: 0, or 2 for what cannot be, with one line that says what and why; 130 after Ctrl-C.
    """

    network: tyro.conf.OmitArgPrefixes[Network]
    images: tyro.conf.OmitArgPrefixes[Images]
    paths: tyro.conf.OmitArgPrefixes[Paths]
    what_else: tyro.conf.OmitArgPrefixes[Further]
    how: tyro.conf.OmitArgPrefixes[Compute]
    check: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Say how the network and the images are understood and what would be measured, and measure nothing."""
    output: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("out.json")
    """Where the record goes, as JSON; the paths go into FILE's name with .npz."""
    data_dir: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None
    """Where data sets are, or go; default SPECBIAS_DATA_DIR or ~/.cache/specbias."""

    def run(self) -> None:
        groups = (self.network, self.images, self.paths, self.what_else, self.how)
        network = NetworkConfig(**{name: value for group in groups for name, value in vars(group).items()})
        if self.output.is_dir() or self.output.suffix == ".npz":
            raise SettingError(f"--output {self.output}: expected a file for JSON; the paths go into an npz beside it")
        if not self.output.parent.is_dir() or not os.access(self.output.parent, os.W_OK):
            raise SettingError(f"--output {self.output}: there is no folder {self.output.parent} that can be written")
        arrays_file = self.output.with_suffix(".npz")
        _check_written((self.output, arrays_file), network)
        if self.data_dir is not None:
            os.environ["SPECBIAS_DATA_DIR"] = str(Path(self.data_dir).expanduser())

        import numpy as np  # and torch: only past --help

        from specbias.trials.check_network import check_network
        from specbias.trials.network import measure_network

        if self.check:
            print("\n".join(check_network(network)))
            return
        if network.checkpoint is None:
            print("no --checkpoint: measuring the network as its factory makes it", file=sys.stderr)
        started = time.perf_counter()
        with _Bar() as bar:
            record, arrays = measure_network(network, on_images=bar.update)
        record["run"] = {
            "seconds": time.perf_counter() - started,
            "images": bar.images,
            "peak_memory_mb": _peak_memory(),
        }
        self.output.write_text(json.dumps(record, indent=1, allow_nan=False))
        np.savez_compressed(arrays_file, **arrays)  # type: ignore[arg-type]
        print(_as_text(record) + f"\nsaved: {self.output}, {arrays_file}")


def _check_written(files: Sequence[Path], network: NetworkConfig) -> None:
    """Raise SettingError if one of the files cannot be written, or is one that the network or the images are in."""
    read = inputs_of(network)
    for file in files:
        if own := next((each for each in read if each.exists() and file.exists() and _is_in(file, each)), None):
            raise SettingError(f"--output {files[0]}: would write over {file}, which is read as {own}: name another")
        there = file.exists()
        try:
            file.open("ab").close()
        except OSError as error:
            raise SettingError(f"--output {files[0]}: {file} cannot be written: {error.strerror}") from None
        if not there:
            file.unlink()


def _is_in(file: Path, place: Path) -> bool:
    return file.samefile(place) or place.is_dir() and file.resolve().is_relative_to(place.resolve())


@dataclass(frozen=True)
class Synthetic:
    """Learn targets of known frequency; it has a help of its own."""


class _Bar:
    """A progress bar on stderr, from the number of images done and to do."""

    def __enter__(self) -> _Bar:
        self.images = 0
        self.bar: Any = None
        return self

    def update(self, done: int, total: int) -> None:
        from tqdm import tqdm

        if self.bar is None:
            self.bar = tqdm(total=total, unit=" images", unit_scale=True, file=sys.stderr)
        self.bar.update(done - self.images)
        self.images = done

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()


def _peak_memory() -> int | None:
    """Return this process' largest resident memory so far in MB, None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (2**20 if sys.platform == "darwin" else 2**10)


def _as_text(record: dict) -> str:
    settings = record["settings"]
    network = f"{settings['model']} {settings['checkpoint'] or 'untrained'}"
    columns = ("high-frequency share", "mean frequency", "total variation")
    lines = [
        f"{network} on {settings['dataset']}, {settings['split']} split: accuracy {record['accuracy']:.4f}",
        f"{'':14}" + "".join(f"{column:>24}" for column in columns),
    ]
    for kind in ("within_class", "between_class"):
        found, errors = record[kind], record[kind]["standard_errors"]
        cells = []
        for name in ("high_frequency_share", "mean_frequency", "total_variation"):
            error = "" if errors.get(name) is None else f" +- {errors[name]:.4f}"
            cells.append(f"{found[name]:.4f}{error}" if found[name] is not None else "undefined")
        lines.append(f"{kind.replace('_', ' '):14}" + "".join(f"{cell:>24}" for cell in cells))
        left_out = f", {found['n_left_out']} left out as too short" if found["n_left_out"] else ""
        lines[-1] += f"   {found['n_paths']} paths, {found['n_samples']} images{left_out}"
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
    lines += [f"network's input: {_constants(record['normalisation']['network'])}"]
    lines += [f"note: {note}" for note in record["notes"]]
    run = record["run"]
    rate, memory = run["images"] / run["seconds"], run["peak_memory_mb"]
    lines.append(f"{run['images']} images in {run['seconds']:.1f} s: {rate:.0f} per second; peak memory {memory} MB")
    return "\n".join(lines)


def _constants(normalisation: dict) -> str:
    return ", ".join(f"{name} " + " ".join(f"{value:.4g}" for value in normalisation[name]) for name in ("mean", "std"))


def main() -> None:
    guard_output()
    try:
        if sys.argv[1:2] == ["synthetic"]:
            synthetic.main(sys.argv[2:])
            return
        commands: dict[str, Any] = {"measure": Measure, "synthetic": Synthetic}
        how: dict[str, Any] = {"prog": "python -m specbias", "description": __doc__, "registry": _registry()}
        tyro.extras.subcommand_cli_from_dict(commands, **how).run()
    except (SettingError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception as error:  # of the network, the files or the machine, or a mistake of ours
        if sys.flags.dev_mode:
            raise
        if isinstance(error, MemoryError) or "allocate" in str(error):
            hint = "a smaller --batch-size needs less memory"
        else:
            hint = "python -X dev -m specbias shows where it comes from"
        print(f"error: {reason(error)}; {hint}", file=sys.stderr)
        sys.exit(2)


def _registry() -> ConstructorRegistry:
    """Return how tyro reads and shows a value that may be none: as `INT or none`."""
    registry = ConstructorRegistry()

    @registry.primitive_rule
    def _(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
        kinds = [kind for kind in get_args(info.type) if kind is not type(None)]
        if len(kinds) != 1 or len(get_args(info.type)) != 2:
            return None
        items = get_args(kinds[0]) or (kinds[0],)
        read = items[0]

        def value(texts: list[str]) -> Any:
            if all(text.lower() == "none" for text in texts):
                return None
            return tuple(map(read, texts)) if len(items) > 1 else read(texts[0])

        return PrimitiveConstructorSpec(
            nargs=len(items),
            metavar=" ".join(item.__name__.upper() for item in items),
            instance_from_str=value,
            is_instance=lambda instance: True,
            str_from_instance=lambda instance: ["none"] if instance is None else [str(instance)],
        )

    return registry


if __name__ == "__main__":
    main()

"""specbias without Ray, from the command line.

python -m specbias measure --model torchvision:resnet18 --model-args '{"num_classes": 10}' --checkpoint FILE
python -m specbias synthetic sinusoids --runs 10 --steps 10000 --output out.npz
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from specbias.progress_bar import ProgressBar
from specbias.results import Result, files_beside
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
    """The network, its inputs and its outputs."""


@dataclass(frozen=True)
class Images(_Unchecked, ImageSettings):
    """The images that it is measured on."""


@dataclass(frozen=True)
class Paths(_Unchecked, PathSettings, PairSettings):
    """The straight paths between images along which its frequency is measured."""


@dataclass(frozen=True)
class Further(_Unchecked, FurtherSettings):
    """What else is measured; 0 leaves it out."""


@dataclass(frozen=True)
class Compute(_Unchecked, BatchSettings, ComputeSettings):
    """How the measurement is computed."""


@dataclass(frozen=True)
class Measure:
    """Measure the frequency of the function that a network has learned.

    A factory makes the network; it is called without arguments or with --model-args, and may be in a module of the
    current folder. Loading weights runs no code in them. The record is written to --output as JSON. Beside it are every
    path (npz), a picture of the network and one of example paths (png and svg).

      python -m specbias measure --model my_networks.py:make --checkpoint weights.pt --check
      python -m specbias measure --model my_networks.py:make --checkpoint weights.pt --expect-accuracy 0.93 --pairs 20
      python -m specbias measure --model timm:resnet18 --model-args '{"num_classes": 10}' --dataset imagefolder:DIR

    Exit status: 0; 2 if it is impossible, with one line that says what and why; 130 after Ctrl-C.
    """

    network: tyro.conf.OmitArgPrefixes[Network]
    images: tyro.conf.OmitArgPrefixes[Images]
    paths: tyro.conf.OmitArgPrefixes[Paths]
    what_else: tyro.conf.OmitArgPrefixes[Further]
    how: tyro.conf.OmitArgPrefixes[Compute]
    check: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print how the network and the images are understood and what would be measured; measure nothing."""
    output: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("out.json")
    """File for the record, as JSON; paths (.npz) and pictures (.png, .svg) are saved beside it."""
    data_dir: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of the data sets; default SPECBIAS_DATA_DIR or ~/.cache/specbias."""

    def run(self) -> None:
        groups = (self.network, self.images, self.paths, self.what_else, self.how)
        network = NetworkConfig(**{name: value for group in groups for name, value in vars(group).items()})
        beside = "the paths go into an npz and the pictures into png and svg beside it"
        if self.output.is_dir() or self.output.suffix == ".npz":
            raise SettingError(f"--output {self.output}: expected a file for JSON; {beside}")
        if not self.output.parent.is_dir() or not os.access(self.output.parent, os.W_OK):
            raise SettingError(f"--output {self.output}: there is no folder {self.output.parent} that can be written")
        _check_written(files_beside(self.output), network)
        if self.output in files_beside(self.output)[1:]:
            raise SettingError(f"--output {self.output}: expected a file for JSON; {beside}")
        if self.data_dir is not None:
            os.environ["SPECBIAS_DATA_DIR"] = str(Path(self.data_dir).expanduser())

        from specbias.trials.check_network import check_network  # and torch: only past --help
        from specbias.trials.network import measure_network

        if self.check:
            print("\n".join(check_network(network)))
            return
        if network.checkpoint is None:
            print("no --checkpoint: measuring the network as its factory makes it", file=sys.stderr)
        with ProgressBar() as bar:
            record, arrays = measure_network(network, on_images=bar.update)
        result = Result(record | {"run": bar.run}, arrays, self.output.stem)
        print(result)
        print("saved: " + ", ".join(map(str, result.write(self.output))))


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
    """Learn targets of known frequency; see synthetic --help."""


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

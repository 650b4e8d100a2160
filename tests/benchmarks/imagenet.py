"""What do many classes cost: to decode, to measure, and in memory? Ratios, each of one run.

  SPECBIAS_DATA_DIR=DIR python tests/benchmarks/imagenet.py     Tiny ImageNet, about 6 minutes on 2 cores
  python tests/benchmarks/imagenet.py --smoke                   images made here, seconds

Decoding, in images per second: `first`, decode() into an empty folder; `later`, what it kept, every byte looked at;
against torchvision's ImageFolder and DataLoader with the same transform and as many workers. Worker processes are
started before. Measuring: `measured`, measure_class with all its paths, spectra and scalars, against `forward`, a loop
over batches of random images and nothing else. Memory: the peak of a process of its own that measures so many
classes one after the other, and of one that loads their test images.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from specbias.data import ByClass, open_classes
from specbias.data.decode import Geometry, decode
from specbias.measurement import evaluating
from specbias.measurement.class_frequency import choose_class_probes, measure_class
from specbias.models import build_model
from specbias.settings.selection import Selection
from specbias.training.execution import use_device

BATCH = 256
WORKERS = joblib.cpu_count()


def make_images(root: Path, *, classes: int, train: int, val: int, size: tuple[int, int]) -> Path:
    """Write JPEGs that are about as hard to decode as photographs: large shapes and a little grain."""
    generator = np.random.default_rng(0)
    for part, count in (("train", train), ("val", val)):
        for label in range(classes):
            folder = root / part / f"n{label:08}"
            folder.mkdir(parents=True)
            for number in range(count):
                shapes = Image.fromarray(generator.integers(256, size=(9, 12, 3), dtype=np.uint8)).resize(size)
                grain = generator.normal(0, 12, size=(size[1], size[0], 3))
                pixels = (np.asarray(shapes) + grain).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{number:05}.JPEG", quality=90)
    return root


def best(function: Callable[[], int]) -> float:
    """Return images per second of a function that returns their number: the best of three rounds, or of 15 s."""
    rates: list[float] = []
    beginning = time.perf_counter()
    while len(rates) < 3 and time.perf_counter() - beginning < 15:
        started = time.perf_counter()
        images = function()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        rates.append(images / (time.perf_counter() - started))
    return max(rates)


def compare_decoding(part: Path, geometry: Geometry, name: str, *, most: int) -> None:
    """Print the rates of the first `most` images of the folder, by three ways."""
    steps = [v2.Resize(geometry.resize, antialias=True), v2.CenterCrop(geometry.size), v2.PILToTensor()]
    every = ImageFolder(str(part), transform=v2.Compose(steps))
    chosen = Subset(every, range(min(most, len(every))))
    groups: dict[int, list[str]] = {}
    for file, label in every.samples[: len(chosen)]:
        groups.setdefault(label, []).append(file)

    def load() -> int:
        loader = DataLoader(chosen, batch_size=BATCH, num_workers=WORKERS)
        return sum(len(images) for images, _ in loader if images.sum())

    def pass_over(folder: Path) -> int:
        found = decode(list(groups.values()), geometry, folder=folder, workers=WORKERS)
        return sum(len(each.images) for each in found if each.images.sum())

    with tempfile.TemporaryDirectory() as scratch:
        folders = iter(Path(scratch, str(number)) for number in range(9))
        decode([[file] for file in groups[0][:WORKERS]], geometry, folder=next(folders), workers=WORKERS)
        first = best(lambda: pass_over(next(folders)))
        kept = next(folders)
        pass_over(kept)
        later, loaded = best(lambda: pass_over(kept)), best(load)
    print(
        f"  {name:24} first {first:7.0f}, later {later:8.0f}, ImageFolder {loaded:7.0f} images/s: "
        f"{first / loaded:.2f} and {later / loaded:.1f} times as fast"
    )


def compare_measuring(classes: ByClass, model: nn.Module, name: str, *, pairs: int, device: str) -> None:
    """Print images per second of measuring a class, and of a loop over batches of random images."""
    shape = classes.images("test", 0)[:1].shape[1:]
    outputs = tuple(range(len(classes.names)))
    probes = choose_class_probes(
        classes, 0, splits=("test", "validation"), pairs=pairs, partners=8, seed=0, outputs=outputs
    )
    for precision in ("float32", "bf16"):
        model.to(memory_format=torch.channels_last)
        with evaluating(model, device, precision) as predict:
            random = torch.randn(BATCH, *shape, device=device).contiguous(memory_format=torch.channels_last)
            seen: list[int] = []

            def counted(images: torch.Tensor, predict=predict, seen=seen) -> torch.Tensor:
                seen.append(len(images))
                return predict(images)

            def measured(counted=counted, seen=seen) -> int:
                seen.clear()
                settings = {"spacing": 1.0, "samples": 100, "signal": "probabilities", "batch_size": BATCH}
                measure_class(counted, classes, probes, device=device, **settings)
                return sum(seen)

            def forward(predict=predict, random=random, seen=seen) -> int:
                return sum(len(predict(random)) for _ in range(sum(seen) // BATCH))

            predict(random)
            rates = {"measured": best(measured), "forward": best(forward)}
        said = ", ".join(f"{row} {rate:7.0f}" for row, rate in rates.items())
        print(f"  {name} in {precision:8} {said} images/s: {rates['measured'] / rates['forward']:.2f} of it")


MEASURE = """
classes = open_classes("tiny_imagenet")
torch.manual_seed(0)
model = build_model("small_cnn", num_classes=len(classes.names), image_size=64, width=4)
outputs = tuple(range(len(classes.names)))
with evaluating(model, "cpu", "float32") as predict:
    for label in range({count}):
        probes = choose_class_probes(
            classes, label, splits=("test",), pairs=2, partners=2, seed=0, outputs=outputs
        )
        measure_class(
            predict, classes, probes, spacing=4.0, samples=8, signal="probabilities", batch_size=64, device="cpu"
        )
"""
LOAD = """
classes = open_classes("tiny_imagenet")
everything = torch.cat([classes.images("test", label) for label in range({count})])
"""


def peak_memory(work: str, count: int) -> int:
    """Return the peak resident memory in MB of a process that works on so many classes."""
    code = (
        "import torch\n"
        "from specbias.data import open_classes\n"
        "from specbias.measurement import evaluating\n"
        "from specbias.measurement.class_frequency import choose_class_probes, measure_class\n"
        "from specbias.models import build_model\n"
        f"{work.format(count=count)}\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"  # ru_maxrss begins at the parent's
    )
    settings = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}  # what is given up goes back, and is not kept for later
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=settings).stdout
    return int(said) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="seconds, on images that it makes")
    smoke = parser.parse_args().smoke
    device = "cuda" if torch.cuda.is_available() else "cpu"
    use_device(device, threads=None)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["SPECBIAS_CACHE_DIR"] = str(Path(scratch, "cache"))
        data = Path(os.environ.get("SPECBIAS_DATA_DIR", scratch), "tiny-imagenet-200")
        if smoke or not data.is_dir():
            data = make_images(Path(scratch, "tiny-imagenet-200"), classes=8, train=10, val=10, size=(64, 64))
            os.environ["SPECBIAS_DATA_DIR"] = scratch
        large = make_images(Path(scratch, "large"), classes=4, train=4 if smoke else 150, val=0, size=(500, 375))
        print(f"decoding, {WORKERS} workers")
        compare_decoding(data / "train", Geometry(64, 64), "64 x 64, as they are", most=12_000)
        compare_decoding(data / "train", Geometry(32, 32), "64 x 64 to 32 x 32", most=12_000)
        compare_decoding(large / "train", Geometry(224, 256), "500 x 375 to 224 x 224", most=12_000)

        print(f"measuring classes, on {device}, {torch.get_num_threads()} threads")
        classes = open_classes("tiny_imagenet", Selection(image_size=32))
        for name, width, pairs in (("small_cnn", 16, 1 if smoke else 20), ("resnet18", 64, 4))[: 1 if smoke else 2]:
            torch.manual_seed(0)
            model = build_model(name, num_classes=len(classes.names), image_size=32, width=width).to(device)
            compare_measuring(classes, model, f"{name}, width {width}", pairs=pairs, device=device)

        print("peak memory of a process")
        for count in (2,) if smoke else (5, 50, 200):
            measured, loaded = (peak_memory(work, count) for work in (MEASURE, LOAD))
            print(f"  {count:4} classes: {measured} MB measured one after the other, {loaded} MB all loaded")


if __name__ == "__main__":
    main()

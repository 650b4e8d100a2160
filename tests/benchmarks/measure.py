"""How near is measuring to the limit, a bare forward pass over as many images? Ratios, all from one run.

  SPECBIAS_DATA_DIR=DIR python tests/benchmarks/measure.py      CIFAR-10, three networks, about half an hour on 2 cores
  python tests/benchmarks/measure.py --smoke                    the digits, one small network, seconds
  python tests/benchmarks/measure.py --network resnet20 16 4    one network: its name, its width, and how many pairs
  python tests/benchmarks/measure.py --network resnet20 16 4 --rows float32 compiled --threads 1    two ways alone
  python tests/benchmarks/measure.py --before DIR               against the code in DIR, a worktree of another commit

Rows, each in images per second: `forward`, a loop over batches of random images and nothing else; `measured`,
straight paths with all their spectra and scalars, in the same precision; `compiled`, float32 through torch.compile;
`corrected`, bf16 with a few paths in float32 too, as it finds them needed; `simple`, the straightforward way in
float32: every image of every path made at once in contiguous NCHW, then the network, softmax and numpy's rfft path by
path. All rows take turns, in ROUNDS rounds: a rate is the median, and so is a ratio, of those within a round, with its
range. Compiling is timed apart, and from how many images on it pays. With one thread on a CPU seconds are those of
the processor. Peak memory is that of a process of its own that measures with many pairs.
"""

import argparse
import copy
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from torch import nn

from specbias.data import load_data
from specbias.measurement import evaluating
from specbias.measurement.frequency import KINDS, measure_probes
from specbias.measurement.pairs import choose_probes
from specbias.measurement.path_values import summarise
from specbias.models import build_model
from specbias.settings.config import TrialConfig
from specbias.settings.measurement import MeasureSettings
from specbias.training.execution import use_device

BATCH, ROUNDS = 256, 5
NETWORKS = [("small_cnn", 16, 40), ("resnet20", 16, 40), ("resnet18", 64, 2)]  # width, pairs


def clock() -> float:
    """Return seconds: of the processor where one thread of it works, which other work on the machine moves less."""
    alone = torch.get_num_threads() == 1 and not torch.cuda.is_available()
    return time.process_time() if alone else time.perf_counter()


def in_turns(rows: dict[str, Callable[[], int]], rounds: int) -> dict[str, np.ndarray]:
    """Return images per second, by row and round, of functions that return their number."""
    rates: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, function in rows.items():
            started = clock()
            images = function()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            rates[name].append(images / (clock() - started))
    return {name: np.array(found) for name, found in rates.items()}


def benchmark(model: nn.Module, name: str, data, pairs: int, device: str, rounds: int, only: list[str]) -> None:
    probes = choose_probes(data, pairs=pairs, pairing="official")
    total = sum(int(getattr(probes, kind).samples.sum()) for kind in KINDS)
    correct = torch.ones(len(data.test.labels), dtype=torch.bool)
    size = data.test.images.shape[-1]
    images = torch.randn(BATCH, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)
    shares: dict[str, list[float]] = {"simple": []}
    few: list[int] = []

    def forward(predict) -> int:
        return sum(len(predict(images)) for _ in range(min(total // BATCH, 30)))

    def measured(row: str, predict, exactly=None) -> int:
        settings = {"correct": correct, "batch_size": BATCH, "exactly": exactly}
        found = [summarise(values) for values in measure_probes(predict, data, probes, **settings).values()]
        shares[row] = [each.means["high_frequency_share"] for each in found]
        few[:] = [sum(each.in_float32 for each in found), sum(each.paths for each in found)]
        return total

    with ExitStack() as stack:

        def function(network: nn.Module, *how: str):
            return stack.enter_context(evaluating(network, device, *how))

        model.to(memory_format=torch.channels_last)
        exact, half = (function(model, precision) for precision in ("float32", "bf16"))
        compiled = stack.enter_context(evaluating(model, device, "float32", compiled_for=BATCH))
        ends = function(copy.deepcopy(model), "bf16", "channels_last", "ends")
        nchw = function(copy.deepcopy(model).to(memory_format=torch.contiguous_format), "float32", "contiguous_format")
        rows = {
            "forward float32": lambda: forward(exact),
            "forward compiled": lambda: forward(compiled),
            "forward bf16": lambda: forward(half),
            "forward bf16, ends in float32": lambda: forward(ends),
            "measured float32": lambda: measured("float32", exact),
            "measured compiled": lambda: measured("compiled", compiled),
            "measured bf16": lambda: measured("bf16", half),
            "corrected": lambda: measured("corrected", ends, exact),
            "simple": lambda: simple(nchw, data, probes, shares["simple"]),
        }
        rows = {row: each for row, each in rows.items() if not only or row.split(" ", 1)[-1] in only}
        for predict in (exact, half, ends, nchw):
            predict(images)
        before = sum(os.times()[:4])
        compiled(images)
        compiling = sum(os.times()[:4]) - before
        rates = in_turns(rows, rounds)
    print(f"\n{name}, {pairs} pairs: {total} images on {device}, {torch.get_num_threads()} threads, {rounds} rounds")
    for row, rate in rates.items():
        ratios = {other: rate / rates[other] for other in ("measured float32", "simple") if other in rates}
        of = [f"{np.median(r):5.2f} ({r.min():.2f} to {r.max():.2f}) of {other}" for other, r in ratios.items()]
        print(f"  {row:30} {np.median(rate):9.0f} images/s  " + "  ".join(of))
    if {"measured float32", "measured compiled"} <= rates.keys():
        saved = np.median(1 / rates["measured float32"] - 1 / rates["measured compiled"])
        pays = f"pays from {compiling / saved:,.0f} images on" if saved > 0 else "does not pay"
        print(f"  compiling, or reading what was compiled, took {compiling:.1f} s of the processor: {pays}")
    if "measured float32" in rates:
        for row in [row for row in ("compiled", "bf16", "corrected") if row in shares]:
            moved = np.array(shares[row]) - shares["float32"]
            print(f"  shares moved by {row}: {moved[0]:+.1e} and {moved[1]:+.1e}")
    if "corrected" in rates:
        print(f"  corrected: {few[0]} of {few[1]} paths in float32 too")


def simple(predict, data, probes, shares: list) -> int:
    total = 0
    for kind in KINDS:
        pairs = getattr(probes, kind)
        ends = [data.normalise(data.test.images[rows]) for rows in (pairs.first, pairs.second)]
        paths = []
        for first, second, distance in zip(*ends, pairs.distance.tolist(), strict=True):
            weight = (torch.arange(0, distance, 1.0) / distance).to(first.device).view(-1, 1, 1, 1)
            paths.append((1 - weight) * first + weight * second)
        images = torch.cat(paths)
        outputs = torch.cat([predict(part).softmax(1).cpu() for part in images.split(BATCH)]).numpy()
        found, start = [], 0
        for path in paths:
            amplitude = np.abs(np.fft.rfft(outputs[start : start + len(path)], axis=0)).mean(1)
            found.append(amplitude[int(np.ceil(0.1 * len(amplitude))) : -1].sum() / amplitude.sum())
            start += len(path)
        shares.append(float(np.mean(found)))
        total += len(images)
    return total


def peak_memory(pairs: int, dataset: str) -> int:
    """Return the peak resident memory in MB of a process that measures the small network with so many pairs."""
    code = (
        "from specbias.settings.measurement import NetworkConfig\n"
        "from specbias.trials.network import measure_network\n"
        f"measure_network(NetworkConfig(model='small_cnn', dataset={dataset!r}, pairs={pairs}))\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"  # ru_maxrss begins at the parent's
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return int(said) // 1024


# Seconds of the processor for all paths of a small network: on a machine with other work they are steadier than a clock
PATHS = """
import sys, time, torch
from specbias.data import load_data
from specbias.measurement import evaluating
from specbias.measurement.frequency import KINDS, measure_pairs
from specbias.measurement.pairs import choose_probes
from specbias.models import build_model
from specbias.settings.config import TrialConfig
torch.set_num_threads(1)
data = load_data(TrialConfig(dataset=sys.argv[1]))
probes = choose_probes(data, pairs=int(sys.argv[2]), pairing="official")
model = build_model(sys.argv[3], num_classes=10, image_size=32, width=int(sys.argv[4]))
settings = {"correct": torch.ones(len(data.test.labels), dtype=torch.bool), "batch_size": 256}
with evaluating(model.to(memory_format=torch.channels_last), "cpu", "float32") as predict:
    measure_pairs(predict, data, probes, probes.within_class, **settings)
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.process_time()
        for kind in KINDS:
            measure_pairs(predict, data, probes, getattr(probes, kind), **settings)
        print(time.process_time() - started, flush=True)
"""


def against(before: Path, *, dataset: str, pairs: int, network: tuple[str, int], rounds: int) -> None:
    """Print how much more time measuring takes than with the code in another folder, in turns, a round each."""
    code = [sys.executable, "-c", PATHS, dataset, str(pairs), network[0], str(network[1])]
    places = (before.resolve(), Path(__file__).resolve().parents[2])
    how = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(code, cwd=p, env=os.environ | {"PYTHONPATH": str(p)}, **how) for p in places]
    for process in both:
        assert process.stdout.readline() == "ready\n", "one of the two does not measure"
    seconds: list[list[float]] = [[], []]
    for _ in range(rounds):
        for process, found in zip(both, seconds, strict=True):
            print(file=process.stdin, flush=True)
            found.append(float(process.stdout.readline()))
    for process in both:
        process.communicate()
    ratios = np.divide(*seconds[::-1])
    medians = [float(np.median(found)) for found in seconds]
    print(
        f"\n{network[0]}, width {network[1]}, {pairs} pairs: {medians[0]:.2f} s before, {medians[1]:.2f} s now; "
        f"now over before {np.median(ratios):.3f}, from {ratios.min():.3f} to {ratios.max():.3f} in {rounds} rounds"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="seconds, on the digits")
    parser.add_argument("--before", type=Path, metavar="DIR", help="another commit's code, to compare with")
    ways = ["float32", "compiled", "bf16", "bf16, ends in float32", "corrected", "simple"]
    parser.add_argument("--rows", nargs="+", choices=ways, default=[], help="these alone")
    parser.add_argument("--threads", type=int, help="CPU threads of torch; without it as many as torch takes")
    parser.add_argument("--network", nargs=3, metavar=("NAME", "WIDTH", "PAIRS"), help="this one alone")
    options = parser.parse_args()
    smoke = options.smoke
    if options.before is not None:
        for network in (("small_cnn", 16), ("resnet18", 16)):
            size = {"pairs": 1, "rounds": 3} if smoke else {"pairs": 4, "rounds": 9}
            against(options.before, dataset="digits", network=network, **size)
        return
    device = "cuda" if torch.cuda.is_available() else "cpu"
    use_device(device, threads=options.threads)
    dataset = "digits" if smoke else "cifar10"
    data = load_data(TrialConfig(dataset=dataset, device=device))
    networks = [("small_cnn", 4, 1)] if smoke else NETWORKS
    if options.network:
        networks = [(options.network[0], int(options.network[1]), int(options.network[2]))]
    for name, width, pairs in networks:
        torch.manual_seed(0)
        model = build_model(name, num_classes=10, image_size=32, width=width).to(device)
        benchmark(model, f"{name}, width {width}", data, pairs, device, 1 if smoke else ROUNDS, options.rows)
    if options.network:
        return
    print()
    for pairs in (1,) if smoke else (MeasureSettings().pairs, 1):
        print(f"peak memory with {pairs} pairs: {peak_memory(pairs, dataset)} MB")


if __name__ == "__main__":
    main()

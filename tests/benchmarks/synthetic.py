"""How near is training many small networks as one to the limit, this machine's matrix products? Ratios, from one run.

  python tests/benchmarks/synthetic.py      sums of sines at the paper's size, half a minute on 2 cores
  python tests/benchmarks/synthetic.py --smoke

A run-update is one update of one run: 315 MFLOP at 200 samples. `packed` is the trial's own loop; `one by one` takes
the same runs in turn, each by torch's layers, loss and Adam, on one thread as the paper's notebooks do and on all.
`limit` is what products of large float32 matrices reach on all threads. Rates are the best of five rounds, taken in
turn.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import nn

from specbias.synthetic.config import SinusoidsConfig
from specbias.synthetic.sinusoids import build_sinusoids
from specbias.synthetic.training import advance, new_state
from specbias.training.execution import use_device

ROUNDS = 5


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def flops(config: SinusoidsConfig) -> float:
    """Return the floating-point operations of an update of one run: three products a layer, less one for the first."""
    hidden = (config.depth - 2) * config.width**2
    return config.samples * (6 * (hidden + config.width) + 4 * config.width)


def matrix_rate(size: int, device: str) -> float:
    a, b = torch.randn(2, size, size, device=device)
    count = 4
    return 2 * count * size**3 / seconds(lambda: [a @ b for _ in range(count)])


def alone(config: SinusoidsConfig, device: str) -> Callable[[int], None]:
    """Return a function that makes so many updates of one run, as the notebooks do."""
    sizes = [1, *[config.width] * (config.depth - 1), 1]
    layers = [layer for i in range(config.depth) for layer in (nn.Linear(sizes[i], sizes[i + 1]), nn.ReLU())][:-1]
    model = nn.Sequential(*layers).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    task = build_sinusoids(config)
    inputs, targets = task.inputs[0], task.targets[0, :, None]

    def updates(count: int) -> None:
        for _ in range(count):
            loss = nn.functional.mse_loss(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return updates


def rates(config: SinusoidsConfig, updates: int, matrix: int) -> dict[str, float]:
    """Return the best rates: run-updates per second, and operations per second of the limit."""
    device, threads = config.device, torch.get_num_threads()
    state, task = new_state(config, 1), build_sinusoids(config)
    single = alone(config, device)

    def on_one_thread() -> float:
        torch.set_num_threads(1)
        found = updates / seconds(lambda: single(updates))
        torch.set_num_threads(threads)
        return found

    measures: dict[str, Callable[[], float]] = {
        "packed": lambda: config.runs * updates / seconds(lambda: advance(state, task, updates)),
        "one by one": on_one_thread,
        "one by one, all threads": lambda: updates / seconds(lambda: single(updates)),
        "limit": lambda: matrix_rate(matrix, device),
    }
    for measure in measures.values():
        measure()
    best = dict.fromkeys(measures, 0.0)
    for _ in range(ROUNDS):
        for name, measure in measures.items():
            best[name] = max(best[name], measure())
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="seconds, small networks")
    smoke = parser.parse_args().smoke
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else f"{torch.get_num_threads()} CPU threads"
    use_device(device, threads=None)
    print(
        f"on {name}\n{'runs':>5} {'packed':>12} {'one by one':>12} {'gain':>6} {'gain, all':>10} {'share of limit':>15}"
    )
    for runs in (2, 4) if smoke else (1, 5, 10, 64):
        small = {"width": 32, "samples": 40, "frequencies": (2,)} if smoke else {}
        config = SinusoidsConfig(runs=runs, device=device, **small)
        updates = 3 if smoke else max(8, 100 // runs)
        found = rates(config, updates, 128 if smoke else 2048)
        packed, single, threaded = found["packed"], found["one by one"], found["one by one, all threads"]
        share = packed * flops(config) / found["limit"]
        print(
            f"{runs:5} {packed:10.0f}/s {single:10.0f}/s {packed / single:6.2f} {packed / threaded:10.2f} {share:15.2f}"
        )


if __name__ == "__main__":
    main()

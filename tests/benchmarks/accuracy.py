"""What test accuracy does time buy? The fast recipe on CIFAR-10, each row one training with nothing else running.

  python tests/benchmarks/accuracy.py                        1, 3, 10 and 30 minutes on two CPU cores; 44 minutes
  python tests/benchmarks/accuracy.py --rows 32x6 64x10      widths of the airbench network and epochs of your own

Seconds are of training alone, and "undisturbed" what they would be if every epoch took as long as the fastest. The
accuracy is that of all test images, looked at once, after the last epoch.
"""

import argparse
import time

import torch

from specbias.data import load_data
from specbias.measurement import evaluating
from specbias.measurement.generalization import evaluate
from specbias.settings.config import TrialConfig
from specbias.settings.recipes import RECIPES
from specbias.training.execution import use_device
from specbias.training.train import new_state, train
from specbias.trials.trial import new_model

ROWS = ("16x4", "32x5", "32x17", "64x18")  # width x epochs


def accuracy(config: TrialConfig) -> tuple[float, list[float]]:
    """Train one network; return its accuracy on the test images and the seconds that each epoch took."""
    data = load_data(config)
    state = new_state(new_model(config, data), config)
    seconds, started = [], time.perf_counter()
    for _ in train(state, data):  # an epoch's loss is read at its end: a GPU has finished
        seconds.append(time.perf_counter() - started)
        started = time.perf_counter()
    with evaluating(state.model, config.device, config.precision, config.memory_format) as predict:
        found = evaluate(predict, data.test, data, batch_size=1000)
    return found.correct.double().mean().item(), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", default=ROWS, metavar="WIDTHxEPOCHS")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="seconds, on the digits")
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    use_device(device, threads=None)
    settings = RECIPES["fast"] | {"model": "airbench", "device": device, "precision": "bf16", "seed": arguments.seed}
    if arguments.smoke:
        arguments.rows, settings = ("4x2",), settings | {"dataset": "digits", "batch_size": 50}
    print(f"airbench network, fast recipe, on {device}, {torch.get_num_threads()} threads, bf16")
    for row in arguments.rows:
        width, epochs = map(int, row.split("x"))
        found, seconds = accuracy(TrialConfig(**settings | {"width": width, "epochs": epochs}))
        print(
            f"  width {width:3}, {epochs:3} epochs: {sum(seconds):7.1f} s, undisturbed {epochs * min(seconds):7.1f} s, "
            f"test accuracy {found:.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

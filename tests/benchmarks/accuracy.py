"""What test accuracy does time buy? The fast recipe on CIFAR-10, each row one training with nothing else running.

  python tests/benchmarks/accuracy.py                        1, 3, 10 and 30 minutes on two CPU cores; 44 minutes
  python tests/benchmarks/accuracy.py --rows 32x6 64x10      widths of the airbench network and epochs of your own

Seconds are of training alone, from the first batch to the last; the accuracy is that of all test images, once.
"""

import argparse
import time

import torch

from specbias.config import TrialConfig
from specbias.data import load_data
from specbias.measure import evaluating
from specbias.measure.generalization import evaluate
from specbias.models import build_model
from specbias.recipes import RECIPES
from specbias.train import new_state, train

ROWS = ("16x4", "32x6", "32x18", "64x18")  # width x epochs


def accuracy(config: TrialConfig) -> tuple[float, float]:
    """Train one network; return its accuracy on the test images and the seconds that training took."""
    data = load_data(config)
    torch.manual_seed(config.seed)
    size = data.train.images.shape[-1]
    model = build_model(config.model, num_classes=data.num_classes, image_size=size, width=config.width)
    state = new_state(model, config)
    started = time.perf_counter()
    for _ in train(state, data):
        pass
    if config.device == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
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
    torch.backends.fp32_precision = "ieee"
    settings = RECIPES["fast"] | {"model": "airbench", "device": device, "precision": "bf16", "seed": arguments.seed}
    if arguments.smoke:
        arguments.rows, settings = ("4x2",), settings | {"dataset": "digits", "batch_size": 50}
    print(f"airbench network, fast recipe, on {device}, {torch.get_num_threads()} threads, bf16")
    for row in arguments.rows:
        width, epochs = map(int, row.split("x"))
        found, seconds = accuracy(TrialConfig(**settings | {"width": width, "epochs": epochs}))
        print(f"  width {width:3}, {epochs:3} epochs: {seconds:7.1f} s, test accuracy {found:.4f}", flush=True)


if __name__ == "__main__":
    main()

"""How near is training to the limit, a bare forward-backward-step loop? Ratios, all from one run.

  SPECBIAS_DATA_DIR=DIR python tests/benchmarks/train.py      CIFAR-10, three networks, about 15 minutes on 2 cores
  python tests/benchmarks/train.py --smoke                    the digits, one small network, seconds

Rows, each in images per second: `bare`, the same network, precision and batch on one constant batch; then `train`, an
epoch of the trial's own loop under each intervention; `usual`, flip and crop by torchvision's transforms in a
DataLoader, image by image, in the same precision.
"""

import argparse
import time
from dataclasses import replace

import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from specbias.data import Data, load_data
from specbias.models import build_model
from specbias.settings.config import TrialConfig
from specbias.training.interventions import INTERVENTIONS
from specbias.training.train import new_state, train

STRENGTHS = {
    "mixup": 0.4,
    "cutmix": 1.0,
    "image_frequency": 4.0,
    "autoaugment": 1.0,
    "randaugment": 4.0,
    "augmix": 3.0,
    "gaussian_noise": 0.1,
    "flip_crop": 4,
    "cutout": 16,
    "label_smoothing": 0.1,
}
SETTINGS = {
    "no intervention": {},
    **{name: {name: STRENGTHS[name]} for name in INTERVENTIONS if name != "own_strength"},  # a user's
    "flip, crop, cutout": {"flip_crop": 4, "cutout": 16},
}


class Images(Dataset):
    """One image at a time, as a DataLoader takes them."""

    def __init__(self, data: Data) -> None:
        self.images, self.labels = data.train
        steps = [v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True)]
        self.transform = v2.Compose([*steps, v2.Normalize(data.mean, data.std)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.images[row]), int(self.labels[row])


def state_of(config: TrialConfig):
    torch.manual_seed(0)
    return new_state(build_model(config.model, num_classes=10, image_size=32, width=config.width), config)


def step(state, images: torch.Tensor, labels: torch.Tensor) -> None:
    config = state.config
    images = images.contiguous(memory_format=getattr(torch, config.memory_format))
    with torch.autocast(config.device, torch.bfloat16, enabled=config.precision == "bf16"):
        logits = state.model(images)
    loss = cross_entropy(logits.float(), labels)
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    state.optimizer.step()


def bare(config: TrialConfig, data: Data) -> float:
    state, size = state_of(config), config.batch_size
    images, labels = data.normalise(data.train.images[:size]), data.train.labels[:size]
    state.model.train()

    def some(count: int) -> None:
        for _ in range(count):
            step(state, images, labels)
        if config.device == "cuda":
            torch.cuda.synchronize()

    some(2)
    steps = config.train_size // size
    started = time.perf_counter()
    some(steps)
    return steps * size / (time.perf_counter() - started)


def trained(config: TrialConfig, data: Data) -> float:
    """Return the rate of the second epoch of two."""
    epochs = train(state_of(config), data)
    next(epochs)
    started = time.perf_counter()
    next(epochs)
    return config.train_size // config.batch_size * config.batch_size / (time.perf_counter() - started)


def usual(config: TrialConfig, data: Data) -> float:
    state = state_of(config)
    state.model.train()
    loader = DataLoader(Images(data), batch_size=config.batch_size, shuffle=True, drop_last=True)
    started = time.perf_counter()
    for images, labels in loader:
        step(state, images.to(config.device), labels.to(config.device))
    return len(loader) * config.batch_size / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="seconds, on the digits")
    smoke = parser.parse_args().smoke
    device = "cuda" if torch.cuda.is_available() else "cpu"
    base = TrialConfig(device=device, precision="bf16", epochs=2, flip_crop=0)
    networks = (("small_cnn", 16, 12_800), ("resnet18", 16, 6_400), ("wrn_28_2", 32, 1_280))
    if smoke:
        base, networks = replace(base, dataset="digits", batch_size=50), (("small_cnn", 8, 200),)
    for model, width, size in networks:
        config = replace(base, model=model, width=width, train_size=size)
        data = load_data(config)
        limit = bare(config, data)
        print(f"\n{model}, width {width}, on {device}, {torch.get_num_threads()} threads, bf16")
        print(f"  {'bare':20} {limit:8.0f} images/s")
        for name, settings in SETTINGS.items():
            rate = trained(replace(config, **settings), data)
            print(f"  {name:20} {rate:8.0f} images/s  {rate / limit:.2f} of bare")
        rate = usual(config, data)
        print(f"  {'usual':20} {rate:8.0f} images/s  {rate / limit:.2f} of bare", flush=True)


if __name__ == "__main__":
    main()

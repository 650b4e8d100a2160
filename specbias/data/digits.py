"""Real handwritten digits that need no download: scikit-learn's 1,797 scans of 8 x 8, brought to 3 x 32 x 32."""

from functools import lru_cache
from pathlib import Path

import torch
from sklearn.datasets import load_digits as scans
from torch.nn.functional import interpolate

from specbias.data import Data, Split
from specbias.data.datasets import DATASETS

# Of every nine consecutive scans of a class: three test, one validates, five train (neighbours share a writer).
TEST, VALIDATION = (0, 3, 6), (1,)


@lru_cache(maxsize=1)
def load_digits(directory: Path) -> Data:
    """Return the digits: 992 training, 203 validation and 602 test images; `directory` is not looked at.

    Grey levels 0..16 become 0..255; 8 x 8 pixels become 32 x 32 by bilinear interpolation.
    """
    bunch = scans()
    small = torch.from_numpy(bunch.images).float().unsqueeze(1) * (255 / 16)
    images = interpolate(small, size=(32, 32), mode="bilinear").round().to(torch.uint8).repeat(1, 3, 1, 1)
    labels = torch.from_numpy(bunch.target).long()
    place = torch.zeros_like(labels)
    for label in range(10):
        place[labels == label] = torch.arange(int((labels == label).sum())) % 9
    test, validation = (torch.isin(place, torch.tensor(places)) for places in (TEST, VALIDATION))
    masks = {"train": ~(test | validation), "validation": validation, "test": test}
    splits = {name: Split(images[mask], labels[mask]) for name, mask in masks.items()}
    facts = DATASETS["digits"]
    return Data(splits["train"], splits["validation"], splits["test"], mean=facts.mean, std=facts.std, num_classes=10)

"""A toy ImageNet: a few images of a few pixels, laid out in every way that the real one is found on disks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

LAYOUTS = ("folders", "tiny", "annotated", "csv", "caffe", "kit", "kit_in_val", "kaggle")
KIT = "ILSVRC2012_validation_ground_truth.txt"


@pytest.fixture(scope="session")
def ids() -> Callable[[int], list[str]]:
    """Return the names of so many classes, in their order."""
    return lambda classes: [f"n{7 * label:08}" for label in range(classes)]


@pytest.fixture
def toy(tmp_path, ids) -> Callable[..., Path]:
    """Return a function that lays out a data set; validation image number n, by name, shows class n % classes."""

    def make(layout="folders", *, root=tmp_path / "toy", classes=3, train=6, val=4, size=(12, 10)) -> Path:
        images = root / "ILSVRC/Data/CLS-LOC" if layout == "kaggle" else root
        for label, name in enumerate(ids(classes)):
            inside = "images" if layout == "tiny" else ""
            for number in range(train):
                draw(images / "train" / name / inside / f"{name}_{number}.JPEG", size, (0, label, number))
        shown = {f"val_{number:05}.JPEG": ids(classes)[number % classes] for number in range(classes * val)}
        for number, (file, name) in enumerate(shown.items()):
            inside = {"folders": name, "tiny": "images"}.get(layout, "")
            draw(images / "val" / inside / file, size, (1, number))
        tell(layout, root, shown, ids(classes))
        return root

    return make


def draw(file: Path, size: tuple[int, int], seed: tuple[int, ...]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(256, size=(size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "JPEG")


def tell(layout: str, root: Path, shown: dict[str, str], names: list[str]) -> None:
    """Write the file that says what validation images show."""
    if layout in ("tiny", "annotated"):
        lines = [f"{file}\t{name}\t0\t32\t44\t62" for file, name in shown.items()]
        (root / "val" / "val_annotations.txt").write_text("\n".join(reversed(lines)) + "\n")
    if layout in ("csv", "kaggle"):
        lines = [f"{Path(file).stem},{name} 85 1 499 272 " for file, name in shown.items()]
        (root / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *lines]) + "\n")
    if layout == "caffe":
        (root / "val.txt").write_text("".join(f"{file} {names.index(name)}\n" for file, name in shown.items()))
    if layout in ("kit", "kit_in_val"):
        folder = root / "val" if layout == "kit_in_val" else root / "ILSVRC2012_devkit_t12" / "data"
        folder.mkdir(parents=True, exist_ok=True)
        numbers = {name: len(names) - place for place, name in enumerate(names)}  # the kit's order is its own
        (folder / KIT).write_text("".join(f"{numbers[name]}\n" for name in shown.values()))
        inner = {"n99999999": len(names) + 1}  # a concept above classes, as the real file has
        synsets = [(number, name, "words") for name, number in (numbers | inner).items()]
        kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O")]
        savemat(folder / "meta.mat", {"synsets": np.array(synsets, dtype=kinds).reshape(-1, 1)})


@pytest.fixture(params=LAYOUTS)
def layout(request) -> str:
    return request.param

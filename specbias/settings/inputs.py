"""Which files does a measurement read? They are never written over."""

from __future__ import annotations

import glob
from pathlib import Path

from specbias.settings.measurement import NetworkConfig


def inputs_of(config: NetworkConfig) -> list[Path]:
    """Return the files that the network, its weights and the images are read from, whether they are there or not.

    Of a folder of images the folders of the classes, of a network of transformers its folder.
    """
    kind, _, place = config.dataset.partition(":")
    images = [Path(each).expanduser() for each in glob.glob(str(Path(place).expanduser())) or [place]] if place else []
    if kind == "imagefolder":
        images = [each for folder in images if folder.is_dir() for each in folder.iterdir() if each.is_dir()]
    named = (config.labels, config.class_map, config.checkpoint)
    return [
        *images,
        *_of_images(images),
        *(Path(each).expanduser() for each in named if each),
        *_of_model(config.model),
    ]


def _of_images(images: list[Path]) -> list[Path]:
    return [each.with_name("labels.npy") for each in images if each.suffix == ".npy"]  # which may lie beside


def _of_model(model: str) -> list[Path]:
    module, colon, name = model.partition(":")
    if module == "hf" and name:
        return [Path(name).expanduser()]
    files = (Path(model if not colon else module).expanduser(), Path(module.replace(".", "/") + ".py"))
    return [each for each in files if each.is_file()]

"""Which classes of a data set, and how large its images? By default all classes, and images as published."""

from typing import NamedTuple


class Selection(NamedTuple):
    """Which classes of a data set are taken, and how its images are brought to one size; None: as published.

    Classes are taken from an order drawn by `class_seed`, from place `first_class` on: sets from one order are nested,
    or disjoint. The shorter side is resized to `resize` pixels, then the centre cropped to `image_size`.
    """

    image_size: int | None = None
    classes: int | None = None  # how many; None: all that follow
    first_class: int = 0
    class_seed: int = 0
    resize: int | None = None
    interpolation: str = "bilinear"

"""Made images whose classes are as diverse inside as planted: claims about diversity are checked against them.

Dead leaves (Lee, Mumford and Huang 2001): discs with radii of density r^-3, each hiding those below it, have edges,
occlusion and the 1/f amplitude spectrum of natural images. The planted diversity of a class is the share of the image
whose leaves are coloured anew in every image; the other leaves keep the colours that they have in that class. Colours
only: where leaves also move, a few of them fill as many directions as all do, and neither the participation ratio nor
the intrinsic dimension tells how many.

Nothing else goes with diversity: all classes have the same leaves at the same places, and palettes of the same contrast
in every channel. Which class is how diverse is drawn. The palettes are close to each other, so that a class is the
harder to know the more of it is coloured anew.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from specbias.data import Data, Split
from specbias.data.datasets import DATASETS, Dataset
from specbias.settings import SettingError
from specbias.settings.seeds import derive_seed
from specbias.settings.selection import Selection

SIZE = 32  # pixels of an image's side
CLASSES = 30
IMAGES = (80, 20, 40)  # of a class, in train, validation and test
RADII = (1.5, 5.0)  # of the leaves, in pixels: the least and the most
LEAVES = 1_000  # so many that no place is bare
GOLDEN = (5**0.5 - 1) / 2  # the most even way through an interval
LEAST = 0.02  # of the planted diversities; their roots, as which distances grow, are evenly spaced up to 1
CENTRES = (125, 130)  # between which the middle of a palette lies in every channel
CONTRAST = 80  # levels up and down along a palette's own axis, a diagonal of the colour cube
JITTER = 10  # levels up and down in every channel by itself


def look_at_leaves(directory: Path, selection: Selection = Selection()) -> Dataset:  # noqa: B008
    """Return the facts of as many classes as are asked for; SettingError for another size of images."""
    if selection.image_size not in (None, SIZE):
        raise SettingError(f"image_size={selection.image_size}: leaves has images of {SIZE} x {SIZE} pixels")
    count = selection.classes or CLASSES
    train, validation, test = (images * count for images in IMAGES)
    return DATASETS["leaves"]._replace(
        sizes=(train, validation, test), num_classes=count, classes_id=f"{selection.class_seed}/{selection.first_class}"
    )


@lru_cache(maxsize=2)
def load_leaves(directory: Path, selection: Selection = Selection()) -> Data:  # noqa: B008
    """Return 80 training, 20 validation and 40 test images of each class; `directory` is not looked at.

    The same bytes always. There are 30 classes or as many as are asked for, numbered from `first_class` on; another
    `class_seed` draws other leaves and palettes.
    """
    planted, first, seed = planted_diversity(selection), selection.first_class, selection.class_seed
    seen = arrange_leaves(seed)
    images = np.stack([_draw_class(first + i, seen, share, seed=seed) for i, share in enumerate(planted)])
    train, validation, test = (_as_split(part) for part in np.split(images, np.cumsum(IMAGES)[:-1], axis=1))
    facts = DATASETS["leaves"]
    known = {"planted": planted}
    return Data(train, validation, test, mean=facts.mean, std=facts.std, num_classes=len(planted), known=known)


def planted_diversity(selection: Selection = Selection()) -> tuple[float, ...]:  # noqa: B008
    """Return by class the share of its images' area whose leaves are coloured anew in every image."""
    roots = np.linspace(LEAST**0.5, 1, selection.classes or CLASSES)
    first = (selection.first_class,) if selection.first_class else ()
    return tuple((_stream(selection.class_seed, "diversity", *first).permutation(roots) ** 2).tolist())


def arrange_leaves(seed: int = 0) -> np.ndarray:
    """Return the number (SIZE, SIZE) of the leaf that is seen at every pixel, the seen ones numbered from 0.

    Radii have the density r^-3 between RADII, centres are anywhere, leaves go on over the edges, the first lie on top.
    """
    stream, (least, most) = _stream(seed, "places"), RADII
    radii = (least**-2 - stream.random(LEAVES) * (least**-2 - most**-2)) ** -0.5
    centres = SIZE * stream.random((2, LEAVES))
    away = np.abs(np.arange(SIZE)[:, None, None] + 0.5 - centres)  # (pixels, 2, leaves)
    squared = np.minimum(away, SIZE - away) ** 2
    inside = squared[:, None, 0] + squared[None, :, 1] <= radii**2
    return np.unique(inside.argmax(axis=2), return_inverse=True)[1].reshape(SIZE, SIZE)


def _draw_class(number: int, seen: np.ndarray, share: float, *, seed: int) -> np.ndarray:
    """Return all images (140, 3, SIZE, SIZE) of a class, in uint8."""
    stream, anew = _stream(seed, "class", number), _coloured_anew(seen, share)
    centre, axis = stream.uniform(*CENTRES, 3), stream.choice([-1, 1], 3)

    def colours(images: int) -> np.ndarray:
        along, beside = (stream.uniform(-1, 1, (images, len(anew), channels)) for channels in (1, 3))
        return centre + CONTRAST * along * axis + JITTER * beside

    leaves = np.where(anew[:, None], colours(sum(IMAGES)), colours(1))
    return np.rint(leaves).astype(np.uint8)[:, seen].transpose(0, 3, 1, 2)


def _coloured_anew(seen: np.ndarray, share: float) -> np.ndarray:
    """Return which leaves are, a mask (leaves,): in one order for all classes, each that still fits into the share.

    Every beginning of that order holds large and small leaves alike: steps of the golden section through their sizes.
    """
    area = np.bincount(seen.ravel())
    place = (0.5 + GOLDEN * np.arange(len(area))) % 1
    anew, room = np.zeros(len(area), dtype=bool), share * SIZE**2
    for leaf in np.argsort(-area, kind="stable")[np.argsort(place)]:
        if area[leaf] <= room:
            anew[leaf] = True
            room -= area[leaf]
    return anew


def _as_split(images: np.ndarray) -> Split:
    labels = torch.arange(len(images)).repeat_interleave(images.shape[1])
    return Split(torch.from_numpy(images.reshape(-1, 3, SIZE, SIZE)), labels)


def _stream(seed: int, *names: object) -> np.random.Generator:
    return np.random.default_rng(derive_seed("leaves", *names, *((seed,) if seed else ())))

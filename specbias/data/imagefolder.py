"""Images of one's own: a folder with a folder of files per class, as torchvision's ImageFolder reads it."""

from pathlib import Path

import torch
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from specbias.data import Data, Split
from specbias.settings import SettingError

# Channel constants of ImageNet, as every published ImageNet network expects them.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

SPLITS = {"train", "training", "val", "valid", "validation", "test"}


def load_imagefolder(directory: Path, *, image_size: int | None = None) -> Data:
    """Return the folder's images as the test split, classes in alphabetical order; the other splits are empty.

    With `image_size` the shorter side is resized to it and the centre cropped; without, all images must be of one
    size. Normalised space has ImageNet's constants. Raises SettingError where there is no such folder, no image, an
    unreadable one, or several sizes.
    """
    steps = [v2.PILToTensor()]
    if image_size is not None:
        steps = [v2.Resize(image_size, antialias=True), v2.CenterCrop(image_size), v2.PILToTensor()]
    try:
        files = ImageFolder(str(directory), transform=v2.Compose(steps))
        images = torch.empty(len(files), *files[0][0].shape, dtype=torch.uint8)
        for row, (image, _) in enumerate(files):
            images[row] = image
    except OSError as error:  # not there, no class, no image, or not an image
        raise SettingError(f"imagefolder {directory}: {str(error).splitlines()[0]}") from None
    except RuntimeError:
        raise SettingError(f"imagefolder {directory}: images of several sizes; give --image-size") from None
    if {name.lower() for name in files.classes} <= SPLITS:
        raise SettingError(f"imagefolder {directory}: holds {', '.join(files.classes)}, not classes; name one of them")
    none = Split(images[:0], torch.zeros(0, dtype=torch.long))
    test = Split(images, torch.tensor(files.targets))
    return Data(none, none, test, mean=MEAN, std=STD, num_classes=len(files.classes), class_names=tuple(files.classes))

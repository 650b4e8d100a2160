"""Does an intervention change anything in this data? Colours of grey images, say, can be changed without any effect."""

from functools import cache

import torch
from torch.nn.functional import one_hot

from specbias.data import load_dataset
from specbias.settings.config import TrialConfig
from specbias.training.check import DETAILS
from specbias.training.interventions import INTERVENTIONS

DATA = ("dataset", "image_size", "classes", "first_class", "class_seed")
BATCHES, IMAGES = 64, 64  # that are looked at, until one is changed


def idle_interventions(config: TrialConfig) -> list[str]:
    """Return the trial's interventions that leave the images and labels of its data as they are, bit for bit.

    Looked at are 64 batches of 64 training images, so that what is rare is seen too. Raises SettingError where the data
    are not there.
    """
    found = []
    for name in INTERVENTIONS:
        details = (detail for detail, users in DETAILS.items() if name in users)
        asked = {each: getattr(config, each) for each in (*DATA, name, *details)}
        of = config if name == "own_strength" else TrialConfig(**asked)  # one's own may look at any setting
        if asked[name] and _is_idle(name, of):
            found.append(name)
    return found


@cache
def _is_idle(name: str, config: TrialConfig) -> bool:
    """Tell whether the intervention leaves batches of the config's data as they are."""
    data, intervene = load_dataset(config.dataset, config.selection), INTERVENTIONS[name](config)
    generator = torch.Generator().manual_seed(0)
    for _ in range(BATCHES):
        rows = torch.randint(len(data.train.labels), (IMAGES,), generator=generator)
        images = data.normalise(data.train.images[rows])
        targets = one_hot(data.train.labels[rows], data.num_classes).float()
        changed = intervene(images, targets, generator)
        if not (torch.equal(changed[0], images) and torch.equal(changed[1], targets)):
            return False
    return True

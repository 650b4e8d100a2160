"""mixup and CutMix against slow twins of their definitions: weights, boxes, labels, and how many batches are mixed."""

import numpy as np
import pytest
import torch
from scipy import stats

from specbias.settings.config import TrialConfig
from specbias.training.check import complete_config
from specbias.training.interventions import INTERVENTIONS, build_interventions
from tests.specbias.training.test_interventions import batch, config, stream


def test_mixup_weights_follow_their_beta_distribution_and_labels_follow_images():
    alpha, generator = 0.4, stream()
    intervene = INTERVENTIONS["mixup"](config("mixup", alpha))
    images = torch.arange(1.0, 9).view(8, 1, 1, 1)
    targets = torch.eye(8)
    weights = []
    for _ in range(1500):
        mixed, labels = intervene(images, targets, generator)
        assert torch.allclose(mixed.flatten(), labels @ images.flatten())
        moved = labels.diagonal() < 0.999999
        if moved.any():
            weights.append(labels.diagonal()[moved][0].item())
    assert stats.kstest(weights, stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_cutmix_pastes_a_clipped_box_and_moves_the_label_by_its_area():
    images = torch.arange(1.0, 9).view(8, 1, 1, 1).expand(8, 3, 6, 10)
    generator, intervene, areas = stream(), INTERVENTIONS["cutmix"](config("cutmix", 1.0)), []
    for _ in range(1000):
        mixed, labels = intervene(images, torch.eye(8), generator)
        assert torch.allclose(mixed.mean(dim=(1, 2, 3)), labels @ torch.arange(1.0, 9), atol=1e-5)
        pasted = (mixed != images)[:, 0]
        boxes = pasted[pasted.any(2).any(1)]
        assert (boxes == boxes[:1]).all()  # one box per batch
        areas.append(boxes[0].sum().item() if len(boxes) else 0)
        assert not len(boxes) or areas[-1] == boxes[0].any(1).sum() * boxes[0].any(0).sum()

    def twin(random):
        sides = []
        share = np.sqrt(1 - random.beta(1, 1))
        for size in (6, 10):
            centre, half = random.integers(size), int(size * share) // 2
            sides.append(min(size, centre + half) - max(0, centre - half))
        return sides[0] * sides[1]

    random = np.random.default_rng(0)
    twins = [twin(random) for _ in range(4000)]
    assert set(areas) <= set(twins) and stats.ks_2samp(areas, twins).pvalue > 0.01


@pytest.mark.parametrize("holes", [{"flip_crop": 0}, {"flip_crop": 4, "cutout": 16}])
@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_targets_are_the_shares_of_images_in_what_the_network_sees(name, holes):
    """Each image is painted in a colour of its own before it is mixed, with its holes: its share is what can be seen.

    What comes after mixing may not hide any of it. Of CutMix it is the share of the pixels.
    """
    chain = build_interventions(complete_config(TrialConfig(**{name: 1.0, "mix_last": True} | holes)))
    generator, colours = stream(), torch.arange(1.0, 9)
    for _ in range(60):
        images, targets = batch(8)[0], torch.eye(8)
        for step, intervene in chain.items():
            painted = colours.view(-1, 1, 1, 1).expand_as(images)
            images, targets = intervene(painted if step == name else images, targets, generator)
        if name == "mixup":
            assert torch.allclose(images, (targets @ colours).view(-1, 1, 1, 1).expand_as(images), atol=1e-5)
        else:
            shares = (images[:, 0, :, :, None] == colours).float().mean(dim=(1, 2))
            assert torch.allclose(shares, targets, atol=1e-6)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_as_many_batches_are_mixed_as_asked_and_each_as_if_all_were(name):
    generator, twin = stream(), stream()
    some, every = (INTERVENTIONS[name](config(name, 1.0, mixing_probability=share)) for share in (0.3, 1.0))
    images, targets = batch(8, 8)
    mixed = 0
    for _ in range(1000):
        found = some(images, targets, generator)
        if torch.rand((), dtype=torch.float64, generator=twin) < 0.3:
            expected, mixed = every(images, targets, twin), mixed + 1
            assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])
        else:
            assert found[0] is images and found[1] is targets
    assert mixed == pytest.approx(300, abs=45)

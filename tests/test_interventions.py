"""Every intervention against the laws of the registry, and each against a slow twin of its own."""

import numpy as np
import pytest
import torch
from scipy import stats

from specbias.config import TrialConfig
from specbias.interventions import INTERVENTIONS, build_interventions
from specbias.seeds import derive_seed

STRENGTHS = {"mixup": 0.5, "flip_crop": 4, "cutout": 10, "label_smoothing": 0.2}


def batch(count=64, size=32):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 3, size, size, generator=generator) + 3  # no zeros of its own
    targets = torch.eye(10)[torch.randint(10, (count,), generator=generator)]
    return images, targets


def stream(name="test"):
    return torch.Generator().manual_seed(derive_seed(name))


def config(name, strength):
    return TrialConfig(**{"flip_crop": 0, name: strength})


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_strength_zero_is_the_identity_and_draws_nothing(name):
    images, targets = batch()
    generator = stream()
    before = generator.get_state()
    found = INTERVENTIONS[name](config(name, 0))(images, targets, generator)
    assert found[0] is images and found[1] is targets
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_strength_changes_the_batch_writes_to_no_input_and_keeps_targets_probabilities(name):
    images, targets = batch()
    copies = images.clone(), targets.clone()
    new_images, new_targets = INTERVENTIONS[name](config(name, STRENGTHS[name]))(images, targets, stream())
    assert torch.equal(images, copies[0]) and torch.equal(targets, copies[1])
    assert not (torch.equal(new_images, images) and torch.equal(new_targets, targets))
    assert new_images.shape == images.shape and new_images.dtype == images.dtype
    assert new_targets.sum(1) == pytest.approx(torch.ones(64)) and new_targets.min() >= 0


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_the_same_stream_gives_the_same_batch(name):
    intervene = INTERVENTIONS[name](config(name, STRENGTHS[name]))
    (first, labels), (second, labels_again) = (intervene(*batch(), stream()) for _ in range(2))
    assert torch.equal(first, second) and torch.equal(labels, labels_again)


def test_none_discards_another():
    """Each leaves its mark on the batch that all of them make: without it, with the same streams, it is another."""

    def chained(strengths):
        images, targets = batch()
        for name, intervene in build_interventions(TrialConfig(**{"flip_crop": 0} | strengths)).items():
            images, targets = intervene(images, targets, stream(name))
        return torch.cat([images.flatten(), targets.flatten()])

    assert list(build_interventions(TrialConfig())) == list(STRENGTHS)  # the order of application
    for name in STRENGTHS:
        without = {other: strength for other, strength in STRENGTHS.items() if other != name}
        assert not torch.equal(chained(STRENGTHS), chained(without)), name


def test_flip_crop_gives_each_image_one_of_its_shifted_and_flipped_copies_equally_often():
    image = torch.arange(1, 13).float().view(1, 1, 3, 4).repeat(1, 3, 1, 1)
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1))
    twins = {}
    for top in range(3):
        for left in range(3):
            crop = padded[0, :, top : top + 3, left : left + 4]
            twins[crop.numpy().tobytes()] = 0
            twins[crop.flip(-1).contiguous().numpy().tobytes()] = 0
    found, _ = INTERVENTIONS["flip_crop"](config("flip_crop", 1))(
        image.repeat(3600, 1, 1, 1), torch.ones(3600, 1), stream()
    )
    for one in found:
        twins[one.contiguous().numpy().tobytes()] += 1  # KeyError: not one of them
    assert len(twins) == 18
    assert stats.chisquare(list(twins.values())).pvalue > 0.01


def test_cutout_blanks_a_clipped_square_with_its_centre_anywhere():
    side, count = 4, 4000
    images, _ = INTERVENTIONS["cutout"](config("cutout", side))(
        torch.ones(count, 3, 8, 8), torch.ones(count, 1), stream()
    )
    twins = {}
    for row in range(8):
        for column in range(8):
            twin = np.ones((3, 8, 8), dtype=np.float32)
            twin[:, max(0, row - 2) : row + 2, max(0, column - 2) : column + 2] = 0
            twins.setdefault(twin.tobytes(), 0)
    for image in images:
        twins[image.numpy().tobytes()] += 1
    assert len(twins) == 64
    assert stats.chisquare(list(twins.values())).pvalue > 0.01


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


def test_label_smoothing_is_the_papers():
    _, targets = INTERVENTIONS["label_smoothing"](config("label_smoothing", 0.2))(*batch(), stream())
    assert targets.max() == pytest.approx(0.82) and targets.min() == pytest.approx(0.02)

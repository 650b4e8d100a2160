"""Every intervention against the laws of all, and each against a slow twin of its own; mixing is in test_mixing.py."""

import numpy as np
import pytest
import torch
from scipy import stats

from specbias.data import load_data, normalise, to_pixels
from specbias.data.datasets import DATASETS
from specbias.models import build_model
from specbias.settings import content_identity, own_code
from specbias.settings.config import TrialConfig
from specbias.settings.seeds import derive_seed
from specbias.training.interventions import INTERVENTIONS, build_interventions
from specbias.training.label_noise import composite_image
from specbias.training.train import new_state, train

STRENGTHS = {
    "mixup": 0.5,
    "cutmix": 1.0,
    "image_frequency": 4.0,
    "autoaugment": 1.0,
    "randaugment": 4.0,
    "augmix": 3.0,
    "gaussian_noise": 0.1,
    "own_strength": 0.5,
    "flip_crop": 4,
    "cutout": 10,
    "label_smoothing": 0.2,
}
WAYS = [(name, {}) for name in INTERVENTIONS]  # and how else some can be done
WAYS += [(name, {"mixing_probability": 0.9}) for name in ("mixup", "cutmix")]
WAYS += [(name, {"policy_source": "torchvision"}) for name in ("autoaugment", "randaugment")]
CIFAR10 = DATASETS["cifar10"]


@pytest.fixture(autouse=True)
def one_thread(threads):
    """Small batches are faster on one, above all where others compute too."""
    torch.set_num_threads(1)


def batch(count=64, size=32):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (count, 3, size, size), generator=generator)
    images = normalise(pixels, CIFAR10.mean, CIFAR10.std)  # no zeros of its own
    targets = torch.eye(10)[torch.randint(10, (count,), generator=generator)]
    return images, targets


def stream(name="test"):
    return torch.Generator().manual_seed(derive_seed(name))


# One's own: here to add noise, of which the strength is the deviation
CODE = b"""
import torch
def noise(config):
    return lambda images, targets, generator: (
        images + config.own_strength * torch.randn(images.shape, generator=generator).to(images.device), targets)
"""
own_code.add({content_identity(CODE): CODE})
OWN = f"own:noise#{content_identity(CODE)}"


def config(name, strength, **settings):
    if name == "own_strength":
        settings["own_intervention"] = OWN
    return TrialConfig(**{"flip_crop": 0, name: strength} | settings)


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_strength_zero_is_the_identity_and_draws_nothing(name, way):
    images, targets = batch()
    generator = stream()
    before = generator.get_state()
    found = INTERVENTIONS[name](config(name, 0, **way))(images, targets, generator)
    assert found[0] is images and found[1] is targets
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_strength_changes_the_batch_writes_to_no_input_and_keeps_targets_probabilities(name, way):
    images, targets = batch()
    copies = images.clone(), targets.clone()
    new_images, new_targets = INTERVENTIONS[name](config(name, STRENGTHS[name], **way))(images, targets, stream())
    assert torch.equal(images, copies[0]) and torch.equal(targets, copies[1])
    assert not (torch.equal(new_images, images) and torch.equal(new_targets, targets))
    assert new_images.shape == images.shape and new_images.dtype == images.dtype
    assert new_targets.sum(1) == pytest.approx(torch.ones(64)) and new_targets.min() >= 0


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_the_same_stream_gives_the_same_batch(name, way):
    intervene = INTERVENTIONS[name](config(name, STRENGTHS[name], **way))
    (first, labels), (second, labels_again) = (intervene(*batch(), stream()) for _ in range(2))
    assert torch.equal(first, second) and torch.equal(labels, labels_again)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize(("name", "way"), WAYS)
def test_the_same_stream_gives_the_same_batch_on_a_gpu(name, way):
    expected, found = (
        INTERVENTIONS[name](config(name, STRENGTHS[name], device=device, **way))(
            *(x.to(device) for x in batch()), stream()
        )
        for device in ("cpu", "cuda")
    )
    for one, other in zip(expected, found, strict=True):
        assert other.device.type == "cuda" and torch.allclose(one, other.cpu(), atol=1e-5)


def test_none_discards_another():
    """Each leaves its mark on the batch that all of them make: without it, with the same streams, it is another."""

    def chained(strengths):
        images, targets = batch()
        for name, intervene in build_interventions(
            TrialConfig(**{"flip_crop": 0, "own_intervention": OWN} | strengths)
        ).items():
            images, targets = intervene(images, targets, stream(name))
        return torch.cat([images.flatten(), targets.flatten()])

    assert list(build_interventions(TrialConfig())) == list(STRENGTHS)  # the order of application
    last = [*build_interventions(TrialConfig(mix_last=True))]
    assert last == [name for name in STRENGTHS if name not in ("mixup", "cutmix")] + ["mixup", "cutmix"]
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


def test_image_frequency_adds_one_of_two_images_and_smooths_only_those_labels():
    images, targets = torch.zeros(4000, 3, 32, 32), torch.eye(10)[torch.arange(4000) % 10]
    settings = {"image_frequency_probability": 0.6, "image_frequency_share": 0.25, "image_frequency_smoothing": 0.3}
    intervene = INTERVENTIONS["image_frequency"](config("image_frequency", 4.0, **settings))
    found, labels = intervene(images, targets, stream())
    counts = {"none": 0, 2: 0, -2: 0}
    twins = {power: 4 * w / np.linalg.norm(w) for power in (2, -2) for w in [composite_image(32, power=power)]}
    kinds = ["none" if not image.any() else 2 if image[0, 0, 0] > 1 else -2 for image in found]
    for image, label, target, kind in zip(found, labels, targets, kinds, strict=True):
        counts[kind] += 1
        if kind == "none":
            assert torch.equal(label, target)
        else:
            assert np.allclose(image, twins[kind], atol=1e-6) and label.max() == pytest.approx(0.7 + 0.03)
    expected = [4000 * 0.4, 4000 * 0.6 * 0.25, 4000 * 0.6 * 0.75]
    assert stats.chisquare(list(counts.values()), expected).pvalue > 0.01


def test_image_frequency_leaves_the_training_images_as_they_are(small):
    """The paper's code adds to the training set itself, epoch after epoch."""
    settings = small(image_frequency=8.0)
    data = load_data(settings)
    before = [part.clone() for part in data.train]
    torch.manual_seed(0)
    list(train(new_state(build_model("small_cnn", num_classes=10, image_size=32, width=4), settings), data))
    assert all(torch.equal(part, copy) for part, copy in zip(data.train, before, strict=True))


def test_gaussian_noise_has_the_asked_deviation_at_every_pixel():
    images = torch.zeros(500, 3, 8, 8)
    found, _ = INTERVENTIONS["gaussian_noise"](config("gaussian_noise", 0.3))(images, torch.ones(500, 1), stream())
    assert stats.kstest(found.flatten().numpy() / 0.3, stats.norm.cdf).pvalue > 0.01


def test_autoaugment_reaches_the_asked_share_of_the_images_and_leaves_the_others():
    images, targets = batch(600)
    half, _ = INTERVENTIONS["autoaugment"](config("autoaugment", 0.5))(images, targets, stream())
    all_of_them, _ = INTERVENTIONS["autoaugment"](config("autoaugment", 1.0))(images, targets, stream())
    changed, can_change = ((found != images).flatten(1).any(1) for found in (half, all_of_them))
    assert can_change.float().mean() > 0.5
    assert (changed & ~can_change).sum() == 0
    assert changed.sum() / can_change.sum() == pytest.approx(0.5, abs=0.08)


def test_flip_and_crop_act_on_the_augmented_image():
    """The paper's code applies them to the image before augmentation, which is then lost."""
    images, targets = batch()
    both = build_interventions(TrialConfig(randaugment=8.0, flip_crop=4))
    augmented, _ = both["randaugment"](images, targets, stream())
    found, _ = both["flip_crop"](augmented, targets, stream("flip"))
    for image, source in zip(found, augmented, strict=True):
        inner = image[:, 4:-4, 4:-4]
        windows = torch.cat([source, source.flip(-1)]).unfold(1, 24, 1).unfold(2, 24, 1)  # (6, 9, 9, 24, 24)
        windows = windows.unflatten(0, (2, 3)).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
        assert (windows == inner).flatten(1).all(1).any()


def test_pixels_survive_normalised_space():
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    for facts in DATASETS.values():
        assert torch.equal(to_pixels(normalise(pixels, facts.mean, facts.std), facts.mean, facts.std), pixels)


def test_label_smoothing_is_the_papers():
    _, targets = INTERVENTIONS["label_smoothing"](config("label_smoothing", 0.2))(*batch(), stream())
    assert targets.max() == pytest.approx(0.82) and targets.min() == pytest.approx(0.02)

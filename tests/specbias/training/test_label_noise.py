"""Waves on the labels against plain twins in numpy, the constants of the paper's code, and the laws of label noise."""

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from specbias.data import load_data
from specbias.models import build_model
from specbias.settings import SettingError
from specbias.settings.config import NOISE_TYPES, TrialConfig
from specbias.training.interventions import label_smoothing
from specbias.training.label_noise import build_label_noise, composite_image, expected_norm, fourier_image, random_image
from specbias.training.train import new_state, train


@pytest.fixture
def noisy(small):
    """Return a function that gives (noise, data) of a trial on 300 digits."""

    def make(**settings):
        config = small(**{"label_noise": 0.2, "noise_frequency": 0.1, "train_size": 300} | settings)
        data = load_data(config)
        return build_label_noise(config, data), data

    return make


def batch(data, rows=slice(0, 64)):
    images, labels = (part[rows] for part in data.train)
    return data.normalise(images), one_hot(labels, data.num_classes).float()


def released_basis(row, column, size=32):
    """The paper's code's basis image on the shifted grid, from its formula: one point and its mirror image."""
    spectrum = np.zeros((size, size), dtype=complex)
    mirror = (-row % size, -column % size)
    spectrum[row, column] = 0.5 + 0.5j
    spectrum[mirror] = 1 if mirror == (row, column) else 0.5 - 0.5j
    return size * np.fft.ifft2(np.fft.ifftshift(spectrum)).real


def twin_places(images, name):
    """p(x) of normalised images (N, 3, 32, 32), with explicit sums over pixels."""
    if name == "uniform":
        return np.zeros(len(images))
    if name == "radial":
        return np.sqrt((images**2).sum(axis=(1, 2, 3))) - 55.421115476835411
    y, x = np.mgrid[:32, :32]
    if name == "random":
        direction = np.random.RandomState(0).normal(size=32 * 32 * 3).reshape(32, 32, 3).transpose(2, 0, 1)  # noqa: NPY002
    elif name == "fourier":  # 2 cycles per image asked for: one on each axis
        direction = np.stack([np.cos(angle := 2 * np.pi * (x + y) / 32) - np.sin(angle)] * 3)
    else:
        waves = {(i, j): max(1, i * i + j * j) for i in range(-16, 16) for j in range(-16, 16)}
        power = 1 if name == "f" else -1
        one = sum(q**power * np.cos(2 * np.pi * (i * y + j * x) / 32) for (i, j), q in waves.items())
        direction = np.stack([one] * 3)
    return (images * (direction / np.sqrt((direction**2).sum()))).sum(axis=(1, 2, 3))


@pytest.mark.parametrize("name", NOISE_TYPES)
def test_every_type_equals_its_twin_and_has_the_asked_mean_over_the_training_split(noisy, name):
    noise, data = noisy(noise_type=name)
    images = data.normalise(data.train.images).double().numpy()
    wave = 1 + np.sin(2 * np.pi * 0.1 * twin_places(images, name))
    twin = 0.2 * wave / wave.mean()
    found = noise.smoothing(data.normalise(data.train.images)).numpy()
    assert found == pytest.approx(twin, abs=1e-6)
    assert found.mean() == pytest.approx(0.2, abs=1e-12)
    assert (np.ptp(found) > 0.01) == (name != "uniform")


@pytest.mark.parametrize("name", NOISE_TYPES)
def test_targets_are_probabilities_inputs_stay_and_one_image_has_one_target(noisy, name):
    noise, data = noisy(noise_type=name)
    images, targets = batch(data)
    copies = images.clone(), targets.clone()
    stream = torch.get_rng_state()
    found = noise.apply(images, targets)
    assert torch.equal(torch.get_rng_state(), stream)
    assert torch.equal(images, copies[0]) and torch.equal(targets, copies[1])
    assert found.dtype == targets.dtype and not torch.equal(found, targets)
    assert found.sum(1) == pytest.approx(torch.ones(64)) and found.min() >= 0
    share = noise.smoothing(images).numpy()[:, None]
    assert found.numpy() == pytest.approx((1 - share) * targets.numpy() + share / 10, abs=1e-6)
    few = images[10:13].contiguous(memory_format=torch.channels_last)  # another batch, another layout
    assert torch.equal(noise.apply(few, targets[10:13]), found[10:13])


def test_a_batchs_own_mean_gives_each_batch_the_asked_mean(noisy):
    noise, data = noisy(noise_normalise="batch")
    parts = [noise.smoothing(batch(data, slice(start, start + 25))[0]) for start in range(0, 300, 25)]
    assert [part.mean().item() for part in parts] == pytest.approx([0.2] * 12)
    whole = noise.smoothing(batch(data, slice(0, 300))[0])
    assert not torch.allclose(torch.cat(parts), whole, atol=1e-3)  # so an image's target depends on its batch
    trough = torch.full((5,), -2.5, dtype=torch.float64)  # 1 + sin is 0 at all five
    assert noise.smoothing_at(trough).abs().max() == 0
    lonely = torch.tensor([2.5] + [-2.5] * 9, dtype=torch.float64)  # the mean is a tenth of the crest
    assert noise.smoothing_at(lonely).max() == 1


def test_uniform_noise_is_label_smoothing(noisy):
    noise, data = noisy(noise_type="uniform")
    images, targets = batch(data)
    _, smoothed = label_smoothing(TrialConfig(label_smoothing=0.2))(images, targets, torch.Generator())
    assert torch.allclose(noise.apply(images, targets), smoothed, atol=1e-7)


def test_strength_zero_is_no_noise(noisy):
    assert noisy(label_noise=0.0)[0] is None


def test_one_classs_noise_leaves_the_other_labels_alone_and_keeps_the_mean_over_all(noisy):
    (everywhere, data), (noise, _) = noisy(), noisy(noise_class=3)
    images, targets = batch(data)
    of_class = targets.argmax(1) == 3
    found = noise.apply(images, targets)
    assert 0 < of_class.sum() < 64
    assert torch.equal(found[~of_class], targets[~of_class])
    assert torch.equal(found[of_class], everywhere.apply(images, targets)[of_class])


@pytest.mark.parametrize("settings", [{}, {"noise_class": 3}, {"noise_normalise": "batch"}])
def test_an_epoch_of_training_leaves_the_training_images_and_labels_as_they_were(small, settings):
    config = small(label_noise=0.3, epochs=1, flip_crop=0, **settings)
    data = load_data(config)
    before = [part.clone() for part in data.train]
    noise = build_label_noise(config, data)
    targets = noise.apply(*batch(data))
    list(train(new_state(build_model("small_cnn", num_classes=10, image_size=32, width=4), config), data, noise))
    assert all(torch.equal(part, copy) for part, copy in zip(data.train, before, strict=True))
    assert torch.equal(noise.apply(*batch(data)), targets)  # nothing compounds


@pytest.mark.parametrize("mixing", [{"mixup": 0.5}, {"mixup": 0.5, "mix_last": True}, {"cutmix": 1, "mix_last": True}])
def test_training_noise_is_the_waves_at_the_image_the_network_sees(small, mixing):
    config = small(label_noise=0.3, cutout=8, label_smoothing=0.1, epochs=1, **mixing)
    data = load_data(config)
    asked, seen = [], []

    class Spy:
        def apply(self, images, targets):
            asked.append((images, targets))
            return targets

    model = build_model("small_cnn", num_classes=10, image_size=32, width=4)
    model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    list(train(new_state(model, config), data, Spy()))
    assert len(asked) == len(seen) == 4
    for (images, targets), network_sees in zip(asked, seen, strict=True):
        assert torch.equal(images, network_sees)
        assert targets.min() == pytest.approx(0.01)  # smoothed already


@pytest.mark.parametrize("normalise", ["split", "batch"])
def test_labels_that_could_be_smoothed_by_more_than_all_are_refused_with_the_most_that_can_be(noisy, normalise):
    settings = {"noise_frequency": 0.02, "noise_normalise": normalise}
    with pytest.raises(SettingError, match=r"label_noise=0\.5: .*so at most 0\.\d+$") as error:
        noisy(label_noise=0.5, **settings)
    most = float(str(error.value).split()[-1])
    noise, _ = noisy(label_noise=most, **settings)
    crest = torch.tensor([0.25 / 0.02], dtype=torch.float64)
    if normalise == "split":
        assert 0.999 < noise.smoothing_at(crest).item() <= 1
    assert noisy(label_noise=0.5, noise_type="uniform")[0].test.shape == (602,)


def test_a_class_without_a_training_image_is_refused(noisy):
    with pytest.raises(SettingError, match="noise_class=[0-9]: no training image is of that class"):
        for label in range(10):
            noisy(train_size=4, batch_size=2, noise_class=label)


def test_the_constants_are_those_of_the_papers_code():
    assert expected_norm(3 * 32 * 32) == pytest.approx(55.421115476835411, rel=1e-11)
    drawn = np.random.RandomState(5).normal(size=3072)  # noqa: NPY002
    image = random_image(32, seed=5)
    for row, column, channel in [(0, 0, 0), (0, 0, 2), (0, 7, 1), (31, 30, 0)]:
        assert image[channel, row, column] == drawn[(row * 32 + column) * 3 + channel]


@pytest.mark.parametrize(("asked", "each_axis"), [(0, 0), (1, 0), (2, 1), (4, 2), (8, 5), (16, 11), (22, 15), (40, 15)])
def test_a_fourier_image_is_the_released_one_of_norm_sqrt_3(asked, each_axis):
    image = fourier_image(32, asked)
    assert np.linalg.norm(image) == pytest.approx(np.sqrt(3))
    assert image == pytest.approx(np.stack([released_basis(16 + each_axis, 16 + each_axis)] * 3))


@pytest.mark.parametrize(("power", "amplitudes"), [(2, (32, 128, 512, 2048)), (-2, (32, 8, 2, 0.5))])
def test_a_composite_is_the_weighted_sum_of_all_released_images(power, amplitudes):
    twin = np.zeros((32, 32))
    for row in range(32):
        for column in range(32):
            q = max(1, (row - 16) ** 2 + (column - 16) ** 2)
            twin += (q if power == 2 else 1 / q) * released_basis(row, column)
    image = composite_image(32, power=power)
    assert image == pytest.approx(np.stack([twin] * 3), abs=1e-8)
    spectrum = np.abs(np.fft.fft2(image[0]))
    assert [spectrum[0, k] for k in (1, 2, 4, 8)] == pytest.approx(amplitudes)


def test_the_spread_of_cifar10_along_each_direction_is_the_published_one(cifar_directory):
    published = {
        ("radial", 2): 14.25,
        ("random", 2): 1.26,
        ("1/f", 2): 17.7,
        ("fourier", 2): 7.39,
        ("fourier", 8): 0.87,
    }
    data = load_data(TrialConfig(train_size=128))
    for (name, k), std in published.items():
        noise = build_label_noise(TrialConfig(label_noise=0.1, noise_type=name, noise_spatial_frequency=k), data)
        assert noise.test.std().item() == pytest.approx(std, rel=6e-3), name
        assert noise.frequency_times_std == pytest.approx(0.038 * noise.train.std(correction=0).item())
        if name == "radial":
            assert noise.test.mean().item() + 55.4211 == pytest.approx(53.49, abs=0.01)

"""Experiment 3: digits and waves are what they are said to be, and noise of high frequency is learned last."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torchvision.datasets import MNIST

from specbias.settings import SettingError
from specbias.synthetic.config import DigitNoiseConfig
from specbias.synthetic.digit_noise import build_digit_noise
from specbias.synthetic.digits import load_two_digits
from specbias.synthetic.run import run_experiment
from specbias.synthetic.training import new_state

SMALL = DigitNoiseConfig(runs=2, steps=20, width=16, depth=3, noise_frequency=0.7, noise_strength=0.5, threads=1)
MIRROR = "https://mirror.invalid/"


def test_the_digits_are_threes_and_eights_in_order_with_pixels_up_to_one():
    bunch = load_digits()
    keep = [(image, label) for image, label in zip(bunch.data, bunch.target, strict=True) if label in (3, 8)]
    points = load_two_digits("digits")
    assert points.inputs.shape == (357, 64) and points.inputs.max() == 1 and points.inputs.min() == 0
    assert np.array_equal(points.inputs.numpy() * 16, np.array([image for image, _ in keep]))
    assert points.targets.tolist() == [{3: -1.0, 8: 1.0}[label] for _, label in keep]


def test_the_norms_are_as_documented():
    norms = load_two_digits("digits").inputs.norm(dim=-1)
    assert (round(norms.min().item(), 1), round(norms.max().item(), 1)) == (3.2, 4.6)
    assert norms.std().item() == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_the_first_four_fifths_train_on_the_wave_and_the_rest_validates_without(strength):
    config = DigitNoiseConfig(**SMALL.to_dict() | {"noise_strength": strength})
    task, points = build_digit_noise(config), load_two_digits("digits")
    inputs, targets = points.inputs.numpy(), points.targets.numpy()
    norms = np.sqrt((inputs[:285] ** 2).sum(axis=1))
    expected = targets[:285] + strength * np.sin(2 * np.pi * 0.7 * norms)
    np.testing.assert_allclose(task.inputs[0].numpy(), inputs[:285])
    for row in task.targets:
        np.testing.assert_allclose(row.numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(task.facts["norms"], norms)
    np.testing.assert_allclose(task.facts["targets"], expected, atol=1e-12)
    state = new_state(config, 64)
    with torch.no_grad():
        found = task.record(state.networks, state.networks(task.inputs))
        outputs = state.networks(points.inputs.float().unsqueeze(0)).double().numpy()
    for run in range(2):
        errors = (outputs[run, :285] - expected, outputs[run, 285:] - targets[285:])
        for name, error in zip(("loss", "validation_loss"), errors, strict=True):
            assert found[name][run].item() == pytest.approx((error**2).mean(), rel=1e-5)
    assert found["loss"][0] != found["loss"][1]


def test_curves_have_a_point_every_ten_updates():
    *_, (_, last) = run_experiment(SMALL)
    assert last.arrays["loss"].shape == last.arrays["validation_loss"].shape == (2, 3)
    assert set(last.metrics) == {"synthetic/loss", "synthetic/validation_loss"}


def write_mnist(folder, labels):
    """Write training images of MNIST's format, each of one grey level: its place times 20."""
    folder.mkdir(parents=True)
    images = np.repeat(np.arange(len(labels), dtype=np.uint8) * 20, 28 * 28).tobytes()
    header = {"images": (2051, len(labels), 28, 28), "labels": (2049, len(labels))}
    for kind, content in (("images", images), ("labels", bytes(labels))):
        start = np.array(header[kind], dtype=">i4").tobytes()
        for part in ("train", "t10k"):
            (folder / f"{part}-{kind}-idx{3 if kind == 'images' else 1}-ubyte").write_bytes(start + content)


def test_mnist_is_read_in_its_own_order_with_pixels_by_255(tmp_path, monkeypatch):
    write_mnist(tmp_path / "MNIST" / "raw", [8, 1, 3, 3, 0, 8])
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(tmp_path))
    points = load_two_digits("mnist")
    assert points.targets.tolist() == [1, -1, -1, 1]
    levels = torch.tensor([0, 40, 60, 100], dtype=torch.float64) / 255
    torch.testing.assert_close(points.inputs, levels.unsqueeze(1).expand(4, 784))


def test_mnist_that_is_nowhere_is_one_line_and_leaves_no_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(MNIST, "mirrors", [MIRROR])
    with pytest.raises(SettingError, match="MNIST is not there.*SPECBIAS_DATA_DIR") as error:
        build_digit_noise(DigitNoiseConfig(dataset="mnist"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "data").exists()


def test_mnist_that_is_damaged_is_one_line(tmp_path, monkeypatch):
    write_mnist(tmp_path / "MNIST" / "raw", [3, 8])
    images = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:100])
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(tmp_path))
    with pytest.raises(SettingError, match="MNIST is not there") as error:
        load_two_digits("mnist")
    assert "\n" not in str(error.value)
    assert images.exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dataset": "cifar10"}, "digits or mnist"),
        ({"noise_frequency": 0.0}, "noise_frequency=0.0"),
        ({"noise_strength": -1.0}, "noise_strength=-1.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        DigitNoiseConfig(**settings)


def curves(frequency, strength):
    """The losses of one run on the digits, from 0 to 250 updates."""
    config = DigitNoiseConfig(runs=1, steps=250, noise_frequency=frequency, noise_strength=strength, threads=1)
    *_, (_, last) = run_experiment(config)
    return {name: last.arrays[name][0] for name in ("loss", "validation_loss")}


@pytest.mark.nightly
def test_low_noise_harms_from_the_start_and_high_noise_later():
    """Claims 1, 3 and 4 between the ends of the presets' frequencies: a seventh of a period over the data, and 8.5."""
    clean, low, high = curves(1.0, 0.0), curves(0.1, 1.0), curves(6.0, 1.0)
    best = {name: each["validation_loss"].min() for name, each in (("clean", clean), ("low", low), ("high", high))}
    assert best["low"] > 2 * best["high"]
    assert best["high"] < best["clean"] + 0.1
    assert low["validation_loss"][-1] - best["low"] < 0.05
    assert high["validation_loss"][-1] - best["high"] > 0.1
    assert high["loss"][10] > 2 * low["loss"][10]

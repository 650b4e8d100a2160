"""Measuring from Python: whatever images come as, the numbers are those of the command line, and nothing is changed."""

import copy
import doctest
import importlib

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import specbias
from specbias.data import load_dataset
from specbias.measurement.report import measure_function
from specbias.settings import SettingError
from specbias.settings.measurement import MeasureSettings

SHORT = {"pairs": 2, "spacing": 4.0, "quiet": True}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))


@pytest.fixture(scope="module")
def digits():
    test = load_dataset("digits").test
    return test.images, test.labels


def test_a_module_on_a_named_data_set_has_the_numbers_of_measure_function_and_is_left_as_it_was(network):
    network.train()
    before = copy.deepcopy(network.state_dict())
    found = specbias.measure(network, "digits", **SHORT)
    assert network.training and all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    twin, _ = measure_function(network.eval(), load_dataset("digits"), MeasureSettings(pairs=2, spacing=4.0))
    assert found.record["accuracy"] == twin["accuracy"]
    assert found.record["between_class"]["crossings"] == pytest.approx(twin["between_class"]["crossings"], abs=0.02)
    assert found.record["within_class"]["total_variation"] == pytest.approx(twin["within_class"]["total_variation"])
    assert found.name == "Sequential"


def given(images, labels):
    """The same images, in all the forms that people have them in."""
    floats = images.float() / 255
    normalised = TensorDataset((floats - 0.5) / 0.25, labels)
    normalised.transform = type("Normalize", (), {"mean": (0.5,) * 3, "std": (0.25,) * 3})()  # as torchvision's
    return {
        "uint8": ((images, labels), {"input_mean": (0.5,) * 3, "input_std": (0.25,) * 3}),
        "numpy, channels last": (
            (images.numpy().transpose(0, 2, 3, 1), labels.numpy()),
            {"input_mean": [0.5] * 3, "input_std": [0.25] * 3},
        ),
        "floats, normalised": (
            ((floats - 0.5) / 0.25, labels),
            {"input_mean": (0.5,) * 3, "input_std": (0.25,) * 3},
        ),
        "a Dataset with Normalize": ((normalised,), {}),
        "a shuffled DataLoader": ((DataLoader(normalised, batch_size=100, shuffle=True),), {}),
    }


def test_images_are_the_same_however_they_come(network, digits):
    found = {
        form: specbias.measure(network, *where, space="digits", **SHORT, **settings).record
        for form, (where, settings) in given(*digits).items()
    }
    one = found["uint8"]
    for form, record in found.items():
        assert record["accuracy"] == one["accuracy"], form
        assert record["within_class"]["total_variation"] == pytest.approx(one["within_class"]["total_variation"]), form
        assert (
            record["settings"]["dataset"] == one["settings"]["dataset"] and "602 images" in one["settings"]["dataset"]
        )
    named = specbias.measure(network, "digits", **SHORT, input_mean=(0.5,) * 3, input_std=(0.25,) * 3).record
    assert named["within_class"]["total_variation"] == pytest.approx(one["within_class"]["total_variation"])


def test_floats_from_0_to_1_are_what_the_network_takes(network, digits):
    images, labels = digits
    found = specbias.measure(network, images.float() / 255, labels, **SHORT).record
    assert found["normalisation"]["network"] == {"mean": (0.0,) * 3, "std": (1.0,) * 3}


def test_a_function_may_give_arrays_and_classes_may_have_names(digits):
    images, labels = digits
    names = [f"digit {number}" for number in range(10)]
    found = specbias.measure(lambda x: x.flatten(1)[:, :10].numpy(), images, labels, class_names=names, **SHORT)
    assert found.record["class_names"] == names and found.name == "function"
    assert any("ImageNet's channel constants" in note for note in found.record["notes"])


def test_few_images_have_as_many_pairs_as_they_allow(digits):
    images, labels = digits
    few = torch.cat([(labels == label).nonzero().flatten()[:7] for label in range(10)])
    found = specbias.measure(lambda x: x.flatten(1)[:, :10], images[few], labels[few], spacing=4.0, quiet=True)
    assert found.record["settings"]["pairs"] == 3


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        ((torch.rand(20, 3, 8, 8) * 9, torch.arange(20) % 2), {}, "floats that are not from 0 to 1 .*give input_mean"),
        ((torch.rand(20, 3, 8, 8),), {}, "labels: needed with images that are a Tensor"),
        ((torch.zeros(20, 3, 8, 8, dtype=torch.uint8), torch.arange(19) % 2), {}, "20 images and 19 labels"),
        ((np.zeros((20, 5, 8, 8, 8), np.uint8), np.arange(20) % 2), {}, r"of shape \(20, 5, 8, 8, 8\)"),
        (([["no"]], torch.arange(20) % 2), {}, "no array of numbers"),
        (("digits", torch.arange(20)), {}, "labels: digits has its own"),
        (("digit",), {}, "unknown data set 'digit': did you mean digits"),
        (("digits",), {"pair": 3}, "unknown setting 'pair'"),
        (("digits",), {"spacing": -1}, "spacing=-1"),
        (("digits",), {"split": "extra"}, "split=extra: not in digits"),
        ((TensorDataset(torch.rand(20, 3, 8, 8)),), {}, "not images and labels"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(arguments, settings, said):
    with pytest.raises(SettingError, match=said) as error:
        specbias.measure(lambda x: x.flatten(1)[:, :10], *arguments, **settings, quiet=True)
    assert "\n" not in str(error.value)


def test_what_is_no_network_is_refused():
    with pytest.raises(SettingError, match="a str; expected a torch module, or a function of images"):
        specbias.measure("resnet18", "digits", **SHORT)


@pytest.mark.parametrize("name", ["measuring", "results", "comparison"])
def test_the_example_in_every_docstring_does_what_it_says(name):
    found = doctest.testmod(importlib.import_module(f"specbias.{name}"))
    assert found.attempted and not found.failed


@pytest.mark.slow
def test_the_demonstration_measures_early_and_late(capsys):
    early, late = specbias.demo()
    assert late.record["accuracy"] > 0.85 > early.record["accuracy"]
    assert "after epoch 8" in capsys.readouterr().out
    assert specbias.compare(early, late).rows[0].paired


def test_the_public_names_are_these_and_an_unknown_one_is_no_attribute():
    assert {"measure", "load", "compare", "demo"} <= {*dir(specbias)}
    with pytest.raises(AttributeError, match="has no attribute 'measurement_of'"):
        specbias.measurement_of  # noqa: B018

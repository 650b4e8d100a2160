"""Networks from elsewhere: how they are named, loaded and refused; and the command line around them."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from specbias.__main__ import main
from specbias.data.imagefolder import load_imagefolder
from specbias.measurement.report import measure_function
from specbias.models import build_model
from specbias.settings import SettingError
from specbias.settings.measurement import MeasureSettings, NetworkConfig
from specbias.trials.network import load_images, load_network, measure_network


def network(**settings):
    return load_network(NetworkConfig(**settings), num_classes=10, image_size=32)


def small():
    torch.manual_seed(0)
    return build_model("small_cnn", num_classes=10, image_size=32, width=4)


def digits(tmp_path, **settings):
    """A config that measures an untrained small network on the digits."""
    torch.save(small().state_dict(), tmp_path / "weights.pt")
    defaults = {"model": "small_cnn", "model_args": '{"width": 4}', "dataset": "digits", "pairs": 2}
    return NetworkConfig(**defaults | {"checkpoint": str(tmp_path / "weights.pt")} | settings)


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "own_networks.py").write_text(
        "from torch import nn\n"
        "def make(channels=3): return nn.Sequential(nn.Flatten(), nn.Linear(3072, channels), nn.Linear(channels, 10))\n"
        "def forget(): pass\n"
        "size = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("own_networks", None)


def test_a_factory_of_torchvision_of_ones_own_folder_or_of_ours_is_found(own_module):
    assert network(model="torchvision:resnet18", model_args='{"num_classes": 10}').fc.out_features == 10
    assert network(model="own_networks:make")[1].out_features == 3
    assert network(model="own_networks:make", model_args='{"channels": 5}')[1].out_features == 5
    assert network(model="small_cnn", model_args='{"width": 4}').classifier.out_features == 10


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model": "resnet"}, "unknown model 'resnet': did you mean resnet20. known: small_cnn"),
        ({"model": "own_networks:missing"}, "there is no 'missing' in own_networks"),
        ({"model": "no_such_module:make"}, "No module named 'no_such_module'"),
        ({"model": "./own_networks:make"}, "expected FILE.py:factory, or module:factory without folder"),
        ({"model": "./other_networks.py:make"}, "other_networks.py: No such file"),
        ({"model": "own_networks.make"}, "known: .*module:factory"),
        ({"model": "own_networks:size"}, "size is a int, not a factory"),
        ({"model": "own_networks:forget"}, "gave a NoneType, not a torch.nn.Module"),
        ({"model": "own_networks:make", "model_args": '{"depth": 5}'}, "calling it with .* failed .TypeError"),
        ({"model": "own_networks:make", "model_args": "{depth: 5}"}, "no JSON"),
        ({"model": "own_networks:make", "model_args": "[5]"}, "expected names and values"),
        ({"model": "own_networks:make", "checkpoint": "none.pt"}, "there is no such file"),
        ({"model": "own_networks:make", "checkpoint": "own_networks.py"}, "no file of weights that torch loads safely"),
    ],
)
def test_what_is_not_a_network_is_said_in_one_line(own_module, settings, said):
    with pytest.raises(SettingError, match=said) as error:
        network(**settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda weights: weights,
        lambda weights: {"epoch": 3, "state_dict": weights},
        lambda weights: {"model": {f"module.{name}": value for name, value in weights.items()}, "optimizer": {}},
        lambda weights: {
            "epoch": 3,
            "best_acc1": torch.tensor(70.1),
            "state_dict": weights,
            "optimizer": {"state": {}},
        },
        lambda weights: {f"_orig_mod.module.{name}": value for name, value in weights.items()},
        lambda weights: {f"module._orig_mod.{name}": value for name, value in weights.items()},
    ],
)
def test_weights_are_found_however_they_were_saved(tmp_path, wrapped):
    model = small()
    torch.save(wrapped(model.state_dict()), tmp_path / "weights.pt")
    loaded = network(model="small_cnn", model_args='{"width": 4}', checkpoint=str(tmp_path / "weights.pt"))
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in model.state_dict().items())


def test_weights_of_another_network_are_refused_by_name(tmp_path):
    weights = small().state_dict()
    weights["classifier.weight"] = weights["classifier.weight"][:5]
    weights["extra"] = weights.pop("classifier.bias")
    torch.save(weights, tmp_path / "weights.pt")
    with pytest.raises(SettingError) as error:
        network(model="small_cnn", model_args='{"width": 4}', checkpoint=str(tmp_path / "weights.pt"))
    said = str(error.value)
    assert "missing: classifier.bias; unknown: extra; of another shape: classifier.weight" in said


def test_a_checkpoint_is_never_unpickled_into_code(tmp_path):
    class Harmful:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/harmed",)

    torch.save({"state_dict": Harmful()}, tmp_path / "weights.pt")
    with pytest.raises(SettingError, match="loads safely: it holds a posix.system; save model.state_dict"):
        network(model="small_cnn", checkpoint=str(tmp_path / "weights.pt"))
    assert not (tmp_path / "harmed").exists()


def test_measuring_a_network_equals_measuring_the_function_it_is(tmp_path):
    config = digits(tmp_path)
    record, arrays = measure_network(config)
    model = small().eval()
    twin, twin_arrays = measure_function(model, load_images(config, "cpu"), MeasureSettings(pairs=2))
    assert record["accuracy"] == twin["accuracy"]
    for kind in ("within_class", "between_class"):
        assert arrays[f"frequency/{kind}/share"] == pytest.approx(twin_arrays[f"frequency/{kind}/share"], abs=1e-5)
    assert record["settings"]["model"] == "small_cnn" and record["settings"]["device"] in ("cpu", "cuda")


def test_the_expected_input_changes_what_the_network_sees_and_not_where_the_paths_lie(tmp_path):
    """A network on images in [-1, 1], and the same network on the data set's own normalised images."""
    own = digits(tmp_path)
    data = load_images(own, "cpu")
    mean, std = torch.tensor(data.mean), torch.tensor(data.std)
    model = small().eval()

    class OnOwnInput(nn.Module):  # what the network would be if it took the data set's normalised images
        def forward(self, images):
            pixels = images * std.view(1, 3, 1, 1) + mean.view(1, 3, 1, 1)
            return model((pixels - 0.5) / 0.25)

    record, arrays = measure_network(digits(tmp_path, input_mean=(0.5,) * 3, input_std=(0.25,) * 3))
    twin, twin_arrays = measure_function(OnOwnInput().eval(), data, MeasureSettings(pairs=2))
    assert np.array_equal(arrays["frequency/within_class/distance"], twin_arrays["frequency/within_class/distance"])
    assert arrays["frequency/between_class/share"] == pytest.approx(
        twin_arrays["frequency/between_class/share"], abs=1e-4
    )
    plain, _ = measure_network(own)
    changed = record["between_class"]["total_variation"] / plain["between_class"]["total_variation"]
    assert not 0.9 < changed < 1.1


def folder_of_images(folder, sizes):
    from PIL import Image

    generator = np.random.default_rng(0)
    for label, size in enumerate(sizes):
        for number in range(4):
            (folder / f"class_{label}").mkdir(parents=True, exist_ok=True)
            pixels = generator.integers(256, size=(*size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"class_{label}" / f"{number}.png")


def test_a_folder_of_images_is_a_data_set(tmp_path):
    folder_of_images(tmp_path / "images", [(16, 16)] * 3)
    config = NetworkConfig(
        model="small_cnn", model_args='{"width": 4}', dataset=f"imagefolder:{tmp_path / 'images'}", pairs=2
    )
    record, _ = measure_network(config)
    assert len(record["per_class"]) == 3 and record["between_class"]["n_paths"] == 6
    data = load_imagefolder(tmp_path / "images")
    assert data.test.images.shape == (12, 3, 16, 16) and data.test.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    folder_of_images(tmp_path / "images", [(16, 16), (20, 30)])
    with pytest.raises(SettingError, match="images of several sizes; give --image-size"):
        load_imagefolder(tmp_path / "images")
    assert load_imagefolder(tmp_path / "images", image_size=10).test.images.shape == (12, 3, 10, 10)
    (tmp_path / "parts").mkdir()
    (tmp_path / "images" / "class_0").rename(tmp_path / "parts" / "train")
    (tmp_path / "images" / "class_1").rename(tmp_path / "parts" / "val")
    with pytest.raises(SettingError, match="holds train, val, not classes; name one of them"):
        load_imagefolder(tmp_path / "parts", image_size=10)
    with pytest.raises(SettingError, match="only one class"):
        network_on_one = NetworkConfig(model="small_cnn", dataset=f"imagefolder:{tmp_path / 'images'}", pairs=1)
        measure_network(network_on_one)
    with pytest.raises(SettingError, match="imagefolder .*none"):
        load_imagefolder(tmp_path / "none")


def command(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "specbias", *arguments], cwd=cwd, capture_output=True, text=True, timeout=120
    )


def test_the_command_writes_the_record_and_every_path(tmp_path):
    config = digits(tmp_path, spacing=4.0)
    flags = ("--model", "small_cnn", "--model-args", config.model_args, "--dataset", "digits", "--pairs", "2")
    flags += ("--spacing", "4")
    done = command("measure", *flags, "--checkpoint", "weights.pt", "--output", "found.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "found.json").read_text())
    twin, _ = measure_network(config)
    for name in ("high_frequency_share", "mean_frequency", "total_variation", "n_paths", "n_samples"):
        assert record["within_class"][name] == pytest.approx(twin["within_class"][name], abs=1e-5)
    assert record["run"]["images"] == 602 + record["within_class"]["n_samples"] + record["between_class"]["n_samples"]
    with np.load(tmp_path / "found.npz") as arrays:
        assert arrays["frequency/between_class/share"].shape == (90,)
    assert "images" in done.stderr and "%" in done.stderr  # the progress bar
    assert "accuracy" in done.stdout and "found.npz" in done.stdout
    written = ["found.json", "found.npz", "found.png", "found.svg", "found_paths.png", "found_paths.svg"]
    assert sorted(file.name for file in tmp_path.glob("found*")) == written


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--model", "nothing"), "error: unknown model 'nothing'; known:"),
        (
            ("--dataset", "mnist"),
            "error: unknown data set 'mnist'; known: cifar10, cifar100, digits, leaves, tiny_imagenet, imagenet, "
            "imagefolder:DIR",
        ),
        (("--pairs", "0"), "error: pairs=0: must be at least 1"),
        (("--input-mean", "127", "127", "127"), "error: input_mean=(127.0, 127.0, 127.0): must be between 0 and 1"),
        (("--pairs", "400"), "error: 400 pairs need 800 images of a class"),
        (("--output", "."), "error: --output .: expected a file for JSON"),
        (("--output", "o.npz"), "error: --output o.npz: expected a file for JSON"),
        (("--output", "o.png"), "error: --output o.png: expected a file for JSON"),
        (("--output", "no/where.json"), "error: --output no/where.json: there is no folder no"),
        (("--split", "extra"), "error: split=extra: not in digits, which has train, validation, test"),
        (("--model", "torchvision:resnet18"), "error: the model gives outputs of shape (1000,) per image"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(tmp_path, monkeypatch, capsys, flags, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys, "argv", ["specbias", "measure", "--dataset", "digits", "--model", "small_cnn", "--pairs", "1", *flags]
    )
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith(said)
    assert not (tmp_path / "out.json").exists()

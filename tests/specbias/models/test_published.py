"""torchvision's published weights: from a file, through the metadata's own transforms; and what cannot be had."""

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from specbias.models.published import load_published
from specbias.settings import SettingError
from specbias.trials.class_config import ClassConfig, complete
from specbias.trials.classes import run_classes

NAME, WEIGHTS = "regnet_y_400mf", "IMAGENET1K_V2"  # which expects images of 232 pixels, cropped to 224


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Weights made here, in the file and form in which the published ones come."""
    torch.manual_seed(0)
    network = torchvision.models.get_model(NAME, weights=None)
    torch.nn.init.constant_(network.fc.bias[421:422], 9.0)  # it says 421 to all
    file = tmp_path_factory.mktemp("weights") / f"{NAME}.pth"
    torch.save(network.state_dict(), file)
    return str(file)


@pytest.fixture
def imagenet(tmp_path, monkeypatch):
    """A folder like ImageNet's validation images: two classes of the 1,000 that a file beside it names."""
    ids = [f"n{1000 + i:08d}" for i in range(1000)]
    (tmp_path / "imagenet").mkdir()
    lines = [f"{each} thing {i}" for i, each in enumerate(ids)]
    (tmp_path / "imagenet" / "LOC_synset_mapping.txt").write_text("\n".join(reversed(lines)))
    generator = np.random.default_rng(0)
    for place in (7, 421):
        folder = tmp_path / "imagenet" / "val" / ids[place]
        folder.mkdir(parents=True)
        for i in range(4):
            coarse = generator.integers(0, 256, (8, 10, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((300 + 20 * i, 240), Image.Resampling.BICUBIC).save(folder / f"{i}.JPEG")
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SPECBIAS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "imagenet"


def published(checkpoint, **settings):
    paths = {"class_pairs": 1, "class_partners": 1, "class_samples": 4, "spacing": 150.0, "band": 0.002}
    given = {"dataset": "imagenet", "model": f"torchvision:{NAME}", "pretrained": WEIGHTS, "checkpoint": checkpoint}
    return complete(ClassConfig(part="frequency", **given | paths | settings))


@pytest.mark.parametrize("constants", [None, (0.5, 0.5, 0.5)])
def test_the_output_of_every_image_is_that_of_torchvisions_own_way(imagenet, checkpoint, monkeypatch, constants):
    """Network, transforms of the weights, and the place of a class among 1,000 outputs: all by the records."""
    weights = torchvision.models.get_model_weights(NAME)[WEIGHTS]
    network = torchvision.models.get_model(NAME, weights=None).eval()
    network.load_state_dict(torch.load(checkpoint, weights_only=True))
    seen = []
    from specbias.trials import classes

    measure_class = classes.measure_class

    def spying(predict, *arguments, **settings):
        return measure_class(lambda images: seen.append(predict(images)) or seen[-1], *arguments, **settings)

    monkeypatch.setattr(classes, "measure_class", spying)
    transforms = weights.transforms()
    if constants:  # as one of torchvision's networks expects them
        published_as = classes.load_published
        other = {"mean": constants, "std": constants}
        monkeypatch.setattr(classes, "load_published", lambda *given: published_as(*given)._replace(**other))
        transforms.mean = transforms.std = constants
    records = [measurement for _, measurement in run_classes(published(checkpoint))]
    files = [sorted(folder.iterdir()) for folder in sorted((imagenet / "val").iterdir())]
    for record, own, label, outputs in zip(records, files, (7, 421), (seen[0], seen[len(seen) // 2]), strict=True):
        with torch.no_grad():
            expected = network(torch.stack([transforms(Image.open(file)) for file in own]))
        assert outputs[:4] == pytest.approx(expected, abs=0.02 * expected.std(0).mean().item())
        assert record.metrics["generalization/class_accuracy"] == (expected.argmax(1) == label).double().mean().item()
        assert 0 < record.metrics["frequency/within_class"] < 1
    assert [record.metrics["generalization/class_accuracy"] for record in records] == [0.0, 1.0]


def test_a_network_that_expects_other_constants_and_sizes_gets_them(checkpoint):
    for name, weights in (("mobilenet_v3_small", "IMAGENET1K_V1"), ("swin_t", "IMAGENET1K_V1")):
        preset = torchvision.models.get_model_weights(name)[weights].transforms()
        network = torchvision.models.get_model(name, weights=None)
        file = f"{checkpoint}.{name}"
        torch.save(network.state_dict(), file)
        found = load_published(name, weights, file)
        assert (found.size, found.resize) == (preset.crop_size[0], preset.resize_size[0])
        assert (found.interpolation, found.mean) == (preset.interpolation.value, tuple(preset.mean))


def test_offline_and_without_the_file_it_is_one_clear_line(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for proxy in ("http_proxy", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    with pytest.raises(SettingError) as caught:
        load_published(NAME, WEIGHTS)
    said = str(caught.value)
    assert said.startswith(f"pretrained={WEIGHTS}: the weights of {NAME} are not here and cannot be downloaded")
    assert "https://download.pytorch.org" in said and said.endswith("checkpoint=FILE") and "\n" not in said


@pytest.mark.parametrize(
    ("name", "weights", "file", "said"),
    [
        ("vgg16", "IMAGENET1K_FEATURES", None, "these weights of vgg16 are of its features alone, without classes"),
        ("resnet_18", "DEFAULT", None, "unknown model of torchvision 'resnet_18'"),
        (NAME, "V7", None, f"unknown weights of {NAME} 'V7'; known: IMAGENET1K_V1, IMAGENET1K_V2"),
        (NAME, WEIGHTS, "nowhere.pth", "checkpoint=nowhere.pth: there is no such file"),
    ],
)
def test_what_is_not_there_is_one_line(name, weights, file, said):
    with pytest.raises(SettingError, match=said) as caught:
        load_published(name, weights, file)
    assert "\n" not in str(caught.value)


def test_weights_of_another_network_do_not_fit(checkpoint):
    with pytest.raises(SettingError, match="does not fit the model"):
        load_published("squeezenet1_1", "DEFAULT", checkpoint)


def test_classes_that_are_not_told_among_the_outputs_are_refused(imagenet, checkpoint):
    (imagenet / "LOC_synset_mapping.txt").unlink()
    from specbias.data.imagenet_folders import read_folders

    read_folders.cache_clear()
    with pytest.raises(
        SettingError, match="where imagenet's classes are among the network's 1000 outputs is not known"
    ):
        next(run_classes(published(checkpoint)))

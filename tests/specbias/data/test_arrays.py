"""Image sets in numpy's files, laid out as their authors ship them, and other labels for the same images."""

import zipfile

import numpy as np
import pytest
import torch

from specbias.data.datasets import CIFAR_MEAN, IMAGENET_MEAN
from specbias.data.labels import read_labels
from specbias.data.opened import open_images
from specbias.settings import SettingError
from specbias.settings.measurement import NetworkConfig

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(256, size=(50, 6, 6, 3), dtype=np.uint8)
LABELS = np.concatenate([RANDOM.permutation(10) for _ in range(5)])


def opened(dataset, **settings):
    return open_images(NetworkConfig(dataset=str(dataset), **settings))


def check(split, pixels, labels):
    assert np.array_equal(split.images.permute(0, 2, 3, 1).numpy(), pixels)
    assert split.labels.tolist() == list(labels)


def test_cifar_10_c_is_read_with_the_labels_beside_it_one_severity_at_a_time(tmp_path):
    np.save(tmp_path / "gaussian_noise.npy", PIXELS)
    np.save(tmp_path / "labels.npy", np.tile(LABELS[:10], 5).astype(np.uint8))
    file = f"npy:{tmp_path / 'gaussian_noise.npy'}"
    check(opened(file, severity=5).test, PIXELS[40:], LABELS[:10])
    check(opened(file, severity=1).test, PIXELS[:10], LABELS[:10])
    whole = opened(file)
    check(whole.test, PIXELS, np.tile(LABELS[:10], 5))
    assert any("--severity takes one" in note for note in whole.notes)
    assert not any("--severity" in note for note in opened(file, severity=2).notes)
    assert opened(file, space="cifar10").mean == CIFAR_MEAN and opened(file).mean == IMAGENET_MEAN
    for space, said in ((None, True), ("cifar10", False)):
        assert said == any("ImageNet's channel constants" in note for note in opened(file, space=space).notes)
    with pytest.raises(SettingError, match="severity=6: must be between 1 and 5"):
        opened(file, severity=6)
    np.save(tmp_path / "gaussian_noise.npy", PIXELS[:49])
    with pytest.raises(SettingError, match="49 images, which are not five times as many"):
        opened(file, severity=1)


def test_cifar_10_1_is_a_pair_of_files(tmp_path):
    np.save(tmp_path / "cifar10.1_v6_data.npy", PIXELS)
    np.save(tmp_path / "cifar10.1_v6_labels.npy", LABELS.astype(np.int32))
    check(opened(f"npy:{tmp_path / 'cifar10.1_v6_data.npy'}").test, PIXELS, LABELS)


def test_cifar_10_2_is_one_file_with_other_arrays_too(tmp_path):
    names = {"label_names": ["airplane", "automobile"], "ti_indices": np.arange(50), "keywords": ["plane"] * 50}
    np.savez(tmp_path / "cifar102_test.npz", images=PIXELS, labels=LABELS, **names)
    check(opened(f"npz:{tmp_path / 'cifar102_test.npz'}").test, PIXELS, LABELS)


def test_medmnist_is_grey_with_a_column_of_labels_for_each_split(tmp_path):
    parts = {"train": slice(0, 20), "val": slice(20, 30), "test": slice(30, 50)}
    arrays = {f"{name}_images": PIXELS[rows, :, :, 0] for name, rows in parts.items()}
    arrays |= {f"{name}_labels": LABELS[rows, None].astype(np.uint8) for name, rows in parts.items()}
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays)
    data = opened(f"npz:{tmp_path / 'pneumoniamnist.npz'}")
    for name, rows in (("train", parts["train"]), ("validation", parts["val"]), ("test", parts["test"])):
        check(getattr(data, name), PIXELS[rows, :, :, :1].repeat(3, axis=3), LABELS[rows])


def test_kerass_names_are_understood(tmp_path):
    np.savez(tmp_path / "mnist.npz", x_train=PIXELS[:20], y_train=LABELS[:20], x_test=PIXELS[20:], y_test=LABELS[20:])
    data = opened(f"npz:{tmp_path / 'mnist.npz'}")
    check(data.train, PIXELS[:20], LABELS[:20])
    check(data.test, PIXELS[20:], LABELS[20:])


def test_classes_of_unequal_size_and_numbers_without_images_keep_their_numbers(tmp_path):
    labels = np.array([2] * 10 + [7] * 35 + [10] * 5)
    np.savez(tmp_path / "few.npz", images=PIXELS, labels=labels)
    data = opened(f"npz:{tmp_path / 'few.npz'}")
    assert data.class_ids == ("2", "7", "10") and data.num_classes == 3
    check(data.test, PIXELS, [0] * 10 + [1] * 35 + [2] * 5)


def test_a_key_names_the_labels_in_an_npz(tmp_path):
    coarse = LABELS // 2
    np.savez(tmp_path / "one.npz", images=PIXELS, labels=LABELS, coarse_labels=coarse)
    np.savez(tmp_path / "no_labels.npz", images=PIXELS, fine_labels=LABELS, coarse_labels=coarse)
    for name in ("one", "no_labels"):
        check(opened(f"npz:{tmp_path / name}.npz", labels_key="coarse_labels").test, PIXELS, coarse)
    check(opened(f"npz:{tmp_path / 'one.npz'}").test, PIXELS, LABELS)
    with pytest.raises(SettingError, match="labels_key=rough: npz .* holds images, labels, coarse_labels"):
        opened(f"npz:{tmp_path / 'one.npz'}", labels_key="rough")
    parts = {"x_train": PIXELS[:20], "coarse_train": coarse[:20], "x_test": PIXELS[20:], "coarse_test": coarse[20:]}
    np.savez(tmp_path / "parts.npz", **parts, y_train=LABELS[:20], y_test=LABELS[20:])
    data = opened(f"npz:{tmp_path / 'parts.npz'}", labels_key="coarse")
    check(data.train, PIXELS[:20], coarse[:20])
    check(data.test, PIXELS[20:], coarse[20:])
    assert not len(opened(f"npz:{tmp_path / 'parts.npz'}", labels_key="coarse_test").train.labels)


def test_of_two_arrays_that_may_be_the_same_none_is_taken(tmp_path):
    np.savez(tmp_path / "labels.npz", images=PIXELS, labels=LABELS, targets=LABELS[::-1])
    with pytest.raises(SettingError, match="labels and targets may both be the labels of split test; --labels-key"):
        opened(f"npz:{tmp_path / 'labels.npz'}")
    for key, labels in (("labels", LABELS), ("targets", LABELS[::-1])):
        check(opened(f"npz:{tmp_path / 'labels.npz'}", labels_key=key).test, PIXELS, labels)
    np.savez(tmp_path / "images.npz", data=PIXELS, images=255 - PIXELS, labels=LABELS)
    with pytest.raises(SettingError, match="data and images may both be the images of split test; no flag chooses"):
        opened(f"npz:{tmp_path / 'images.npz'}")


def test_labels_from_elsewhere_in_place_of_an_npzs_own_are_noted(tmp_path):
    np.save(tmp_path / "other.npy", LABELS[::-1])
    for arrays, notes in (({"labels": LABELS}, 1), ({}, 0)):
        np.savez(tmp_path / "images.npz", images=PIXELS, **arrays)
        data = opened(f"npz:{tmp_path / 'images.npz'}", labels=str(tmp_path / "other.npy"))
        check(data.test, PIXELS, LABELS[::-1])
        assert sum("other.npy, not labels in" in note for note in data.notes) == notes


def test_labels_of_the_other_byte_order_are_the_same_numbers(tmp_path):
    for kind in (">i8", "<i8", ">u2"):
        np.savez(tmp_path / "images.npz", images=PIXELS, labels=LABELS.astype(kind))
        check(opened(f"npz:{tmp_path / 'images.npz'}").test, PIXELS, LABELS)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        (
            {"images": PIXELS.astype(np.uint16), "labels": LABELS},
            "odd.npz images: uint16 from 0 to 255; expected uint8",
        ),
        ({"images": PIXELS / 255, "labels": LABELS}, "float64 from 0 to 1; expected uint8"),
        (
            {"images": np.where(PIXELS < 255, PIXELS / 250, np.nan), "labels": LABELS},
            rf"float64 from 0 to 1.016, and {(PIXELS == 255).sum()} of 5400 values are NaN; expected uint8",
        ),
        ({"images": PIXELS, "labels": LABELS[:40]}, "50 images and 40 labels"),
        ({"images": PIXELS}, "holds images; expected images and labels"),
        ({"pixels": PIXELS, "classes": LABELS}, "holds pixels, classes; expected"),
        ({"images": PIXELS, "labels": LABELS - 1}, "labels from -1 to 8; expected numbers from 0 on"),
        ({"images": PIXELS, "labels": LABELS / 10}, "labels: float64"),
        ({"images": PIXELS, "labels": RANDOM.integers(2, size=(50, 14))}, "labels: several classes for an image"),
        ({"images": PIXELS, "labels": LABELS.astype(object)}, "labels cannot be read"),
        ({"images": PIXELS[..., :2], "labels": LABELS}, r"of shape \(50, 6, 6, 2\)"),
        ({"images": PIXELS[:0], "labels": LABELS[:0]}, "no images in it"),
    ],
)
def test_an_npz_that_would_be_read_wrongly_is_refused_in_one_line(tmp_path, arrays, said):
    np.savez(tmp_path / "odd.npz", **arrays)
    with pytest.raises(SettingError, match=said) as error:
        opened(f"npz:{tmp_path / 'odd.npz'}")
    assert "\n" not in str(error.value)


def test_files_that_are_none_are_refused_by_name(tmp_path):
    (tmp_path / "text.npz").write_text("no zip")
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "alone.npy", PIXELS)
    for dataset, said in (
        (f"npz:{tmp_path / 'text.npz'}", "text.npz: it cannot be read safely"),
        (f"npy:{tmp_path / 'text.npy'}", "text.npy: it cannot be read safely"),
        (f"npz:{tmp_path / 'none.npz'}", "none.npz: No such file"),
        (f"npy:{tmp_path / 'alone.npy'}", "alone.npy: no labels.npy beside it; give --labels FILE"),
        (f"npz:{tmp_path / 'alone.npy'}", "holds one array; give it as npy:FILE"),
        ("npz:", "dataset=npz:: name the file"),
    ):
        with pytest.raises(SettingError, match=said) as error:
            opened(dataset)
        assert "\n" not in str(error.value)


def test_a_setting_that_does_not_belong_is_refused(tmp_path):
    for dataset, settings, said in (
        ("digits", {"severity": 1}, "severity=1: not for digits"),
        (f"imagefolder:{tmp_path}", {"labels": "x.npy"}, "labels=x.npy: not for imagefolder:.*takes image_size, space"),
        ("digits", {"space": "cifar10"}, "space=cifar10: not for digits"),
        ("digits", {"labels_key": "a"}, "labels_key=a: of which file"),
    ):
        with pytest.raises(SettingError, match=said):
            opened(dataset, **settings)


def test_cifar_10_h_gives_the_likeliest_class_of_each_row(tmp_path):
    counts = np.array([[1, 40, 10], [20, 20, 3], [0, 0, 51]])
    np.save(tmp_path / "cifar10h-counts.npy", counts)
    np.save(tmp_path / "cifar10h-probs.npy", counts / counts.sum(1, keepdims=True))
    for name in ("counts", "probs"):
        labels, said = read_labels(tmp_path / f"cifar10h-{name}.npy")
        assert labels.tolist() == [1, 0, 2] and "the first where several are, 1 times" in said


def test_other_labels_take_the_place_of_a_data_sets_own(tmp_path):
    own = opened("digits").test.labels
    rows = torch.nn.functional.one_hot((own + 3 * (torch.arange(len(own)) % 4 == 0)) % 10, 10).double()
    np.save(tmp_path / "probs.npy", rows.numpy())
    data = opened("digits", labels=str(tmp_path / "probs.npy"))
    assert data.test.labels.tolist() == rows.argmax(1).tolist()
    assert any("25.1% of them are not the data set's own" in note for note in data.notes)
    np.save(tmp_path / "short.npy", np.zeros(7, int))
    with pytest.raises(SettingError, match="7 labels, for 602 images in split test"):
        opened("digits", labels=str(tmp_path / "short.npy"))
    np.save(tmp_path / "beyond.npy", np.full(602, 10))
    with pytest.raises(SettingError, match="test labels: from 10 to 10, for 10 classes"):
        opened("digits", labels=str(tmp_path / "beyond.npy"))


def test_cifar_10_ns_file_is_opened_without_running_code_in_it(tmp_path):
    kinds = ("clean_label", "aggre_label", "worse_label")
    given = {kind: (LABELS + number) % 10 for number, kind in enumerate(kinds)}
    torch.save(given, tmp_path / "CIFAR-10_human.pt")
    labels, _ = read_labels(tmp_path / "CIFAR-10_human.pt", "worse_label")
    assert labels.tolist() == given["worse_label"].tolist()
    with pytest.raises(SettingError, match="--labels-key names one of clean_label, aggre_label, worse_label"):
        read_labels(tmp_path / "CIFAR-10_human.pt")
    with pytest.raises(SettingError, match="no 'worst' in it"):
        read_labels(tmp_path / "CIFAR-10_human.pt", "worst")

    with zipfile.ZipFile(tmp_path / "CIFAR-10_human.pt") as new, zipfile.ZipFile(tmp_path / "old.pt", "w") as old:
        for name in new.namelist():  # as numpy before 2 named what is in it
            old.writestr(name, new.read(name).replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert read_labels(tmp_path / "old.pt", "worse_label")[0].tolist() == labels.tolist()

    class Harmful:
        def __reduce__(self):
            return open, (str(tmp_path / "harmed"), "w")

    torch.save({"worse_label": Harmful()}, tmp_path / "harmful.pt")
    with pytest.raises(SettingError, match="it cannot be read safely"):
        read_labels(tmp_path / "harmful.pt", "worse_label")
    assert not (tmp_path / "harmed").exists()


def test_cifar_10_ns_labels_find_the_images_of_the_training_split(tmp_path, cifar_directory, monkeypatch):
    """They are for the 50,000 published images in their order, of which 5,000 are the validation split here."""
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(cifar_directory))
    from torchvision.datasets import CIFAR10

    published = np.array(CIFAR10(str(cifar_directory), train=True).targets)
    np.save(tmp_path / "labels.npy", (published + 1) % 10)
    for split in ("train", "validation"):
        data = opened("cifar10", labels=str(tmp_path / "labels.npy"), split=split)
        assert torch.equal(getattr(data, split).labels, (getattr(opened("cifar10"), split).labels + 1) % 10)

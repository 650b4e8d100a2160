"""The data sets against their facts, and splits against the laws of splitting."""

import hashlib
import pickle

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torchvision.datasets import CIFAR10, CIFAR100

from specbias.data import data_directory, load_data
from specbias.data.cifar10 import load_cifar10_1
from specbias.data.datasets import DATASETS
from specbias.settings import SettingError
from specbias.settings.config import TrialConfig


def keys(split):
    return {image.numpy().tobytes() for image in split.images}


@pytest.fixture(params=[name for name, facts in DATASETS.items() if facts.by_class is None])
def dataset(request, monkeypatch):
    folders = {"cifar10": "cifar_directory", "cifar100": "cifar100_directory"}
    if request.param in folders:
        monkeypatch.setenv("SPECBIAS_DATA_DIR", str(request.getfixturevalue(folders[request.param])))
    return request.param


def test_a_data_set_is_what_its_facts_say(dataset):
    facts, data = DATASETS[dataset], load_data(TrialConfig(dataset=dataset))
    splits = (data.train, data.validation, data.test)
    assert tuple(len(split.labels) for split in splits) == facts.sizes
    assert all(split.images.dtype == torch.uint8 for split in splits)
    assert data.train.images.shape[1:] == (3, facts.image_size, facts.image_size)
    assert data.num_classes == facts.num_classes == len(data.train.labels.unique())
    supply = {name: torch.bincount(getattr(data, name).labels).min() // 2 for name in ("validation", "test")}
    assert supply == facts.probe_supply


def test_the_three_splits_share_no_image(dataset):
    data = load_data(TrialConfig(dataset=dataset))
    train, validation, test = (keys(split) for split in (data.train, data.validation, data.test))
    assert not train & validation and not train & test and not validation & test


def test_the_normalised_training_split_has_mean_0_and_deviation_1(dataset):
    data = load_data(TrialConfig(dataset=dataset))
    values = data.normalise(data.train.images[:20_000]).double()
    tolerance = 0.3 if dataset == "cifar100" else 0.02  # which has the constants of CIFAR-10
    assert values.mean(dim=(0, 2, 3)).abs().max() < tolerance
    assert (values.std(dim=(0, 2, 3)) - 1).abs().max() < tolerance


def test_cifar10_is_the_published_data_in_order(cifar_directory, monkeypatch):
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(cifar_directory))
    data = load_data(TrialConfig())
    assert torch.bincount(data.validation.labels).tolist() == [500] * 10
    files = CIFAR10(str(cifar_directory), train=True)  # validation: the last 500 of each class, in file order
    twin = sorted(row for c in range(10) for row in np.flatnonzero(np.equal(files.targets, c))[-500:])
    assert np.array_equal(data.validation.images.permute(0, 2, 3, 1).numpy(), files.data[twin])
    assert data.test.labels[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]  # cat, ship, ship, plane, ...
    assert data.test.images[0, :, 0, 0].tolist() == [158, 112, 49]
    # spec of the paper's space: norms of normalised test images have mean 53.49 and deviation 14.25
    norms = data.normalise(data.test.images).flatten(1).norm(dim=1)
    assert norms.mean().item() == pytest.approx(53.49, abs=0.01)
    assert norms.std().item() == pytest.approx(14.25, abs=0.01)


@pytest.fixture
def small_cifar100(tmp_path, monkeypatch):
    """CIFAR-100's files with 52 training images and one test image of each class, in an order of their own."""
    generator = np.random.default_rng(0)
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    parts = {"meta": {"fine_label_names": [f"class {label}" for label in range(100)]}}
    for name, each in (("train", 52), ("test", 1)):
        images = generator.integers(256, size=(100 * each, 3072), dtype=np.uint8)
        parts[name] = {"data": images, "fine_labels": generator.permutation([*range(100)] * each).tolist()}
    sums = {}
    for name, part in parts.items():
        (folder / name).write_bytes(pickle.dumps(part))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR100, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", {"filename": "meta", "key": "fine_label_names", "md5": sums["meta"]})
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(tmp_path))
    return parts


def test_cifar100_is_read_from_torchvisions_files_and_split_by_class(small_cifar100):
    data = load_data(TrialConfig(dataset="cifar100"))
    assert (
        data.num_classes == 100
        and data.class_names[7] == "class 7"
        and (data.mean, data.std) == (DATASETS["cifar10"].mean, DATASETS["cifar10"].std)
    )
    labels = np.array(small_cifar100["train"]["fine_labels"])
    images = small_cifar100["train"]["data"].reshape(-1, 3, 32, 32)
    held_out = sorted(row for c in range(100) for row in np.flatnonzero(labels == c)[-50:])
    assert np.array_equal(data.validation.images.numpy(), images[held_out])
    assert np.array_equal(data.validation.labels.numpy(), labels[held_out])
    assert np.array_equal(data.train.images.numpy(), np.delete(images, held_out, axis=0))
    assert data.test.labels.tolist() == small_cifar100["test"]["fine_labels"]


def test_the_digits_are_scikit_learns():
    data = load_data(TrialConfig(dataset="digits", batch_size=2))
    first = load_digits().images[0]
    small = data.test.images[0, 0].double().view(8, 4, 8, 4).mean(dim=(1, 3)) * 16 / 255
    assert data.test.labels[0] == 0
    assert np.corrcoef(small.flatten(), first.flatten())[0, 1] > 0.97


def test_a_smaller_training_set_lies_inside_a_larger_and_another_seed_draws_others(small):
    sets = [keys(load_data(small(train_size=size, seed=seed)).train) for size, seed in ((50, 0), (200, 0), (50, 1))]
    assert sets[0] < sets[1]
    assert len(sets[0] & sets[2]) < 15


def test_the_legacy_split_adds_validation_to_training(small):
    plain, legacy = (load_data(small(train_size=None, legacy_split=legacy)) for legacy in (False, True))
    assert keys(legacy.train) == keys(plain.train) | keys(plain.validation)
    assert len(legacy.validation.labels) == 0


@pytest.mark.parametrize("name", ["CIFAR-10", "CIFAR-100"])
def test_absent_data_without_a_network_says_what_where_and_how(tmp_path, monkeypatch, name):
    dataset = name.replace("-", "")
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(tmp_path / "none"))
    monkeypatch.setattr(f"torchvision.datasets.{dataset}.url", f"http://127.0.0.1:9/{name.lower()}-python.tar.gz")
    said = f"^{name} is not there: looked for .*{tmp_path}.*{name.lower()}.*downloading failed.*--data-dir"
    with pytest.raises(SettingError, match=said) as error:
        load_data(TrialConfig(dataset=dataset.lower()))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "none").exists()


def test_damaged_files_are_not_read(tmp_path, monkeypatch):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"not these")
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("torchvision.datasets.CIFAR10.url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    with pytest.raises(SettingError, match="whole files"):
        load_data(TrialConfig())


def test_the_data_directory_comes_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(tmp_path))
    assert data_directory() == tmp_path
    monkeypatch.delenv("SPECBIAS_DATA_DIR")
    assert str(data_directory()).endswith(".cache/specbias")


def test_cifar10_1_is_read_from_its_two_files_or_said_to_be_missing(tmp_path):
    with pytest.raises(SettingError, match="CIFAR-10.1 v6 is not there: looked for cifar10.1_v6_data.npy"):
        load_cifar10_1(tmp_path, "v6")
    images = np.random.default_rng(0).integers(256, size=(20, 32, 32, 3), dtype=np.uint8)
    np.save(tmp_path / "cifar10.1_v6_data.npy", images)
    np.save(tmp_path / "cifar10.1_v6_labels.npy", np.arange(20, dtype=np.int32) % 10)
    split = load_cifar10_1(tmp_path, "v6")
    assert torch.equal(split.images[3, 1], torch.from_numpy(images[3, :, :, 1]))
    assert split.labels.tolist() == [*range(10)] * 2 and split.labels.dtype == torch.int64
    np.save(tmp_path / "cifar10.1_v6_data.npy", images[:7])
    with pytest.raises(SettingError, match="as many labels"):
        load_cifar10_1(tmp_path, "v6")

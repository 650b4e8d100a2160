"""Data from Python: what people have is brought into one form, and what would be measured wrongly is refused."""

import numpy as np
import pytest
import torch

from specbias.data import Data, Split
from specbias.settings import SettingError

PIXELS = np.random.default_rng(0).integers(256, size=(6, 3, 5, 4), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 2, 1, 0])


def data(images=PIXELS, labels=LABELS, **facts):
    none = Split(images[:0], labels[:0])
    return Data(none, none, Split(images, labels), **{"mean": (0.5,) * 3, "std": (0.25,) * 3, "num_classes": 3} | facts)


@pytest.mark.parametrize("tensor", [np.asarray, torch.as_tensor], ids=["array", "tensor"])
@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (PIXELS, LABELS),
        (PIXELS.transpose(0, 2, 3, 1), LABELS.astype(np.int32)),
        (PIXELS, LABELS[:, None].astype(np.uint8)),  # as MedMNIST has them
    ],
    ids=["channels first", "channels last, int32", "(N, 1)"],
)
def test_arrays_in_common_layouts_become_one_form(tensor, images, labels):
    test = data(tensor(images), tensor(labels)).test
    assert test.images.dtype == torch.uint8 and test.labels.dtype == torch.int64
    assert np.array_equal(test.images, PIXELS) and test.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize("shape", [(6, 5, 4), (6, 1, 5, 4), (6, 5, 4, 1)])
def test_grey_has_the_same_in_all_channels(shape):
    test = data(PIXELS[:, 0].reshape(shape)).test
    assert test.images.shape == (6, 3, 5, 4) and all(np.array_equal(test.images[:, c], PIXELS[:, 0]) for c in range(3))


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (PIXELS.astype(np.uint16) * 257, "test images: uint16 from 0 to 65535; expected uint8 from 0 to 255"),
        (PIXELS / 255, "test images: float64 from 0 to 1; expected uint8 .*255 . images.*round"),
        (torch.from_numpy(PIXELS).float(), "test images: float32 from 0 to 255"),
        (PIXELS.astype(np.int64), "test images: int64 from 0 to 255"),
        (PIXELS.reshape(6, -1), r"test images: of shape \(6, 60\); expected"),
        (np.zeros((6, 5, 4, 4), np.uint8), r"test images: of shape \(6, 5, 4, 4\)"),
        (np.zeros((6, 3, 0, 4), np.uint8), r"test images: of shape"),
        (PIXELS[:4], "test: 4 images and 6 labels"),
        (np.array([None] * 6), "test images: a ndarray that is no array of numbers"),
        (PIXELS.tolist(), "test images: int64"),
    ],
)
def test_images_that_would_be_read_wrongly_are_refused_in_one_line(images, said):
    with pytest.raises(SettingError, match=said) as error:
        Data(*[Split(PIXELS[:0], LABELS[:0])] * 2, Split(images, LABELS), (0.5,) * 3, (0.25,) * 3, num_classes=3)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (LABELS + 1, "test labels: from 1 to 3, for 3 classes, which count from 0"),
        (LABELS - 1, "test labels: from -1 to 1"),
        (LABELS.astype(float), "test labels: float64; expected whole numbers"),
        (LABELS == 0, "test labels: bool"),
        (np.eye(3, dtype=int)[LABELS], r"test labels: of shape \(6, 3\); expected one number for each image"),
        (np.array(list("abcabc")), "test labels: a ndarray that is no array of numbers"),
    ],
)
def test_labels_of_no_class_are_refused_in_one_line(labels, said):
    with pytest.raises(SettingError, match=said) as error:
        data(labels=labels)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"mean": (127.5,) * 3}, "mean=.*of channels from 0 to 1"),
        ({"mean": (0.5,)}, "mean=.*three numbers"),
        ({"std": (0.0, 0.1, 0.1)}, "std=.*above 0"),
        ({"class_names": ("a", "b")}, "class_names: 2 of them, for 3 classes"),
    ],
)
def test_facts_that_do_not_fit_are_refused(facts, said):
    with pytest.raises(SettingError, match=said):
        data(**facts)

"""Whatever the layout, a class has the same files; what does not fit is refused in one line that names the place."""

import math
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from specbias.data.imagenet_folders import read_folders
from specbias.settings import SettingError


def names(files):
    return [Path(file).name for file in files]


def refusal(root):
    with pytest.raises(SettingError) as error:
        read_folders(root)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_layout_gives_the_same_files_of_each_class(toy, ids, layout):
    found = read_folders(toy(layout))
    assert list(found.ids) == list(found.names) == ids(3)
    for label, name in enumerate(ids(3)):
        assert names(found.train[label]) == [f"{name}_{number}.JPEG" for number in range(6)]
        assert names(found.val[label]) == [f"val_{number:05}.JPEG" for number in range(label, 12, 3)]
    assert all(os.path.isfile(file) for files in found.train + found.val for file in files)
    assert not found.outputs and not found.hyponyms


def test_without_train_the_classes_are_those_of_val(toy, ids, layout):
    root = toy(layout)
    for folder in root.rglob("train"):
        shutil.rmtree(folder)
    if layout == "caffe":  # whose numbers then need names
        assert f"{root}/val.txt: its classes are numbers" in refusal(root)
        (root / "words.txt").write_text("".join(f"{name} word\n" for name in ids(9)))  # all of WordNet, not the classes
        assert f"{root}/val.txt: its classes are numbers" in refusal(root)
        (root / "synset_words.txt").write_text("".join(f"{name} word\n" for name in ids(3)))
    found = read_folders(root)
    assert list(found.ids) == ids(3) and not any(found.train)
    assert names(found.val[1]) == [f"val_{number:05}.JPEG" for number in (1, 4, 7, 10)]


def test_what_is_hidden_is_not_looked_at_and_a_suffix_may_be_of_any_case(toy, ids, layout):
    root = toy(layout)
    places = [root / "train", root / "val", *root.rglob("train/n*"), *root.rglob("val/n*")]
    for place in (place for place in places if place.is_dir()):
        (place / ".thumbnails").mkdir()
        for name in (".DS_Store", "._val_00000.JPEG", "boxes.txt"):
            (place / name).write_bytes(b"none")
    [first] = root.rglob("val_00000.JPEG")
    first.rename(first.with_suffix(".jpg"))
    found = read_folders(root)
    assert list(found.ids) == ids(3)
    assert [len(files) for files in found.train + found.val] == [6, 6, 6, 4, 4, 4]
    assert names(found.val[0])[0] == "val_00000.jpg"


def test_folders_named_by_numerals_are_meant_by_their_names(toy):
    root = toy("caffe", classes=11)  # as text, 10 comes before 2
    for label, folder in enumerate(sorted((root / "train").iterdir())):
        folder.rename(folder.with_name(str(label)))
    found = read_folders(root)
    for place, name in enumerate(found.ids):
        assert names(found.val[place])[0] == f"val_{int(name):05}.JPEG"


@pytest.mark.parametrize("file", ["words.txt", "synset_words.txt", "LOC_synset_mapping.txt"])
def test_classes_have_names_where_a_file_gives_them(toy, ids, file):
    root = toy()
    first, second, third = ids(3)
    (root / file).write_text(f"{second} tench, Tinca tinca\n{first}\tcr\u00eape\nn99999999 entity\n", encoding="utf-8")
    found = read_folders(root)
    assert found.names == ("cr\u00eape", "tench, Tinca tinca", third)
    assert found.outputs == (first, second, "n99999999")


def test_the_list_of_a_thousand_ids_is_taken_before_all_of_wordnet(toy, ids):
    root = toy()
    (root / "words.txt").write_text("".join(f"n{number:08} word\n" for number in range(2000)))
    (root / "LOC_synset_mapping.txt").write_text("".join(f"{name} word\n" for name in reversed(ids(1000))))
    assert list(read_folders(root).outputs) == ids(1000)


def test_hyponyms_are_all_below_in_the_hierarchy_each_counted_once(toy, ids):
    """Against powers of the matrix of who is whose parent."""
    root, count = toy(), 40
    generator = np.random.default_rng(0)
    below = np.triu(generator.random((count, count)) < 0.1, 1)
    below[3, 4] = below[3, 5] = below[4, 6] = below[5, 6] = True  # a diamond, below class 0
    concepts = [f"x{number:08}" for number in range(count)]
    concepts[3], concepts[20] = ids(3)[:2]
    lines = [f"{concepts[parent]} {concepts[child]}" for parent, child in np.argwhere(below)]
    (root / "wordnet.is_a.txt").write_text("\n".join([*generator.permutation(lines), lines[0], ""]))
    reach = np.linalg.matrix_power(np.eye(count) + below, count) > 0
    found = read_folders(root).hyponyms
    assert found[:2] == (reach[3].sum() - 1, reach[20].sum() - 1) and found[0] > found[1] > 0
    assert math.isnan(found[2])  # the hierarchy does not know it


def remove(pattern):
    def change(root):
        for place in root.glob(pattern):
            shutil.rmtree(place) if place.is_dir() else place.unlink()

    return change


def rewrite(file, change):
    return lambda root: (root / file).write_text(change((root / file).read_text()))


KIT = "ILSVRC2012_devkit_t12/data"
TRUTH = f"{KIT}/ILSVRC2012_validation_ground_truth.txt"
REFUSALS = {
    "no folder": ("folders", remove("../toy"), r"there is no folder \S*toy: expected train/ and val/.*--data-dir"),
    "no val": ("folders", remove("val"), r"\S*toy has no folder val: expected"),
    "not in val": ("folders", remove("val/n00000007"), r"\S*toy/train: n00000007 is no class in \S*toy/val;"),
    "not in train": ("folders", remove("train/n00000007"), r"\S*toy/val: n00000007 is no class in \S*toy/train;"),
    "one image": ("folders", remove("train/n00000007/*_[1-5].*"), r"\S*toy/train: 1 image of class n00000007, a pair"),
    "no image": ("tiny", remove("train/n00000014/images/*"), r"\S*toy/train: no image of class n00000014, a pair"),
    "one in val": ("csv", remove("val/val_0000[369].JPEG"), r"\S*toy/val: 1 image of class n00000000, a pair"),
    "empty val": ("csv", remove("val/*"), r"\S*toy/val: no images, and no folders of any"),
    "nothing tells": ("csv", remove("*.csv"), r"\S*toy/val: images without folders, and none of val_annotations.txt, "),
    "one not told": (
        "csv",
        rewrite("LOC_val_solution.csv", lambda text: text.replace("_00005", "_x")),
        r"\S*LOC_val_solution.csv: it does not say what \S*toy/val/val_00005.JPEG shows",
    ),
    "another class": (
        "tiny",
        rewrite("val/val_annotations.txt", lambda text: text.replace("n00000007", "n8")),
        r"\S*toy/train: n00000007 is no class in",
    ),
    "too high": (
        "caffe",
        rewrite("val.txt", lambda text: text.replace(" 2", " 3")),
        r"\S*val.txt: its classes are numbers that should go from 0 to one less than the 3 classes",
    ),
    "from 1": ("caffe", rewrite("val.txt", lambda text: text.replace(" 2", " 3").replace(" 0", " 2")), r"\S*val.txt: "),
    "no meta.mat": ("kit", remove(f"{KIT}/meta.mat"), r"\S*meta.mat: the numbers in ILSVRC2012_\S* mean nothing"),
    "damaged meta.mat": ("kit", lambda root: (root / KIT / "meta.mat").write_bytes(b"none" * 99), r"\S*meta.mat: the"),
    "other meta.mat": (
        "kit",
        rewrite(TRUTH, lambda text: text.replace("2", "9")),
        r"\S*truth.txt: meta.mat has no .*9",
    ),
    "an image lost": ("kit", remove("val/val_00004.JPEG"), r"\S*truth.txt: 12 lines, by their order, for 11 images"),
    "not readable": ("folders", lambda root: (root / "train" / "n5").symlink_to("n5"), r"\S*toy/train\S* it cannot be"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_does_not_fit_is_refused_in_one_line_with_its_place(toy, case):
    layout, change, said = REFUSALS[case]
    root = toy(layout)
    change(root)
    assert re.match(said, refusal(root)), refusal(root)

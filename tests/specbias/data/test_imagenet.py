"""Every file is in one split, what is said without opening one is true, and any selection is a part of the whole."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from specbias.data import facts_of, load_data, open_classes
from specbias.data.decode import Geometry, read_image
from specbias.data.imagenet import _outputs, choose
from specbias.data.imagenet_folders import Folders
from specbias.settings import SettingError
from specbias.settings.config import TrialConfig
from specbias.settings.selection import Selection
from specbias.training.check import check_config, complete_config
from specbias.trials.trial import run_trial

SPLITS = ("train", "validation", "test")
SMALL = Selection(image_size=8)


@pytest.fixture
def tiny(tmp_path, toy, monkeypatch):
    """Return a function that lays out a toy Tiny ImageNet where it is looked for."""
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SPECBIAS_CACHE_DIR", str(tmp_path / "cache"))
    return lambda layout="tiny", **sizes: toy(layout, root=tmp_path / "tiny-imagenet-200", **sizes)


@pytest.fixture
def config():
    return TrialConfig(dataset="tiny_imagenet", image_size=8, model="small_cnn", width=4, epochs=1, batch_size=4)


def refused(function, *arguments):
    with pytest.raises(SettingError) as error:
        function(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_last_fifth_by_name_is_held_out_and_no_file_is_lost_or_in_two_splits(tiny, tmp_path):
    """Against a listing and the decoder."""
    root = tiny(train=11)
    chosen = choose(tmp_path, SMALL, name="tiny_imagenet")
    files = {split: [chosen.files(split, label) for label in range(3)] for split in SPLITS}
    every = [file for classes in files.values() for part in classes for file in part]
    assert sorted(every) == sorted(str(file) for file in root.rglob("*.JPEG"))
    for training, held_out in zip(files["train"], files["validation"], strict=True):
        assert [Path(file).stem.split("_")[1] for file in training] == ["0", "1", "10", "2", "3", "4", "5", "6", "7"]
        assert [Path(file).stem.split("_")[1] for file in held_out] == ["8", "9"]
    data = load_data(TrialConfig(dataset="tiny_imagenet", image_size=8))
    for split in SPLITS:
        twin = [read_image(file, Geometry(8, 8)) for part in files[split] for file in part]
        assert np.array_equal(getattr(data, split).images.numpy(), twin)
        assert getattr(data, split).labels.tolist() == [c for c in range(3) for _ in files[split][c]]


@pytest.mark.parametrize("chosen", [{}, {"classes": 3, "first_class": 1, "class_seed": 5}, {"image_size": 9}])
def test_facts_are_those_of_the_loaded_data_and_a_class_has_the_same_images_alone(tiny, chosen, layout):
    tiny(layout, classes=5, train=7)
    selection = SMALL._replace(**chosen)
    facts = facts_of("tiny_imagenet", selection)
    data = load_data(TrialConfig(dataset="tiny_imagenet", **{"image_size": 8} | chosen))
    splits = [getattr(data, name) for name in SPLITS]
    assert tuple(len(split.labels) for split in splits) == facts.sizes
    assert facts.num_classes == data.num_classes == len(data.class_names) == chosen.get("classes", 5)
    assert all(split.images.shape[1:] == (3, facts.image_size, facts.image_size) for split in splits)
    supply = {name: torch.bincount(getattr(data, name).labels).min() // 2 for name in ("validation", "test")}
    assert supply == facts.probe_supply
    assert (data.mean, data.std) == (facts.mean, facts.std)
    classes = open_classes("tiny_imagenet", selection)
    assert classes.names == data.class_names and (classes.mean, classes.std) == (data.mean, data.std)
    for name, split in zip(SPLITS, splits, strict=True):
        for label in range(facts.num_classes):
            assert torch.equal(classes.images(name, label), split.images[split.labels == label])
            assert torch.equal(classes.images(name, label, 2), split.images[split.labels == label][:2])


def test_selections_are_nested_or_disjoint_and_another_seed_draws_others(tiny, ids):
    tiny(classes=9, train=2, val=2)

    def chosen(**settings):
        found = open_classes("tiny_imagenet", Selection(image_size=8, **settings)).ids
        assert list(found) == sorted(found)
        return {*found}

    sets = [chosen(classes=count) for count in range(2, 10)]
    assert all(small < large for small, large in zip(sets[:-1], sets[1:], strict=True))
    assert sets[-1] == chosen() == {*ids(9)}
    for count in (2, 4, 7):
        assert chosen(first_class=count) == sets[-1] - sets[count - 2]
    assert chosen(classes=3, first_class=2) == sets[3] - sets[0]
    assert len({tuple(sorted(chosen(classes=4, class_seed=seed))) for seed in range(5)}) > 2


def test_a_class_brings_its_images_wherever_it_is_chosen(tiny):
    tiny(classes=6, train=5, val=2)
    whole, some = (open_classes("tiny_imagenet", SMALL._replace(classes=count)) for count in (None, 3))
    for label, name in enumerate(some.ids):
        for split in SPLITS:
            assert torch.equal(some.images(split, label), whole.images(split, whole.ids.index(name)))


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"classes": 4}, "classes=4 from first_class=0 on: .*tiny-imagenet-200 has 3 from there on"),
        ({"classes": 2, "first_class": 2}, "classes=2 from first_class=2 on: .* has 1 from there on"),
        ({"first_class": 2}, "classes=all from first_class=2 on: .* has 1 from there on, and 2 are needed"),
        ({"first_class": 9}, "classes=all from first_class=9 on: .* has 0 from there on"),
        ({"image_size": 20, "resize": 18}, "image_size=20: more than the 18 pixels"),
    ],
)
def test_a_selection_that_cannot_be_is_refused(tiny, chosen, said):
    tiny()
    with pytest.raises(SettingError, match=f"^{said}"):
        facts_of("tiny_imagenet", SMALL._replace(**chosen))


def test_what_is_known_of_classes_and_of_outputs_is_of_the_chosen(tiny, ids):
    root = tiny(classes=5, train=2, val=2)
    assert open_classes("tiny_imagenet", SMALL).known == {} and open_classes("tiny_imagenet", SMALL).outputs == ()
    root = root.rename(root.with_name("imagenet"))  # as yet unread by that name
    lines = [f"{parent} x{number}\n" for place, parent in enumerate(ids(5)) for number in range(place + 1)]
    (root / "wordnet.is_a.txt").write_text("".join(lines))
    (root / "synset_words.txt").write_text("".join(f"{name} word {name}\n" for name in reversed(ids(1000))))
    classes = open_classes("imagenet", SMALL._replace(classes=3, class_seed=3))
    places = tuple(ids(5).index(name) for name in classes.ids)
    assert classes.outputs == places != (0, 1, 2)
    assert classes.known == {"hyponyms": tuple(float(place + 1) for place in places)}
    assert classes.names == tuple(f"word {name}" for name in classes.ids)


def test_outputs_of_published_ids_and_of_a_thousand_numbers_are_known_without_a_list(tiny, ids):
    root = tiny(classes=3)
    for toy_id, real in zip(ids(3), ("n01440764", "n02102040", "n02979186"), strict=True):
        (root / "train" / toy_id).rename(root / "train" / real)
        annotations = root / "val" / "val_annotations.txt"
        annotations.write_text(annotations.read_text().replace(toy_id, real))
    assert open_classes("tiny_imagenet", SMALL).outputs == (0, 217, 482)
    numbers = tuple(str(number) for number in range(1000))
    folders = Folders(root, numbers, numbers, (), (), (), ())
    assert _outputs(folders, ("2", "10", "999")) == (2, 10, 999)
    assert _outputs(replace(folders, ids=numbers[1:]), ("2", "10")) == ()


def test_outputs_are_not_known_where_the_list_lacks_a_class(tiny, ids):
    root = tiny(classes=3)
    (root / "synset_words.txt").write_text("".join(f"{name} word\n" for name in ids(1001)[1:]))
    assert open_classes("tiny_imagenet", SMALL).outputs == ()


def test_images_are_brought_to_the_size_that_is_asked_for_as_the_published_ones_are(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SPECBIAS_CACHE_DIR", str(tmp_path / "cache"))
    toy("kaggle", root=tmp_path / "imagenet", size=(40, 30))
    chosen = choose(tmp_path, SMALL, name="imagenet")
    assert chosen.geometry == (8, 9, "bilinear")
    assert choose(tmp_path, Selection(), name="imagenet").geometry == (224, 256, "bilinear")
    assert choose(tmp_path, SMALL._replace(resize=12, interpolation="bicubic"), name="imagenet").geometry[1] == 12
    twin = read_image(chosen.files("test", 1)[0], Geometry(8, 9))
    assert np.array_equal(open_classes("imagenet", SMALL).images("test", 1)[0], twin)
    assert facts_of("imagenet").image_size == 224


def test_the_data_directory_may_be_the_folder_itself(tiny, toy, tmp_path, monkeypatch):
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(toy("csv")))
    assert facts_of("tiny_imagenet", SMALL).sizes == (15, 3, 12)
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(tmp_path / "none"))
    assert f"there is no folder {tmp_path}/none/tiny-imagenet-200" in refused(facts_of, "tiny_imagenet")


def test_a_damaged_image_is_left_out_and_said_once_and_a_trial_goes_on(tiny, config, capfd):
    root = tiny(classes=2, train=10, val=6)
    damaged = [next(root.rglob(name)) for name in ("n00000007_3.JPEG", "val_00002.JPEG")]
    for file in damaged:
        file.write_bytes(file.read_bytes()[:-300])
    config = complete_config(replace(config, probe_pairs=1, train_size=None))
    assert config.train_size == 16  # by a listing
    check_config(config)
    [(_, before), (state, after)] = run_trial(config)
    assert state.epoch == 1 and after.metrics["frequency/within_class"] > 0
    data, classes = load_data(config), open_classes("tiny_imagenet", SMALL)
    assert (len(data.train.labels), len(data.validation.labels), len(data.test.labels)) == (15, 4, 11)
    for _ in range(2):
        assert [len(classes.images("test", label)) for label in range(2)] == [5, 6]
    said = capfd.readouterr().err.splitlines()
    assert said[0].startswith(f"left out: 2 images that cannot be read, the first {damaged[0]}: ")
    assert said[1].startswith(f"left out: 1 images that cannot be read, the first {damaged[1]}: ") and len(said) == 2


def test_a_class_with_one_image_that_can_be_read_is_refused_with_the_path(tiny, config):
    root = tiny(classes=2, train=10, val=4)
    first, second, third = (next(root.rglob(f"val_0000{number}.JPEG")) for number in (1, 3, 5))
    for file in (first, second, third):
        file.write_bytes(b"none")
    said = f"1 of the 4 images of this class can be read, and a pair needs 2; {first}: not an image"
    assert refused(load_data, config) == said
    classes = open_classes("tiny_imagenet", SMALL)
    assert refused(classes.images, "test", 1) == said
    assert len(classes.images("test", 0)) == 4


def test_without_train_classes_are_opened_and_training_is_refused(tiny, config):
    root = tiny()
    shutil.rmtree(root / "train")
    assert facts_of("tiny_imagenet", SMALL).sizes == (0, 0, 12)
    classes = open_classes("tiny_imagenet", SMALL)
    assert [len(classes.images(split, 1)) for split in SPLITS] == [0, 0, 4]
    said = f"{root} has no folder train, or an empty one: nothing to train on"
    assert refused(load_data, config) == said
    assert "no training images" in refused(complete_config, config)
    assert "has 0 training images" in refused(check_config, replace(config, train_size=5))


def test_a_complete_trial_says_which_size_and_how_many_classes_and_images(tiny, config):
    tiny(classes=4, train=10, val=8)
    whole = complete_config(replace(config, image_size=None, probe_pairs=2))
    assert (whole.image_size, whole.classes, whole.train_size) == (64, 4, 32)
    assert whole.trial_id == complete_config(whole).trial_id == complete_config(replace(whole, classes=None)).trial_id
    check_config(whole)
    part = complete_config(replace(config, classes=2, probe_pairs=2))
    assert (part.image_size, part.classes, part.train_size) == (8, 2, 16)
    assert "probe_pairs=3" in refused(check_config, replace(part, probe_pairs=3))
    assert "train_size=17: tiny_imagenet has 16 training" in refused(check_config, replace(part, train_size=17))
    assert "noise_class=2" in refused(check_config, replace(part, noise_class=2))


@pytest.mark.parametrize("dataset", ["cifar10", "digits"])
@pytest.mark.parametrize("setting", [{"classes": 5}, {"image_size": 16}, {"first_class": 1}, {"class_seed": 1}])
def test_a_data_set_that_is_not_in_folders_is_taken_as_it_is(dataset, setting):
    [(name, value)] = setting.items()
    said = f"{name}={value}: {dataset} is taken whole, as it is; nothing is chosen of it"
    assert refused(complete_config, TrialConfig(dataset=dataset, **setting)) == said
    assert refused(facts_of, dataset, Selection(**setting)) == said


def test_any_data_set_is_opened_by_class():
    classes, data = open_classes("digits"), load_data(TrialConfig(dataset="digits"))
    assert classes.names == classes.ids == tuple("0123456789") and classes.outputs == () and classes.known == {}
    for split in SPLITS:
        every = getattr(data, split)
        assert torch.equal(classes.images(split, 7), every.images[every.labels == 7])
        assert torch.equal(classes.images(split, 7, 3), every.images[every.labels == 7][:3])


def test_tiny_imagenet_itself(tiny_imagenet_directory, tmp_path, monkeypatch):
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(tiny_imagenet_directory))
    monkeypatch.setenv("SPECBIAS_CACHE_DIR", str(tmp_path / "cache"))
    facts = facts_of("tiny_imagenet")
    train, validation, test = facts.sizes
    assert (facts.num_classes, facts.image_size, test) == (200, 64, 10_000) and train == 4 * validation
    assert facts.probe_supply["test"] == 25
    selection = Selection(classes=4, image_size=32)
    config = TrialConfig(dataset="tiny_imagenet", classes=4, image_size=32)
    classes, data = open_classes("tiny_imagenet", selection), load_data(config)
    assert all(name.startswith("n") and len(name) == 9 for name in classes.ids)
    assert all(name != each for name, each in zip(classes.names, classes.ids, strict=True))  # words
    keys = [{image.numpy().tobytes() for image in getattr(data, split).images} for split in SPLITS]
    assert [len(each) for each in keys] == list(facts_of("tiny_imagenet", selection).sizes)
    assert len(keys[0] | keys[1] | keys[2]) == sum(map(len, keys))
    values = data.normalise(data.train.images)
    assert values.mean().abs() < 0.3 and abs(values.std() - 1) < 0.2

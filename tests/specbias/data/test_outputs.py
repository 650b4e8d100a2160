"""Which output of a network is which class: by ids, by number, by a file, by order; never silently by position."""

import json

import numpy as np
import pytest
import torch
from torchvision.models import ResNet18_Weights

from specbias.data import Data, Split, load_dataset
from specbias.data.imagenet_ids import IMAGENET_IDS
from specbias.data.outputs import apply_class_map, match_outputs
from specbias.measurement.report import measure_function
from specbias.settings import SettingError
from specbias.settings.measurement import MeasureSettings

NETTE = ("n01440764", "n02102040", "n02979186")  # of Imagenette: tench, English springer, cassette player


def data(ids, each=4, **facts):
    """Images of 4 x 4 pixels, of which pixel number `label` alone is not black, and brighter in some than in others."""
    count = len(ids)
    labels = torch.arange(count).repeat_interleave(each)
    bright = (255 - 40 * (torch.arange(len(labels)) % each)).byte()
    images = torch.zeros(len(labels), 16, dtype=torch.uint8).scatter_(1, labels[:, None], bright[:, None])
    images = images.view(-1, 1, 4, 4)
    none = Split(images[:0], labels[:0])
    constants = {"mean": (0.5,) * 3, "std": (0.05,) * 3, "num_classes": count}
    return Data(
        none, none, Split(images, labels), **constants | {"class_ids": tuple(ids), "class_names": tuple(ids)} | facts
    )


def perfect(places, count):
    """A network whose output places[label] is the largest on images of class `label`, and no other varies as much."""

    def predict(images):
        logits = torch.zeros(len(images), count)
        logits[:, list(places)] = images[:, 0].flatten(1)[:, : len(places)]
        return logits

    return predict


def test_the_ids_of_imagenet_are_in_the_order_of_a_published_networks_outputs():
    """Ids whose names are known from elsewhere; torchvision has the names of its outputs, without ids."""
    names = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    assert len(IMAGENET_IDS) == len(set(IMAGENET_IDS)) == 1000 and [*IMAGENET_IDS] == sorted(IMAGENET_IDS)
    known = {"n01440764": "tench", "n02102040": "English springer", "n02979186": "cassette player"}
    known |= {"n03000684": "chain saw", "n03394916": "French horn", "n03417042": "garbage truck"}
    known |= {"n03445777": "golf ball", "n03888257": "parachute", "n01443537": "goldfish", "n15075141": "toilet tissue"}
    assert {each: names[IMAGENET_IDS.index(each)] for each in known} == known


def test_tiny_imagenets_ids_are_among_them(tmp_path):
    words = [line.split("\t") for line in WORDS.splitlines()]
    names = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    for each, word in words:
        assert names[IMAGENET_IDS.index(each)] in word


WORDS = """n01629819\tEuropean fire salamander, Salamandra salamandra
n01641577\tbullfrog, Rana catesbeiana
n07753592\tbanana
n09428293\tseashore, coast, seacoast, sea-coast
n12267677\tacorn"""


@pytest.mark.parametrize(
    ("ids", "count", "places", "said"),
    [
        (NETTE, 1000, (0, 217, 482), "by WordNet id"),
        (NETTE, 3, (0, 1, 2), "3 outputs are taken for the 3 classes in their order: n01440764, n02102040, n02979186"),
        (("cat", "dog"), 2, (0, 1), "in their order: cat, dog"),
        (tuple(map(str, range(5))), 5, (0, 1, 2, 3, 4), ""),
        (tuple(map(str, range(12))), 12, tuple(range(12)), "by ImageFolder has them in the order of text"),
        (("2", "7", "10"), 1000, (2, 7, 10), "numbers from 2 to 10, taken for those of the network's 1000 outputs"),
        (("1", "2", "3"), 3, (0, 1, 2), "numbers from 1 to 3, the network's 3 outputs are taken to be in the order"),
        (("000", "001", "007"), 1000, (0, 1, 7), "which count from 0"),
        ((), 3, (0, 1, 2), ""),
    ],
)
def test_outputs_are_found_by_what_the_classes_are_called(ids, count, places, said):
    given = data(ids) if ids else data("abc", class_ids=(), class_names=())
    found = match_outputs(given, count)
    assert found.places == places and said in found.how and bool(said) == bool(found.how)


@pytest.mark.parametrize(
    ("ids", "count", "said"),
    [
        (
            ("cat", "dog", "emu"),
            10,
            r"shape \(10,\) per image, the data set has 3 classes \(cat, dog, emu\): --class",
        ),
        ((*NETTE, "n02430045"), 1000, "1 of 4 classes are none of ImageNet's 1,000.*: n02430045; a --class-map"),
        (NETTE, 1001, r"shape \(1001,\) per image, the data set has 3 classes"),
        (("3", "12"), 10, "numbers from 3 to 12, the model gives 10 outputs, 0 to 9"),
        (("1", "2", "3"), 1000, "is class 1 output 0 or 1"),
        (("0", "01", "1"), 3, "classes 01, 1 are the same number, and would have the same output: --class-map"),
        (("3", "007", "7"), 1000, "classes 007, 7 are the same number"),
        (tuple("0123456789"), 1000, "from 0 to 9, the model gives 1000 outputs: are these its first 10.*--class-map"),
    ],
)
def test_what_decides_nothing_is_refused(ids, count, said):
    with pytest.raises(SettingError, match=said) as error:
        match_outputs(data(ids), count)
    assert "\n" not in str(error.value)


def test_a_class_map_names_outputs_and_leaves_out_what_it_does_not_name(tmp_path):
    file = tmp_path / "map.json"
    file.write_text(json.dumps({"emu": 1, "cat": 7, "unicorn": 3}))
    found = apply_class_map(data(("cat", "dog", "emu"), each=2), file)
    assert found.class_names == ("cat", "emu") and found.test.labels.tolist() == [0, 0, 1, 1]
    assert found.test.images[:, 0].flatten(1).argmax(1).tolist() == [0, 0, 2, 2]
    assert match_outputs(found, 10).places == (7, 1)
    assert any("left out: 1 classes that the class map does not name (dog)" in note for note in found.notes)
    with pytest.raises(SettingError, match="it names output 7, and the network has 5"):
        match_outputs(found, 5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ("cat: 1", "no JSON"),
        ("[1, 2]", "expected classes and outputs"),
        ('{"cat": "7"}', "expected classes and outputs"),
        ('{"cat": -1, "dog": 1}', "expected classes and outputs"),
        ("{}", "expected classes and outputs"),
        ('{"cat": 1}', "names 1 of the data set's classes, and 2 are needed"),
        ('{"cat": 1, "dog": 1}', "two of the data set's classes have the same output"),
        ('{"Cat": 1, "Dog": 2}', "it names Cat, Dog, the classes are cat, dog, emu"),
    ],
)
def test_a_class_map_that_is_none_is_refused_in_one_line(tmp_path, text, said):
    if text is not None:
        (tmp_path / "map.json").write_text(text)
    with pytest.raises(SettingError, match=said) as error:
        apply_class_map(data(("cat", "dog", "emu")), tmp_path / "map.json")
    assert "\n" not in str(error.value)


def test_a_network_of_1000_outputs_is_scored_on_its_own_columns():
    """A perfect one; by position, the first three outputs, its accuracy would be a third."""
    given = data(NETTE)
    record, arrays = measure_function(
        perfect((0, 217, 482), 1000), given, MeasureSettings(pairs=2, spacing=0.2, band=0.5)
    )
    assert record["accuracy"] == 1.0
    assert record["outputs"] == {"count": 1000, "of_classes": [0, 217, 482], "over": "all"}
    assert any("by WordNet id" in note for note in record["notes"])
    alone, own = measure_function(perfect((0, 1, 2), 3), data("abc"), MeasureSettings(pairs=2, spacing=0.2, band=0.5))
    key = "frequency/between_class/share"
    assert not np.allclose(arrays[key], own[key], rtol=1e-3)  # probabilities are over 1,000 outputs
    settings = MeasureSettings(pairs=2, spacing=0.2, band=0.5, class_outputs="own")
    record, arrays = measure_function(perfect((0, 217, 482), 1000), given, settings)
    assert record["outputs"]["over"] == "own" and np.allclose(arrays[key], own[key], rtol=1e-9)


def test_an_image_that_another_class_of_the_network_wins_is_wrong_only_over_all_outputs():
    def predict(images):
        logits = perfect((0, 217, 482), 1000)(images)
        logits[:, 5] = 100
        return logits

    for over, accuracy in (("all", 0.0), ("own", 1.0)):
        record, _ = measure_function(
            predict, data(NETTE), MeasureSettings(pairs=2, spacing=0.2, band=0.5, class_outputs=over)
        )
        assert record["accuracy"] == accuracy


def test_a_data_set_of_ours_is_not_scored_by_position_with_other_outputs():
    digits = load_dataset("digits")
    with pytest.raises(SettingError, match=r"shape \(12,\) per image, the data set has 10 classes$"):
        match_outputs(digits, 12)
    assert match_outputs(digits, 10) == ((*range(10),), "")

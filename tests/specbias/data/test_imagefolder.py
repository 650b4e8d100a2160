"""Folders of images: what is a class, in which order, what is passed over, and what is refused by its name."""

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from specbias.data.imagefolder import load_imagefolder
from specbias.data.imagenet_folders import read_folders
from specbias.settings import SettingError

HIDDEN = (".ipynb_checkpoints", ".cache", "__MACOSX")


def make(place, names, images=2, size=(8, 8)):
    for label, name in enumerate(names):
        (place / name).mkdir(parents=True)
        for number in range(images):
            pixels = np.random.default_rng((label, number)).integers(256, size=(*size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(place / name / f"{number}.png")
    return place


def test_the_images_are_those_of_torchvisions_reader(tmp_path):
    make(tmp_path, ["dog", "Cat", "10 birds"], size=(12, 9))
    make(tmp_path / "dog", ["more"], size=(12, 9))  # in a folder of the class's folder
    for size, steps in ((None, []), (5, [v2.Resize(5, antialias=True), v2.CenterCrop(5)])):
        twin = ImageFolder(str(tmp_path), transform=v2.Compose([*steps, v2.PILToTensor()]))
        data = load_imagefolder(tmp_path, image_size=size)
        assert data.class_names == tuple(twin.classes) == ("10 birds", "Cat", "dog")
        assert data.test.labels.tolist() == twin.targets
        assert all((image == own).all() for (image, _), own in zip(twin, data.test.images, strict=True))


def test_links_that_lead_back_add_no_images(tmp_path):
    make(tmp_path, ["cat", "dog"])
    make(tmp_path / "cat", ["more"])
    for link, target in (
        ("cat/self", "."),
        ("cat/up", ".."),
        ("cat/again", "more"),
        ("dog/a/b", "../.."),
        ("all", "."),
    ):
        (tmp_path / link).parent.mkdir(exist_ok=True)
        (tmp_path / link).symlink_to(target)
    make(tmp_path / ".elsewhere", ["x"])
    (tmp_path / "dog" / "linked").symlink_to("../.elsewhere/x")
    data = load_imagefolder(tmp_path)
    assert data.class_names == ("cat", "dog") and data.test.labels.tolist() == [0] * 4 + [1] * 4


def test_files_that_are_not_read_are_counted_in_a_note(tmp_path):
    make(tmp_path, ["cat", "dog"])
    assert not any("left out" in note for note in load_imagefolder(tmp_path).notes)
    for name in ("cat/0.gif", "cat/1.jfif", "dog/2.avif", "dog/notes.txt", "dog/.hidden", "readme.txt"):
        (tmp_path / name).write_bytes(b"?")
    (tmp_path / "loose.png").write_bytes(b"?")
    notes = load_imagefolder(tmp_path).notes
    assert any(note.startswith("left out: 4 files of other kinds than .jpeg") for note in notes)
    assert any(note.endswith("(cat/0.gif, cat/1.jfif, dog/2.avif, ...)") for note in notes)
    assert "left out: 1 files in no class's folder (loose.png)" in notes


def test_folders_of_numbers_are_in_the_order_of_the_numbers(tmp_path):
    """As ImageNet-V2 ships: in the order of text, 10 and 11 would come before 2."""
    data = load_imagefolder(make(tmp_path, [str(number) for number in range(12)]))
    assert data.class_names == tuple(str(number) for number in range(12))
    assert data.notes == ("classes: 12 folders in the order of the numbers, 0 to 11",)
    for label in range(12):
        pixels = np.random.default_rng((label, 0)).integers(256, size=(8, 8, 3), dtype=np.uint8)
        assert (data.test.images[2 * label].permute(1, 2, 0).numpy() == pixels).all()
    (tmp_path / "other").mkdir()
    (tmp_path / "0").rename(tmp_path / "other" / "x")
    assert load_imagefolder(tmp_path).class_names[:3] == ("1", "10", "11")


def test_folders_of_numbers_are_in_their_order_in_an_imagenet_too(tmp_path):
    for part in ("train", "val"):
        make(tmp_path / part, [str(number) for number in range(12)])
    assert read_folders(tmp_path).ids == tuple(str(number) for number in range(12))


def test_what_is_hidden_is_no_class_and_no_image(tmp_path):
    make(tmp_path, ["cat", "dog"])
    for place in (tmp_path, tmp_path / "cat"):
        make(place, HIDDEN)
    (tmp_path / "dog" / "._0.png").write_bytes(b"what macOS keeps of a file")
    (tmp_path / ".DS_Store").write_bytes(b"")
    data = load_imagefolder(tmp_path)
    assert data.class_names == ("cat", "dog") and data.test.labels.tolist() == [0, 0, 1, 1]


def test_what_is_hidden_is_passed_over_in_an_imagenet_too(tmp_path):
    for part in ("train", "val"):
        make(tmp_path / part, ["cat", "dog", *HIDDEN])
        (tmp_path / part / "dog" / "._0.png").write_bytes(b"what macOS keeps of a file")
    found = read_folders(tmp_path)
    assert found.ids == ("cat", "dog") and [len(files) for files in found.val] == [2, 2]


def damage(file, kind):
    content = file.read_bytes()
    file.write_bytes({"text": b"no image", "empty": b"", "cut": content[: len(content) // 2]}[kind])


@pytest.mark.parametrize("kind", ["text", "empty", "cut"])
@pytest.mark.parametrize("number", [0, 1])
def test_an_unreadable_image_is_named_in_one_line(tmp_path, kind, number):
    make(tmp_path, ["cat", "dog"], size=(40, 40))
    damage(tmp_path / "dog" / f"{number}.png", kind)
    with pytest.raises(SettingError, match=f"^imagefolder {tmp_path}/dog/{number}.png: .") as error:
        load_imagefolder(tmp_path)
    assert "\n" not in str(error.value)


def test_a_folder_without_classes_or_a_class_without_images_is_named(tmp_path):
    with pytest.raises(SettingError, match="none: No such file"):
        load_imagefolder(tmp_path / "none")
    with pytest.raises(SettingError, match="no folders in it; expected one of images for each class"):
        load_imagefolder(tmp_path)
    make(tmp_path, ["cat", "dog"], images=0)
    with pytest.raises(SettingError, match=f"imagefolder {tmp_path}/cat: no images in it"):
        load_imagefolder(tmp_path)
    assert load_imagefolder(make(tmp_path / "unequal", ["cat"]) and make(tmp_path / "unequal", ["dog"], 5)).num_classes

"""Parquet files with encoded images, as the data sets on Hugging Face are shipped."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from specbias.data.opened import open_images
from specbias.settings import SettingError
from specbias.settings.measurement import NetworkConfig

PIXELS = np.random.default_rng(0).integers(256, size=(6, 8, 7, 3), dtype=np.uint8)
LABELS = [0, 2, 1, 2, 0, 1]


def encoded(pixels, kind="PNG", **how):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **how)
    return stream.getvalue()


def write(file, labels=LABELS, images=None, names=("cat", "dog", "emu"), image="image", label="label", **columns):
    """Write what `datasets` writes: structs of bytes and path, integers, and the features in the schema's metadata."""
    images = [encoded(each) for each in PIXELS] if images is None else images
    structs = pa.array(
        [{"bytes": each, "path": f"{row}.png"} for row, each in enumerate(images)],
        type=pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    table = pa.table({image: structs, label: pa.array(labels, pa.int64()), **columns})
    features = {image: {"_type": "Image"}}
    if names:
        features[label] = {"names": list(names), "_type": "ClassLabel"}
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, file)
    return f"parquet:{file}"


def opened(dataset, **settings):
    return open_images(NetworkConfig(dataset=dataset, **settings))


@pytest.mark.parametrize(("image", "label"), [("image", "label"), ("img", "fine_label")])
def test_images_labels_and_names_are_those_in_the_file(tmp_path, image, label):
    data = opened(write(tmp_path / "test-00000-of-00001.parquet", image=image, label=label))
    assert np.array_equal(data.test.images.permute(0, 2, 3, 1).numpy(), PIXELS) and data.test.labels.tolist() == LABELS
    assert data.class_names == ("cat", "dog", "emu") and data.class_ids == ("0", "1", "2")


def test_a_pattern_names_the_parts_of_a_split(tmp_path):
    for part in (0, 1):
        rows = slice(3 * part, 3 * part + 3)
        write(tmp_path / f"test-0000{part}-of-00002.parquet", LABELS[rows], [encoded(each) for each in PIXELS[rows]])
    write(tmp_path / "train-00000-of-00001.parquet", [0] * 6)
    (tmp_path / "._test-00000-of-00002.parquet").write_bytes(b"what macOS keeps of a file")
    data = opened(f"parquet:{tmp_path}/*test-*.parquet")
    assert np.array_equal(data.test.images.permute(0, 2, 3, 1).numpy(), PIXELS) and data.test.labels.tolist() == LABELS


def write_parts(folder, *parts):
    for number, part in enumerate(parts):
        write(folder / f"test-{number}.parquet", LABELS[:3], [encoded(each) for each in PIXELS[:3]], **part)
    return f"parquet:{folder}/test-*.parquet"


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"names": ("dog", "cat", "emu")}, "the parts have other names for the same class of label: cat and dog"),
        ({"names": ("cat", "dog", "emu", "fox")}, "other names for the same class of label: None and fox"),
        ({"image": "img"}, "images in image, whole numbers in label, part 2 not: it has img, label"),
        ({"label": "fine"}, "images in image, whole numbers in label, part 2 not: it has image, fine"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(tmp_path, second, said):
    with pytest.raises(SettingError, match=said) as error:
        opened(write_parts(tmp_path, {}, second))
    assert "\n" not in str(error.value)


def test_a_part_without_names_of_classes_has_those_of_the_others(tmp_path):
    data = opened(write_parts(tmp_path, {"names": ()}, {}))
    assert data.class_names == ("cat", "dog", "emu") and data.test.labels.tolist() == LABELS[:3] * 2


def test_an_image_is_turned_as_its_camera_says(tmp_path):
    """As `datasets` does; the pixels of a file in a folder are left as they are, as torchvision does."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = opened(write(tmp_path / "t.parquet", [0, 1], [encoded(each, exif=exif) for each in PIXELS[:2]]))
    assert np.array_equal(data.test.images[0].permute(1, 2, 0).numpy(), np.rot90(PIXELS[0], 3))


def test_grey_of_16_bits_in_a_file_is_scaled(tmp_path):
    deep = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    data = opened(write(tmp_path / "t.parquet", [0, 1], [encoded(deep), encoded(deep)]))
    assert np.array_equal(data.test.images[0, 0].numpy(), np.rint(deep / 257).astype(np.uint8))


def test_several_columns_of_classes_are_asked_for(tmp_path):
    other = pa.array([5, 4, 3, 5, 4, 3], pa.int64())
    file = write(tmp_path / "t.parquet", names=(), label="fine_label", coarse_label=other)
    with pytest.raises(SettingError, match=r"several \(fine_label, coarse_label\): name one with --labels-key"):
        opened(file)
    assert opened(file, labels_key="coarse_label").class_ids == ("3", "4", "5")
    with pytest.raises(SettingError, match="labels_key=grade: .* has whole numbers in fine_label, coarse_label"):
        opened(file, labels_key="grade")


def test_what_is_no_such_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "text.parquet").write_text("no table, and longer than the few bytes at a parquet file's end")
    pq.write_table(pa.table({"label": [1, 2]}), tmp_path / "none.parquet")
    small = [encoded(each[:5]) for each in PIXELS]
    for dataset, said in (
        (f"parquet:{tmp_path / 'text.parquet'}", "text.parquet: "),
        (f"parquet:{tmp_path / 'missing.parquet'}", "missing.parquet: "),
        (f"parquet:{tmp_path}/missing-*.parquet", "no such files"),
        (f"parquet:{tmp_path / 'none.parquet'}", "expected one column of encoded images, there is none among label"),
        (write(tmp_path / "a.parquet", [-1] * 6), "labels from -1 to -1, for 3 named classes"),
        (write(tmp_path / "b.parquet", [0, 1, 2, 3, 0, 1]), "labels from 0 to 3, for 3 named classes"),
        (write(tmp_path / "c.parquet", [0, None, 1, 1, 1, 1]), "1 of 6 images have no label"),
        (write(tmp_path / "d.parquet", images=[b"no image"] * 6), "row 0: not an image"),
        (write(tmp_path / "e.parquet", images=[None] * 6), "row 0 has no image in it"),
        (write(tmp_path / "f.parquet", images=[encoded(PIXELS[0]), *small[1:]]), "row 1 is another than row 0"),
    ):
        with pytest.raises(SettingError, match=said) as error:
            opened(dataset)
        assert "\n" not in str(error.value)

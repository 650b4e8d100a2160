"""Images and labels of many kinds, each made in a folder: which are measured as meant, which are refused, and how."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from specbias.data.imagenet_ids import IMAGENET_IDS

CLASSES, EACH = 8, 4
LABELS = np.arange(CLASSES * EACH) % CLASSES


def pixels(kind="uint8"):
    """Grey images (N, 8, 8), dark but for one row, of whole numbers up to the largest of the kind."""
    noise = np.random.default_rng(0).uniform(0, 0.3, (len(LABELS), 8, 8))
    noise[np.arange(len(LABELS)), LABELS] += 0.6
    return np.rint(noise * np.iinfo(kind).max).astype(kind)


GREY = pixels()
RGB = np.repeat(GREY[..., None], 3, axis=3)
DEEP = pixels("uint16")


def folders(make, kind, names="abcdefgh", **how):
    """Return a case: a folder of images, made one by one from its number and saved as `kind`."""

    def build(place):
        for number, label in enumerate(LABELS):
            (place / "images" / names[label]).mkdir(parents=True, exist_ok=True)
            make(number).save(place / "images" / names[label] / f"{number}.{kind}", **how)
        return [f"imagefolder:{place / 'images'}"]

    return build


def plain(number):
    return Image.fromarray(RGB[number])


def converted(mode):
    return lambda number: plain(number).convert(mode)


def transparent(number):
    """Return an image whose rows are hidden by transparency: black all over, and the darker the more opaque."""
    alpha = Image.fromarray(255 - GREY[number])
    return Image.merge("RGBA", [Image.new("L", (8, 8))] * 3 + [alpha])


def spoiled(build, spoil):
    def both(place):
        flags = build(place)
        spoil(place / "images")
        return flags

    return both


def hide(images):
    for name in (".ipynb_checkpoints", "__MACOSX"):
        (images / name).mkdir()
        (images / name / "x.png").write_bytes(b"no image")
    (images / "a" / "._0.png").write_bytes(b"no image")


def cut(images):
    content = (images / "c" / "2.png").read_bytes()
    (images / "c" / "2.png").write_bytes(content[: len(content) * 2 // 3])


def npz(**arrays):
    def build(place):
        np.savez(place / "images.npz", **{name.strip("_"): array for name, array in arrays.items()})
        return [f"npz:{place / 'images.npz'}"]

    return build


def npy(images, labels, name="labels", *flags):
    def build(place):
        np.save(place / "noise.npy", images)
        np.save(place / f"{name}.npy", labels)
        return [f"npy:{place / 'noise.npy'}", *(flag.replace("HERE", str(place)) for flag in flags)]

    return build


def parquet(images, labels, *flags, column="image", **more):
    def build(place):
        streams = [io.BytesIO() for _ in images]
        for image, stream in zip(images, streams, strict=True):
            Image.fromarray(image).save(stream, "PNG")
        rows = [{"bytes": stream.getvalue(), "path": None} for stream in streams]
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        columns = {column: pa.array(rows, kind), "label": pa.array(labels.tolist(), pa.int64())}
        pq.write_table(pa.table(columns | more), place / "test.parquet")
        return [f"parquet:{place / 'test.parquet'}", *flags]

    return build


def known_to(outputs, places, build, *flags):
    """Return the case with a network of other outputs."""

    def both(place):
        arguments = json.dumps({"outputs": outputs, "places": places})
        return [*build(place), "--model-args", arguments, *flags]

    return both


def mapped(build, classes, *flags):
    def both(place):
        (place / "map.json").write_text(json.dumps(classes))
        return [*build(place), "--class-map", str(place / "map.json"), *flags]

    return both


IDS = IMAGENET_IDS[3:800:100]
PLACES = list(range(3, 800, 100))
COUNTS = np.eye(CLASSES, dtype=int)[LABELS] * 40 + 1
RIGHT = {
    "png": folders(plain, "png"),
    "jpeg": folders(plain, "jpg", quality=95),
    "webp": folders(plain, "webp", lossless=True),
    "bmp": folders(plain, "bmp"),
    "grey": folders(converted("L"), "PNG"),
    "palette": folders(converted("P"), "png"),
    "cmyk": folders(converted("CMYK"), "tif"),
    "grey of 16 bits, png": folders(lambda number: Image.fromarray(DEEP[number]), "png"),
    "grey of 16 bits, tif": folders(lambda number: Image.fromarray(DEEP[number]), "tiff"),
    "grey of 16 bits, pgm": folders(lambda number: Image.fromarray(DEEP[number]), "pgm"),
    "opaque alpha": folders(converted("RGBA"), "png"),
    "alpha that matters": folders(transparent, "png"),
    "hidden files": spoiled(folders(plain, "png"), hide),
    "numbers": folders(plain, "png", names="01234567"),
    "numbers with zeros": folders(plain, "png", names=[f"{number:03}" for number in range(8)]),
    "numbers past nine": known_to(12, [*range(4, 12)], folders(plain, "png", [str(n) for n in range(4, 12)])),
    "WordNet ids": known_to(1000, PLACES, folders(plain, "png", IDS)),
    "WordNet ids, own outputs": known_to(1000, PLACES, folders(plain, "png", IDS), "--class-outputs", "own"),
    "numbers of 1000": known_to(1000, PLACES, folders(plain, "png", [str(place) for place in PLACES])),
    "class map": mapped(
        known_to(20, [*range(8, 0, -1)], folders(plain, "png")), dict(zip("abcdefgh", range(8, 0, -1), strict=True))
    ),
    "class map of some": mapped(folders(plain, "png"), {"a": 0, "c": 2, "h": 7}),
    "resized": lambda place: [*folders(lambda n: plain(n).resize((16, 16)), "png")(place), "--image-size", "8"],
    "npz": npz(images=RGB, labels=LABELS),
    "npz, channels first": npz(data=RGB.transpose(0, 3, 1, 2), labels=LABELS.astype(np.uint8)),
    "npz of MedMNIST": npz(
        test_images=GREY, test_labels=LABELS[:, None], train_images=GREY, train_labels=LABELS[:, None]
    ),
    "npz of Keras": npz(x_test=GREY, y_test=LABELS.astype(np.int32), x_train=GREY, y_train=LABELS),
    "npz, some numbers": known_to(30, [*range(20, 28)], npz(images=RGB, labels=LABELS + 20)),
    "npy": npy(RGB, LABELS),
    "npy, grey": npy(GREY, LABELS[:, None]),
    "npy, labels elsewhere": npy(RGB, LABELS, "others", "--labels", "HERE/others.npy"),
    "npy, counts": npy(RGB, COUNTS),
    "npy, probabilities": npy(RGB, COUNTS / COUNTS.sum(1, keepdims=True)),
    "npy, a severity": npy(np.concatenate([255 - RGB] * 4 + [RGB]), np.tile(LABELS, 5), "labels", "--severity", "5"),
    "parquet": parquet(RGB, LABELS),
    "parquet, grey of 16 bits": parquet(DEEP, LABELS, column="img"),
    "parquet, another column": parquet(RGB, LABELS * 0, "--labels-key", "real", real=pa.array(LABELS.tolist())),
}


REFUSED = {
    "integers of 32 bits": (
        folders(lambda n: Image.fromarray(DEEP[n].astype(np.int32)), "tif"),
        "a/0.tif: grey in int",
    ),
    "floats": (folders(lambda n: Image.fromarray(GREY[n] / np.float32(255)), "tif"), "a/0.tif: grey in floats"),
    "cut off": (spoiled(folders(plain, "png"), cut), "c/2.png: "),
    "no image": (
        spoiled(folders(plain, "png"), lambda place: (place / "b" / "z.png").write_text("?")),
        "b/z.png: not an",
    ),
    "several sizes": (
        folders(lambda n: plain(n).resize((8, 8 + n // 8)), "png"),
        "images of several sizes; give --imag",
    ),
    "gif alone": (folders(plain, "gif"), "images/a: no images in it"),
    "no classes": (lambda place: [f"imagefolder:{place}"], "no folders in it"),
    "one class": (folders(plain, "png", names="aaaaaaaa"), "the data set has only one class"),
    "train and val": (folders(plain, "png", names=["train", "val"] * 4), "holds train, val, not classes"),
    "other outputs": (
        known_to(30, [*range(8)], folders(plain, "png")),
        "the data set has 8 classes (a, b, c, ... h): --cla",
    ),
    "an unknown id": (
        known_to(1000, PLACES, folders(plain, "png", [*IDS[:7], "n99999999"])),
        "none of ImageNet's 1,000",
    ),
    "counted from 1": (known_to(30, [*range(8)], folders(plain, "png", "12345678")), "is class 1 output 0 or 1"),
    "class map of others": (mapped(folders(plain, "png"), {"x": 0}), "it names x, the classes are a, b, c, ... h"),
    "class map too large": (mapped(folders(plain, "png"), {"a": 0, "b": 8}), "names output 8, and the network has 8"),
    "uint16": (npz(images=DEEP, labels=LABELS), "uint16 from"),
    "0 to 1": (npz(images=RGB / 255, labels=LABELS), "float64 from 0 to"),
    "flat": (npz(images=RGB.reshape(32, -1), labels=LABELS), "of shape (32, 192)"),
    "four channels": (npz(images=np.concatenate([RGB, RGB[..., :1]], 3), labels=LABELS), "of shape (32, 8, 8, 4)"),
    "too few labels": (npz(images=RGB, labels=LABELS[:9]), "32 images and 9 labels"),
    "labels below 0": (npz(images=RGB, labels=LABELS - 1), "labels from -1 to 6"),
    "labels beyond": (
        known_to(6, [*range(6)], npz(images=RGB, labels=LABELS)),
        "from 0 to 7, the model gives 6 outputs",
    ),
    "several labels": (npz(images=RGB, labels=np.tile([1, 1, 0], (32, 1))), "several classes for an image"),
    "labels as text": (npz(images=RGB, labels=np.array(list("abcdefgh") * 4)), "no array of numbers"),
    "objects": (npz(images=RGB, labels=LABELS.astype(object)), "labels cannot be read"),
    "no labels": (npz(images=RGB), "expected images and labels"),
    "empty": (npz(images=RGB[:0], labels=LABELS[:0]), "no images in it"),
    "npy without labels": (npy(RGB, LABELS, "other"), "noise.npy: no labels.npy beside it"),
    "severity of others": (npy(RGB, LABELS, "labels", "--severity", "2"), "not five times as many"),
    "too few images": (npz(images=RGB[:12], labels=LABELS[:12]), "pairs need 2 images of a class"),
    "parquet without labels": (parquet(RGB, LABELS, "--labels-key", "real"), "has whole numbers in label"),
    "no file": (lambda place: [f"parquet:{place / 'none.parquet'}"], "none.parquet: "),
    "no such kind": (lambda place: [f"csv:{place}"], "unknown data set"),
}

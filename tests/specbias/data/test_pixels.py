"""Images of every kind that Pillow writes become the RGB that they show, or are refused by name."""

import struct

import numpy as np
import pytest
from PIL import Image

from specbias.data.decode import Geometry, decode
from specbias.data.imagefolder import load_imagefolder
from specbias.settings import SettingError

RAMP = np.linspace(0, 1, 64).reshape(8, 8)  # from black to white


def folder(place, image, name="odd.png", **how):
    """Two classes of two images each; the first is the one given."""
    for label in ("cat", "dog"):
        (place / label).mkdir(parents=True)
        for number in (1, 2):
            Image.fromarray(np.full((8, 8, 3), 60 * number, np.uint8)).save(place / label / f"plain_{number}.png")
    image.save(place / "cat" / name, **how)
    return place


def read(place):
    return load_imagefolder(place).test.images[0].numpy()  # odd comes before plain


@pytest.mark.parametrize("name", ["odd.png", "odd.tif", "odd.pgm"])
def test_grey_of_16_bits_is_scaled(tmp_path, name):
    """Pillow's own conversion clips at 255: all but one pixel of this ramp would be white."""
    image = Image.fromarray(np.rint(RAMP * 65535).astype(np.uint16))
    found = read(folder(tmp_path, image, name))
    assert (found == np.rint(np.rint(RAMP * 65535) / 257).astype(np.uint8)).all()
    [decoded] = decode([[str(tmp_path / "cat" / name)]], Geometry(8, 8), folder=tmp_path / "cache")
    assert (decoded.images[0] == found).all()


def tiff(pixels, bits, photometric):
    """Return a grey TIFF, written by the standard: a header, eight tags, and rows of packed bits."""
    if bits == 12:  # two numbers in three bytes
        text = "".join(f"{value:012b}" for value in pixels.flat)
        packed = int(text, 2).to_bytes(len(text) // 8, "big")
    else:
        packed = pixels.astype(f"<u{bits // 8}").tobytes()
    height, width = pixels.shape
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 110, 278: height, 279: len(packed)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return (struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)).ljust(110, b"\0") + packed


@pytest.mark.parametrize(("bits", "negative"), [(8, False), (8, True), (12, False), (16, False), (16, True)])
def test_a_tiff_of_any_depth_is_scaled_and_is_no_negative(tmp_path, bits, negative):
    """Pillow inverts a negative of 8 bits, and none of 16; of 12 bits it opens the numbers as they are."""
    place, levels = folder(tmp_path, Image.new("L", (8, 8))), np.rint(RAMP * (2**bits - 1)).astype(int)
    content = tiff(levels, bits, photometric=0 if negative else 1)
    (place / "cat" / "odd.png").rename(place / "cat" / "odd.tif").write_bytes(content)
    assert abs(read(place) - np.rint(255 * (1 - RAMP if negative else RAMP))).max() <= 1


def test_a_transparent_level_of_16_bits_is_white(tmp_path):
    grey = np.full((8, 8), 300, np.uint16)
    grey[0] = 500
    found = read(folder(tmp_path, Image.fromarray(grey), transparency=500))
    assert (found[:, 0] == 255).all() and (found[:, 1:] == 1).all()


@pytest.mark.parametrize(("pixels", "said"), [(np.int32(200_000) * RAMP, "32 bits"), (RAMP.astype("f"), "floats")])
def test_integers_of_32_bits_and_floats_are_refused_by_name(tmp_path, pixels, said):
    kind = np.int32 if said == "32 bits" else np.float32
    place = folder(tmp_path, Image.fromarray(pixels.astype(kind)), "odd.tif")
    with pytest.raises(SettingError, match=f"cat/odd.tif: grey in .*{said}.*save it with 8 or 16 bits"):
        load_imagefolder(place)
    file = str(place / "cat" / "odd.tif")
    [decoded] = decode([[file]], Geometry(8, 8), folder=tmp_path / "cache")
    assert len(decoded.images) == 0 and decoded.unreadable[0].startswith(f"{file}: grey in ")


def transparent(mode):
    colours = Image.new("RGBA", (8, 8), (200, 100, 50, 255))
    colours.paste((0, 0, 0, 0), (0, 0, 8, 4))  # the upper half is transparent; what colour it hides is nothing's colour
    colours.putpixel((0, 7), (0, 0, 0, 128))
    return colours.convert(mode)


def test_transparency_is_laid_on_white(tmp_path):
    found = read(folder(tmp_path, transparent("RGBA")))
    assert (found[:, :4] == 255).all() and (found[:, 5, 5] == [200, 100, 50]).all()
    assert abs(found[:, 7, 0].astype(int) - 127).max() <= 1


def test_transparency_of_grey_is_laid_on_white(tmp_path):
    found = read(folder(tmp_path, transparent("LA")))
    assert (found[:, :4] == 255).all() and (found[:, 5, 5] < 200).all()


def test_a_transparent_colour_of_a_palette_and_of_rgb_is_white(tmp_path):
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.putpixel((0, 0), 0)
    assert read(folder(tmp_path / "palette", palette, transparency=0))[:, 0, :2].T.tolist() == [[255] * 3, [10, 20, 30]]
    plain = Image.new("RGB", (8, 8), (10, 20, 30))
    plain.putpixel((0, 0), (1, 2, 3))
    found = read(folder(tmp_path / "rgb", plain, transparency=(1, 2, 3)))
    assert found[:, 0, :2].T.tolist() == [[255] * 3, [10, 20, 30]]


@pytest.mark.parametrize(("mode", "name"), [("L", "odd.png"), ("1", "odd.png"), ("P", "odd.bmp"), ("CMYK", "odd.tif")])
def test_what_is_opaque_is_as_pillow_and_torchvision_convert_it(tmp_path, mode, name):
    image = Image.fromarray(np.rint(RAMP * 255).astype(np.uint8)).convert(mode)
    assert (read(folder(tmp_path, image, name)) == np.asarray(image.convert("RGB")).transpose(2, 0, 1)).all()

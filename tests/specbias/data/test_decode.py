"""Decoded pixels are torchvision's to the digit; what is kept is whole, the newest, and decoded once."""

import io
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from PIL import Image
from torchvision.datasets.folder import default_loader
from torchvision.models import ResNet18_Weights, Swin_T_Weights
from torchvision.transforms import v2

from specbias.data.decode import Geometry, decode, read_image
from specbias.settings import SettingError

SMALL = Geometry(16, 18)


def noise(width, height, mode="RGB"):
    """Return an image of noise that is smooth enough for a resize to see it."""
    channels = len(mode) if mode in ("RGB", "RGBA", "CMYK", "LA") else 1
    coarse = np.random.default_rng((width, height)).integers(256, size=(6, 7, channels), dtype=np.uint8)
    image = Image.fromarray(coarse.squeeze(), {1: "L", 2: "LA", 3: "RGB", 4: mode}[channels]).resize((width, height))
    return image.convert(mode)


IMAGES = {  # how each is made, and the format it is saved in; what is read in another way is in test_pixels.py
    "landscape": (lambda: noise(37, 24), "JPEG"),
    "portrait": (lambda: noise(23, 41), "JPEG"),
    "narrow": (lambda: noise(15, 150), "JPEG"),
    "square": (lambda: noise(30, 30), "JPEG"),
    "as it should be": (lambda: noise(16, 16), "JPEG"),
    "one side as it should be": (lambda: noise(18, 27), "PNG"),
    "smaller": (lambda: noise(7, 9), "PNG"),
    "one pixel": (lambda: noise(1, 1), "PNG"),
    "grey": (lambda: noise(31, 20, "L"), "JPEG"),
    "black and white": (lambda: noise(31, 20, "1"), "PNG"),
    "CMYK": (lambda: noise(31, 20, "CMYK"), "JPEG"),
    "palette": (lambda: noise(31, 20).quantize(16), "PNG"),
    "turned": (lambda: noise(31, 20), "TIFF"),
}
GEOMETRIES = [SMALL, Geometry(16, 16), Geometry(19, 40, "bicubic"), Geometry(16, 21, "nearest")]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("name", IMAGES)
def test_pixels_are_those_of_torchvision_to_the_digit(tmp_path, name, geometry):
    make, kind = IMAGES[name]
    file = tmp_path / f"image.{kind}"
    exif = Image.Exif()
    exif[0x0112] = 6 if name == "turned" else 1  # the camera was held on its side: neither looks at it
    make().save(file, kind, exif=exif)
    mode = v2.InterpolationMode(geometry.interpolation)
    steps = [v2.Resize(geometry.resize, mode, antialias=True), v2.CenterCrop(geometry.size), v2.PILToTensor()]
    twin = v2.Compose(steps)(default_loader(str(file)))
    assert torch.equal(torch.from_numpy(read_image(str(file), geometry).copy()), twin)


@pytest.mark.parametrize("weights", [ResNet18_Weights.IMAGENET1K_V1, Swin_T_Weights.IMAGENET1K_V1], ids=str)
@pytest.mark.parametrize("size", [(301, 250), (210, 333)], ids=str)
def test_pixels_are_those_that_published_networks_are_given(tmp_path, weights, size):
    file = tmp_path / "image.JPEG"
    noise(*size).save(file, "JPEG")
    preset = weights.transforms()
    mean, std = (torch.tensor(constants).view(3, 1, 1) for constants in (preset.mean, preset.std))
    twin = (preset(default_loader(str(file))) * std + mean) * 255
    geometry = Geometry(preset.crop_size[0], preset.resize_size[0], preset.interpolation.value)
    assert (twin - torch.from_numpy(read_image(str(file), geometry).copy())).abs().max() < 1e-3


@pytest.fixture
def groups(tmp_path):
    """Three classes of four images."""
    files = [[str(tmp_path / f"{label}_{number}.png") for number in range(4)] for label in range(3)]
    for place, file in enumerate(file for group in files for file in group):
        noise(20 + place, 25).save(file)
    return files


def test_each_group_is_an_array_in_the_order_of_its_files_and_so_by_two_workers(tmp_path, groups):
    one = decode(groups, SMALL, folder=tmp_path / "one")
    two = decode(groups, SMALL, folder=tmp_path / "two", workers=2)
    for files, first, second in zip(groups, one, two, strict=True):
        assert np.array_equal(first.images, [read_image(file, SMALL) for file in files])
        assert np.array_equal(first.images, second.images) and first.images.dtype == np.uint8
        assert isinstance(first.images, np.memmap) and first.unreadable == second.unreadable == ()


def test_no_file_is_no_image(tmp_path):
    [found] = decode([[]], SMALL, folder=tmp_path / "kept")
    assert found.images.shape == (0, 3, 16, 16) and found.unreadable == ()


def test_damaged_files_are_left_out_and_named_now_and_later(tmp_path):
    whole, cut, empty, text, torn = (str(tmp_path / name) for name in ("a.JPEG", "b.JPEG", "c.JPEG", "d.JPEG", "e.PNG"))
    noise(40, 40).save(whole, "JPEG")
    Path(cut).write_bytes(Path(whole).read_bytes()[:-60])
    Path(empty).write_bytes(b"")
    Path(text).write_text("<html>404</html>")
    buffer = io.BytesIO()
    noise(40, 40).save(buffer, "PNG")
    Path(torn).write_bytes(buffer.getvalue().replace(b"IDAT", b"\xff\xff\xff\xff"))
    for _ in range(2):  # decoded, and opened
        [found] = decode([[cut, whole, empty, text, torn]], SMALL, folder=tmp_path / "kept")
        assert np.array_equal(found.images, [read_image(whole, SMALL)])
        assert [said.split(": ")[0] for said in found.unreadable] == [cut, empty, text, torn]
        assert "truncated" in found.unreadable[0] and found.unreadable[1].endswith(": not an image")


def test_what_is_decoded_is_not_read_again_until_a_file_changes(tmp_path, groups):
    file = Path(groups[0][0])
    noise(30, 25).save(file, "BMP")  # whose size in bytes is that of any image of as many pixels
    size, date, before = file.stat().st_size, file.stat().st_mtime_ns, read_image(str(file), SMALL)
    decode(groups, SMALL, folder=tmp_path / "kept")
    file.write_bytes(b"x" * size)  # who reads it now, notices
    os.utime(file, ns=(date, date))
    assert np.array_equal(decode(groups, SMALL, folder=tmp_path / "kept")[0].images[0], before)
    noise(30, 25).rotate(180).save(file, "BMP")
    os.utime(file, ns=(date + 1, date + 1))
    assert file.stat().st_size == size
    found = decode(groups, SMALL, folder=tmp_path / "kept")
    assert np.array_equal(found[0].images[0], read_image(str(file), SMALL))
    assert not np.array_equal(found[0].images[0], before)
    assert len(list((tmp_path / "kept").iterdir())) == 4  # three classes, and one that changed


def test_another_size_or_interpolation_is_another_array(tmp_path, groups):
    geometries = [SMALL, Geometry(16, 20), Geometry(18, 18), Geometry(16, 18, "bicubic")]
    found = [decode(groups[:1], each, folder=tmp_path / "kept")[0].images[0] for each in geometries]
    assert [each.shape[-1] for each in found] == [16, 16, 18, 16]
    assert not np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[3])


def test_a_process_that_is_killed_leaves_whole_classes_and_the_next_one_goes_on(tmp_path, groups):
    blocked, folder = groups[2][0], tmp_path / "kept"
    os.remove(blocked)
    os.mkfifo(blocked)  # whoever opens it waits
    code = f"""
from pathlib import Path
from specbias.data.decode import Geometry, decode
decode({groups!r}, Geometry(16, 18), folder=Path({str(folder)!r}))
"""
    child = subprocess.Popen([sys.executable, "-c", code])
    while not folder.exists() or len(list(folder.glob("*.npy"))) < 2:
        assert child.poll() is None
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    dates = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    os.remove(blocked)
    noise(20, 20).save(blocked)
    found = decode(groups, SMALL, folder=folder)
    assert [len(each.images) for each in found] == [4, 4, 4]
    assert {file: file.stat().st_mtime_ns for file in dates} == dates and len(list(folder.iterdir())) == 3


def test_what_killed_processes_left_is_removed_once_it_is_old(tmp_path, groups):
    folder = tmp_path / "kept"
    folder.mkdir()
    old, new = (folder / f"0123.npy.{name}.part" for name in ("old", "new"))
    for part in (old, new):
        part.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    assert len(decode(groups, SMALL, folder=folder)) == 3
    assert not old.exists() and new.exists()  # which may be of a process that is at work


def test_two_processes_may_decode_the_same_at_once(tmp_path, groups):
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        first, second = Parallel(n_jobs=2)(delayed(decode)(groups, SMALL, folder=folder) for _ in range(2))
        for files, one, other in zip(groups, first, second, strict=True):
            assert np.array_equal(one.images, [read_image(file, SMALL) for file in files])
            assert np.array_equal(one.images, other.images)
        assert len(list(folder.iterdir())) == 3


def refusal(groups, folder, **settings):
    with pytest.raises(SettingError) as error:
        decode(groups, SMALL, folder=folder, **settings)
    assert "\n" not in str(error.value) and "SPECBIAS_CACHE_DIR" in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, groups, workers):
    (tmp_path / "file").write_text("no folder")
    assert refusal(groups, tmp_path / "file" / "kept", workers=workers).startswith(f"{tmp_path}/file/kept: Not a dir")


def test_a_full_disk_is_one_line_and_leaves_nothing_half(tmp_path, groups):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        said = refusal(groups, tmp_path / "kept")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert said.startswith(f"{tmp_path}/kept: File too large")
    assert not list((tmp_path / "kept").iterdir())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_the_system_does_not_give_is_refused_and_not_forgotten(tmp_path, groups, workers):
    """It may be there tomorrow: a class without it must not be kept."""
    gone = Path(groups[1][2])
    gone.rename(gone.with_suffix(".away"))
    assert refusal(groups, tmp_path / "kept", workers=workers).startswith(f"{gone}: No such file")
    gone.mkdir()  # it can be found, and not be read
    assert refusal(groups, tmp_path / "kept", workers=workers).startswith(f"{gone}: Is a directory")
    gone.rmdir()
    gone.with_suffix(".away").rename(gone)
    assert [len(each.images) for each in decode(groups, SMALL, folder=tmp_path / "kept")] == [4, 4, 4]

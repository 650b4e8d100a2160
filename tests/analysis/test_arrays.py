"""Arrays beside a file of records: what the sweep has comes back, what all have is there once, and nothing is stale."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.export import main as export
from analysis.tables.arrays import arrays_of, last_arrays, write_arrays
from analysis.tables.records_file import read_records, write_records
from analysis.tables.table import RecordError, Records, normal

SHARE, IMAGES = "frequency/within_class/share", "frequency/within_class/first_image"
EXACT = (
    "generalization/test_accuracy_per_class",
    "frequency/within_class/spectrum",
    "frequency/within_class/standard_error/mirror/spectrum",
)


def measured(trial, epoch):
    generator = np.random.default_rng([trial, epoch])
    left_out = {"examples/within_class": np.ones(3), "frequency/within_class/mirror/amplitude": np.ones(3)}
    left_out |= {"frequency/within_class/standard_error/mirror": np.array(0.1)}
    exact = {name: generator.random(3) for name in EXACT}
    return left_out | {SHARE: generator.random(200), IMAGES: np.arange(200)} | exact


@pytest.fixture
def sweep(monkeypatch):
    """Three trials, the first of them the baseline, measured at two epochs."""
    load = lambda run_id, *, tracking_uri, epoch=None: measured(int(run_id), 2 if epoch is None else epoch)  # noqa: E731
    monkeypatch.setattr("analysis.tables.arrays.load_arrays", load)
    origin = {"sweep_id": "made1", "study": "cifar", "search": "grid", "dataset": "digits", "epochs": 2}
    rows = [
        origin
        | {"trial_id": f"t{n}", "run_id": str(n), "label": f"t{n}", "epoch": epoch, "width": 8 + n}
        | {"intervention": "width" if n else "baseline", "frequency/within_class": 0.1}
        for n in range(3)
        for epoch in (1, 2)
    ]
    return Records(normal(pd.DataFrame(rows)), {}, "made", "sqlite:///none.db")


@pytest.fixture
def file(sweep, tmp_path):
    write_records(sweep, tmp_path / "records.csv")
    assert write_arrays(sweep, tmp_path / "records.npz") == 4
    return tmp_path / "records.csv"


def test_what_the_sweep_has_comes_back_without_what_is_left_out(sweep, file):
    """In float32; values of single paths rounded to half precision, as the file's size asks."""
    rows = [*last_arrays(read_records(file))]
    assert [row["trial_id"] for row, _ in rows] == ["t0", "t1", "t2"]
    for number, (row, arrays) in enumerate(rows):
        expected = measured(number, 2)
        assert {*arrays} == {SHARE, IMAGES, *EXACT} and arrays[SHARE].dtype == np.float32
        for name, value in arrays.items():
            np.testing.assert_allclose(value, expected[name], rtol=5e-4 if name == SHARE else 1e-7)
        assert arrays[SHARE].mean() == pytest.approx(expected[SHARE].mean(), rel=3e-5)
        if number == 0:
            np.testing.assert_allclose(arrays_of(read_records(file), row, 1)[SHARE], measured(0, 1)[SHARE], rtol=5e-4)


@pytest.mark.parametrize("size", [1e5, 1e-6])
def test_path_values_beyond_half_precision_are_kept_in_float32(sweep, tmp_path, monkeypatch, size):
    load = lambda run_id, *, tracking_uri, epoch=None: {SHARE: np.array([size, 0, np.nan, np.inf])}  # noqa: E731
    monkeypatch.setattr("analysis.tables.arrays.load_arrays", load)
    write_records(sweep, tmp_path / "records.csv")
    write_arrays(sweep, tmp_path / "records.npz")
    for _, arrays in last_arrays(read_records(tmp_path / "records.csv")):
        np.testing.assert_array_equal(arrays[SHARE], np.array([size, 0, np.nan, np.inf], np.float32))


def test_what_all_measurements_have_is_kept_once(file):
    with np.load(file.with_suffix(".npz")) as kept:
        assert [name for name in kept.files if name.endswith(IMAGES)] == [f"all/{IMAGES}"]
        assert sum(name.endswith(SHARE) for name in kept.files) == 4


def test_another_content_is_read_again_and_also_in_another_folder(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = read_records(Path("records.csv"))
    before = arrays_of(records, records.last.iloc[0])[SHARE]
    np.savez(tmp_path / "records.npz", **{f"t0/2/{SHARE}": np.zeros(200)})
    os.utime(tmp_path / "records.npz", ns=(0, 1))
    assert before.any() and not arrays_of(records, records.last.iloc[0])[SHARE].any()
    (tmp_path / "other").mkdir()
    np.savez(tmp_path / "other" / "records.npz", **{f"t0/2/{SHARE}": np.ones(200)})
    os.utime(tmp_path / "other" / "records.npz", ns=(0, 1))
    monkeypatch.chdir(tmp_path / "other")
    assert arrays_of(records, records.last.iloc[0])[SHARE].all()


def test_what_is_not_there_is_said(file, run_script):
    records = read_records(file)
    with pytest.raises(RecordError, match="trial t1 has no arrays at epoch 1 beside .*; there are: 2$"):
        arrays_of(records, records.last.iloc[1], 1)
    file.with_suffix(".npz").write_bytes(b"PK")
    with pytest.raises(RecordError, match="no whole .npz file"):
        [*last_arrays(records)]
    file.with_suffix(".npz").unlink()
    with pytest.raises(RecordError, match="this needs arrays: .* --arrays, which writes records.npz beside it"):
        [*last_arrays(records)]
    status, _, error = run_script(export, "--records", str(file), "--out", "table.npz")
    assert status == 2 and error == "error: --out table.npz: .npz is for the arrays; name a .csv file\n"

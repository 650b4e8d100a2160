"""A result prints, draws, saves and loads what was measured, and gives it as a table."""

import json
import shutil

import numpy as np
import pytest

from specbias.results import Result, load
from specbias.settings import SettingError


def texts(figure):
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


@pytest.fixture(scope="module")
def saved(results, tmp_path_factory):
    """The files of a saved result."""
    return results[0].save(tmp_path_factory.mktemp("results") / "new" / "f0")


def test_what_is_saved_is_loaded_and_drawn_beside_it(results, saved):
    files = saved
    names = ["json", "npz", "png", "svg"]
    assert [file.name for file in files] == [*(f"measurement.{n}" for n in names), *PATHS]
    for place in (files[0].parent, files[0], files[1]):
        found = load(place)
        assert found.record == json.loads(json.dumps(results[0].record)) and found.name == "f0"
        assert found.arrays.keys() == results[0].arrays.keys()
        assert np.array_equal(found.arrays["frequency/within_class/share"], results[0].arrays[WITHIN])
    assert "within classes</text>" in files[3].read_text()  # text as text


PATHS = ("measurement_paths.png", "measurement_paths.svg")
WITHIN = "frequency/within_class/share"


def test_a_write_that_fails_midway_leaves_what_was_there(results, tmp_path, undrawn, monkeypatch):
    def full(stream, **arrays):
        stream.write(b"half of it")
        raise OSError("no space left")

    results[0].write(tmp_path / "a.json")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert before.keys() == {"a.json", "a.npz"}
    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="no space"):
        results[1].write(tmp_path / "a.json")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_the_picture_says_the_numbers_of_the_record(results):
    said = texts(results[0].plot())
    record = results[0].record
    assert f"accuracy {record['accuracy']:.4f} ± " in " ".join(said)
    for kind in ("within_class", "between_class"):
        for name in ("high_frequency_share", "total_variation", "crossings"):
            value, error = record[kind][name], record[kind]["standard_errors"][name]
            assert f"{value:.4f} ± {error:.4f}" in said
    assert {"distance along the path (normalised L2)", "paths (%)", "between classes; diagonal: within each"} <= {*said}


def test_a_narrow_picture_has_the_same_panels_one_below_the_other(results):
    wide, narrow = (results[0].plot(width=width) for width in (17.5, 8.5))
    assert sorted(axes.get_ylabel() for axes in wide.axes) == sorted(axes.get_ylabel() for axes in narrow.axes)
    assert narrow.get_figwidth() == pytest.approx(8.5 / 2.54) and wide.get_figwidth() == pytest.approx(17.5 / 2.54)
    columns = {round(axes.get_position().x0, 1) for axes in narrow.axes if axes.get_ylabel() in ("paths (%)",)}
    assert len(columns) == 1


def test_the_picture_of_paths_has_the_extreme_and_the_median_ones_of_both_kinds(results):
    figure = results[0].plot_paths()
    titles = [text for text in texts(figure) if " to " in text]
    assert [title.split(":")[0] for title in titles] == [
        f"{which} share {kind} classes" for kind in ("within", "between") for which in ("lowest", "median", "highest")
    ]


def test_in_vector_formats_text_is_text_however_it_is_saved(results, tmp_path):
    figure = results[0].plot(width=8.5)
    figure.savefig(tmp_path / "f.svg")
    figure.savefig(tmp_path / "f.pdf")
    assert "frequency (cycles per unit of distance)</text>" in (tmp_path / "f.svg").read_text()
    assert b"/Type3" not in (tmp_path / "f.pdf").read_bytes()  # fonts whose letters are drawings


def test_a_row_per_path_comes_as_a_table(results):
    frame = results[0].to_frame()
    assert len(frame) == 30 + 135 and {"kind", "first_class", "share", "distance", "crossings"} <= {*frame.columns}
    mean = frame.groupby("kind")["share"].mean()["between_class"]
    assert mean == pytest.approx(results[0].record["between_class"]["high_frequency_share"])


def test_a_notebook_gets_the_numbers_and_the_picture(results):
    html = results[0]._repr_html_()
    assert "accuracy" in html and "data:image/png;base64,iVBOR" in html
    assert results[0].plot()._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda file: file.unlink(), "measurement.json: there is no such file, which belongs to measurement.npz"),
        (lambda file: file.write_text("no"), "measurement.npz: no measurement of specbias"),
        (lambda file: file.write_text("{}"), "it lacks an accuracy, or paths"),
        (lambda file: file.write_text('{"accuracy": 1, "measure_version": 99}'), "of version 99 of the measure"),
    ],
)
def test_what_is_no_measurement_is_refused_in_one_line(saved, tmp_path, spoil, said):
    for file in saved[:2]:
        shutil.copy(file, tmp_path)
    spoil(tmp_path / "measurement.json")
    with pytest.raises(SettingError, match=said) as error:
        load(tmp_path / "measurement.npz")
    assert "\n" not in str(error.value)


def test_where_a_network_stands_among_the_published_is_drawn_where_it_was_measured_as_they(results):
    alike = {"dataset": "cifar10", "split": "test", "spacing": 1.0, "path_samples": None, "signal": "probabilities"}
    record = results[0].record | {"settings": results[0].record["settings"] | alike, "accuracy": 0.9}
    here = Result(record, results[0].arrays)
    assert "of 447 published networks" in repr(here) and "published" not in repr(results[0])
    axes = [each for each in here.plot().axes if "RobustNets" in each.get_title()]
    assert [each.get_title() for each in axes] == ["within classes, RobustNets", "between classes, RobustNets"]
    for each, kind in zip(axes, ("within_class", "between_class"), strict=True):
        them, own = each.get_lines()[:2]
        assert len(them.get_xdata()) == 447
        assert (own.get_xdata()[0], own.get_ydata()[0]) == (0.9, record[kind]["high_frequency_share"])
    assert not [each for each in results[0].plot().axes if "RobustNets" in each.get_title()]

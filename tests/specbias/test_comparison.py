"""Two results compared: path by path where they share paths, by their means where not, or refused with what differs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from specbias.comparison import compare
from specbias.measurement.paired import paired_difference
from specbias.measuring import measure
from specbias.settings import SettingError
from tests.specbias.test_results import texts


def of(found, scalar, kind="within_class", classes=None):
    [row] = [row for row in found.rows if (row.scalar, row.kind, row.classes) == (scalar, kind, classes)]
    return row


def test_on_shared_paths_every_difference_is_the_paired_one(results):
    found = compare(*results)
    assert all(row.paired for row in found.rows) and not found.notes
    for name, array in (("high_frequency_share", "share"), ("mean_frequency", "mean_frequency")):
        twin = paired_difference(*(each.arrays for each in results), kind="within_class", scalar=array)
        assert of(found, name).difference == twin
        record = [each.record["within_class"][name] for each in results]
        assert (of(found, name).first, of(found, name).second) == pytest.approx(tuple(record))
        assert twin.statistic == pytest.approx(record[1] - record[0])
    assert sum(row.classes is not None for row in found.rows) == 10


def test_accuracies_are_compared_image_by_image(results):
    row = of(compare(*results), "accuracy", "")
    hits = [each.arrays["correct"].astype(float) for each in results]
    moved = hits[1] - hits[0]
    assert row.difference.statistic == pytest.approx(moved.mean())
    assert row.difference.standard_error == pytest.approx(moved.std(ddof=1) / len(moved) ** 0.5)


def test_a_network_does_not_differ_from_itself(results):
    found = compare(results[0], results[0])
    assert all(row.difference.statistic == 0 == row.difference.standard_error for row in found.rows)
    assert [each.name for each in found.results] == ["f0 (1)", "f0 (2)"]
    found.plot()


def test_on_other_paths_it_is_said_and_the_interval_is_wider(results):
    def other(images):
        return torch.tanh(images.flatten(1) @ torch.ones(3072, 10) / 1000)

    elsewhere = measure(other, "digits", pairs=3, spacing=3.0, pairing="random", seed=5, quiet=True)
    found = compare(results[0], elsewhere)
    assert not any(row.paired for row in found.rows if row.kind) and of(found, "crossings").difference.interval
    assert "differ in pairing official and random; seed 0 and 5" in found.notes[0]
    assert "share no path within classes: compared by their means alone, with wider intervals" in found.notes[1]
    assert "by their means" in repr(found)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"spacing": 4.0}, "spacing 3 and 4; measure both alike"),
        ({"path_samples": 12}, "path_samples none and 12"),
        ({"signal": "logits"}, "frequencies of probabilities and of logits"),
    ],
)
def test_measurements_of_two_kinds_are_refused_with_what_differs(results, changed, said):
    settings = {"pairs": 1, "spacing": 3.0, "quiet": True} | changed
    other = measure(lambda images: images.flatten(1)[:, :10], "digits", **settings)
    with pytest.raises(SettingError, match=said) as error:
        compare(results[0], other)
    assert "\n" not in str(error.value)


def test_what_depends_on_the_band_or_the_version_is_left_out_where_these_differ(results):
    arrays = results[1].arrays | {"frequency/band": np.array(0.1)}
    found = compare(results[0], replace(results[1], arrays=arrays))
    assert not [row for row in found.rows if row.scalar == "fixed_band"] and of(found, "crossings")
    assert any("left out: fixed_band: the first is of the band above 0.05" in note for note in found.notes)


def test_images_of_another_space_are_refused(results):
    record = results[1].record | {"normalisation": {"distances": {"mean": [0.5] * 3, "std": [0.5] * 3}}}
    with pytest.raises(SettingError, match="distances in two spaces, std 0.324/0.324/0.324 and 0.5/0.5/0.5"):
        compare(results[0], replace(results[1], record=record))


def test_the_picture_has_the_intervals_of_the_table(results):
    found = compare(*results)
    figure = found.plot()
    assert {"within each class, above the band", "difference (% of the first's)"} <= {*texts(figure)}
    [axes] = [axes for axes in figure.axes if axes.get_title() == "within each class, above the band"]
    drawn = [np.ravel(line.get_xdata())[0] for line in axes.get_lines() if line.get_marker() == "o"]
    table = found.to_frame()
    assert drawn == pytest.approx(table[table["classes"].notna()]["difference"].tolist())
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    shares = [each.record["within_class"]["fixed_band"] for each in results]
    assert legend == [f"f0 ({shares[0]:.3f})", f"f1 ({shares[1]:.3f})"]


def test_one_is_too_few(results):
    with pytest.raises(SettingError, match="two measurements or more"):
        compare(results[0])

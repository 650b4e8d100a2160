"""Mean spectra: numbers and labels of what is drawn, by setting, over epochs and of single files."""

import json

import matplotlib.colors
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from analysis.figures.spectra import by_epoch_figure, spectra_figure
from analysis.questions.mean_spectra import ByEpoch, by_setting, groups_of, mean_of, order_of
from analysis.spectra import main, of_files, spectra
from analysis.tables.table import RecordError, Records, normal
from specbias.trials.trial import run_trial

AXIS = np.linspace(0, 0.5, 51)
KINDS = ("within_class", "between_class")


def measured(height=1.0, slope=2.0, share=0.2):
    """The arrays of a measurement whose spectra fall as a power of frequency."""
    amplitude = height * np.concatenate([[1.0], (AXIS[1:] / AXIS[1]) ** -slope])
    arrays = {"frequency/axis": AXIS, "frequency/band": np.array(0.05)}
    for kind in KINDS:
        own = {"fixed_band": np.full(4, share), "spectrum": amplitude, "mirror/spectrum": amplitude}
        own |= {"standard_error/spectrum": 0.1 * amplitude, "standard_error/fixed_band": np.array(0.01)}
        arrays |= {f"frequency/{kind}/{name}": values for name, values in own.items()}
    return arrays


def trial(number, epoch=1, *, seed=0, width=8, cutout=0, intervention="baseline"):
    named = {"width": f"width={width}", "cutout": f"cutout={cutout}"}
    fixed = {"sweep_id": "made1", "study": "cifar", "search": "grid", "dataset": "digits", "model": "small_cnn"}
    label = named.get(intervention, "baseline")
    own = {"trial_id": f"t{number}", "run_id": f"r{number}", "epoch": epoch, "seed": seed, "label": label}
    return fixed | own | {"width": width, "cutout": cutout, "intervention": intervention, "frequency/within_class": 0.1}


TRIALS = [
    *(trial(0, epoch) for epoch in (0, 1, 2, 4)),
    *(trial(1, 4, seed=1),),
    *(trial(2, 4, width=16, intervention="width"), trial(3, 4, width=4, intervention="width")),
    *(trial(4, 4, cutout=8, intervention="cutout"),),
]
SHARES = {"r0": 0.2, "r1": 0.3, "r2": 0.1, "r3": 0.4, "r4": 0.15}


@pytest.fixture
def made(monkeypatch):
    """Records whose arrays are made: high frequencies of the baseline grow later than low ones."""

    def load(run_id, *, tracking_uri, epoch=None):
        arrays = measured(share=SHARES[run_id])
        if run_id == "r0" and epoch is not None:
            grown = 1 - np.exp(-epoch / (0.1 + 4 * AXIS))
            for kind in KINDS:
                arrays[f"frequency/{kind}/mirror/spectrum"] = arrays[f"frequency/{kind}/mirror/spectrum"] * grown
        return arrays

    monkeypatch.setattr("analysis.tables.arrays.load_arrays", load)
    return Records(normal(pd.DataFrame(TRIALS)), {}, "made", "sqlite:///none.db")


def test_a_setting_is_the_mean_over_its_seeds_and_levels_are_in_order(made):
    settings, notes = by_setting(made)
    assert [one.name for one in settings] == ["baseline", "width=16", "width=4", "cutout=8"] and not notes
    assert settings[0].trials == 2 and settings[0].shares["within_class"].value == pytest.approx(0.25)
    np.testing.assert_allclose(settings[0].spectra["within_class"].amplitude, (AXIS[1:] / AXIS[1]) ** -2)
    np.testing.assert_allclose(settings[0].spectra["within_class"].standard_error, 0.1 * (AXIS[1:] / AXIS[1]) ** -2)
    groups = {name: [one.name for one in own] for name, own in groups_of(settings).items()}
    assert groups == {"width": ["width=4", "width=16", "baseline"], "others": ["cutout=8", "baseline"]}


def test_the_figure_has_the_spectra_as_they_are_with_levels_on_a_ramp_and_shares_in_the_legend(made):
    figure = spectra_figure(groups_of(by_setting(made)[0]))
    axes = figure.axes[0]
    assert [each.get_title() for each in figure.axes] == [
        "within classes, by width",
        "between classes, by width",
        "within classes, other interventions",
        "between classes, other interventions",
    ]
    assert axes.get_xlabel() == "frequency (cycles per unit of distance)" and axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["4: 0.400", "16: 0.100", "baseline: 0.250"]
    four, sixteen, baseline = axes.get_lines()
    np.testing.assert_allclose(four.get_ydata(), (AXIS[1:] / AXIS[1]) ** -2)
    brightness = [matplotlib.colors.rgb_to_hsv(line.get_color()[:3])[2] for line in (four, sixteen)]
    assert brightness[0] < brightness[1] and baseline.get_color() == "black" and baseline.get_linestyle() == "--"
    assert "shaded: above 0.05" in [text.get_text() for text in axes.texts] and len(axes.collections) >= 3
    plt.close("all")


def test_low_frequencies_come_first_where_they_do_and_a_few_epochs_tell_nothing(made):
    found = spectra(made)
    orders = found.numbers["orders"]
    assert orders["within_class"] > 0.8
    said = [text for text in found.answers if text.startswith("baseline, within classes")]
    assert said[0].startswith("baseline, within classes: low frequencies come first (Spearman +0.")
    assert found.answers[0].startswith(
        "within classes: 0.100 of the amplitude lies above 0.05 cycles per unit in width=16"
    )
    together = ByEpoch("a", np.array([0, 1]), AXIS[1:], {"within_class": np.outer([0.5, 1.0], np.ones(50))})
    assert np.isnan(order_of(together)["within_class"])
    plt.close("all")


def test_the_heat_map_has_the_amplitude_as_a_share_of_the_last_epochs():
    grown = np.stack([np.zeros(50), np.linspace(0.9, 0.1, 50), np.ones(50)])
    figure = by_epoch_figure(ByEpoch("a", np.array([0, 1, 9]), AXIS[1:], {"between_class": 7 * grown}))
    drawn = figure.axes[0].collections[0]
    np.testing.assert_allclose(np.asarray(drawn.get_array()).reshape(50, 3), grown.T)
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["0", "1", "9"]
    assert figure.axes[0].get_ylabel() == "frequency\n(cycles per unit of distance)"
    assert figure.axes[1].get_ylabel() == "amplitude (share of the last epoch's)"
    plt.close("all")


def test_single_networks_are_drawn_by_their_files_each_in_a_colour_of_its_own(tmp_path, run_script):
    for name, share in (("small", 0.3), ("large", 0.1)):
        np.savez(tmp_path / f"{name}.npz", **measured(share=share))
    status, said, error = run_script(main, "small.npz", "large.npz", "--out", "here")
    assert status == 0, error
    assert "0.100 of the amplitude lies above 0.05 cycles per unit in large, the lowest, and 0.300 in small" in said
    content = json.loads((tmp_path / "here" / "spectra.json").read_text())
    assert content["networks"][1]["shares"]["within_class"]["value"] == pytest.approx(0.1)
    assert "bands: 95% over images" in content["captions"]["spectra"]
    figure = of_files([tmp_path / "small.npz", tmp_path / "large.npz"]).figures["spectra"]
    lines = figure.axes[0].get_lines()
    assert len({line.get_color() for line in lines}) == 2 and len(figure.axes) == 2
    plt.close("all")


def test_what_cannot_be_drawn_is_one_line(tmp_path, run_script):
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    assert run_script(main, "other.npz")[2] == "error: other: no spectra in it\n"
    assert run_script(main, "none.npz")[2] == "error: none.npz: No such file or directory\n"
    assert run_script(main, "other.npz", "--trial", "a")[2] == "error: --trial and files: one of the two\n"


def test_the_paths_of_a_trial_are_drawn_where_it_kept_them(made, small, monkeypatch):
    assert "paths" not in spectra(made).figures and spectra(made).notes[-1].startswith("no paths are drawn")
    measured = [found for _, found in run_trial(small())]
    assert [any(name.startswith("examples/") for name in each.arrays) for each in measured] == [False] * (
        len(measured) - 1
    ) + [True]
    monkeypatch.setattr("analysis.tables.arrays.load_arrays", lambda run_id, **asked: measured[-1].arrays)
    found = spectra(made)
    assert len(found.figures["paths"].subfigs) == 6 and "dotted" in found.captions["paths"]
    titles = [part.get_suptitle() for part in found.figures["paths"].subfigs]
    assert titles[0].startswith("lowest share within classes") and titles[4].startswith("median share between classes")
    plt.close("all")


def test_a_trial_that_is_not_there_and_a_file_of_records_are_refused(made):
    with pytest.raises(RecordError, match="--trial x: 0 trials of the sweep begin so"):
        spectra(made, trial="x")
    with pytest.raises(RecordError, match="is a file of scalars"):
        spectra(Records(made.table, {}, "made.csv"))
    plt.close("all")


def test_without_standard_errors_there_is_no_band_and_none_is_spoken_of():
    arrays = {name: values for name, values in measured().items() if "standard_error" not in name}
    one = mean_of("a", "a", "a", [arrays])
    assert one.spectra["within_class"].standard_error is None
    figure = spectra_figure({"": [one]})
    assert len(figure.axes[0].collections) == 0
    plt.close("all")

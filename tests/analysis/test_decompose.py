"""Sharper crossings and more of them are told apart; of a sweep and of files; what cannot be compared is one line."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from analysis.decompose import NAMES, _figure, main
from analysis.figures.added_bars import Bar, Bars, added_bars
from analysis.questions.differences import DECOMPOSED, Network, compare
from analysis.questions.sweep_differences import OfSettings, all_notes, claims, with_accuracy
from specbias.measurement import spectra
from specbias.measurement.frequency import KINDS
from specbias.measurement.path_values import SCALARS

RATES, LEVELS = np.array([0.05, 0.25, 0.35, 0.45]), np.array([0.5, 1.2, 2.0])


def measured(rates=RATES, levels=LEVELS, *, seed=0, images=0):
    """The arrays of a network: how often a path crosses is by its place among `levels`, its values by `rates`."""
    common, own = np.random.default_rng(99), np.random.default_rng(seed)
    arrays = {"frequency/signal": np.array("probabilities")}
    for kind, paths in zip(KINDS, (200, 225), strict=True):
        place = common.normal(size=paths) + 0.3 * own.normal(size=paths)
        number, noise = np.digitize(place, levels), common.normal(size=paths)
        value = rates[np.minimum(number, 3)] + 0.03 * (noise + 0.3 * own.normal(size=paths))
        columns = {name: value for pair in SCALARS.values() for name in pair if name is not None}
        first, second = np.arange(2 * paths).reshape(2, paths) + images
        columns |= {"first_image": first, "second_image": second, "crossings": number, "outside": value}
        columns |= {"first_class": first % 5, "second_class": second % 5, "sharpness": value}
        columns |= {"distance": 50.0 + first, "samples": 50 + first}
        arrays |= {f"frequency/{kind}/{name}": column for name, column in columns.items()}
    return arrays


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Networks by name, as files in the test's folder."""
    monkeypatch.chdir(tmp_path)

    def save(**networks):
        for name, arrays in networks.items():
            np.savez(tmp_path / f"{name}.npz", **arrays)
        return [tmp_path / f"{name}.npz" for name in networks]

    return save


def network_of_edges(edges, sharpness, paths=120, samples=64):
    """A two-class network on lines: its probability changes at `edges` (paths, n), as sharply as said."""
    place = torch.arange(samples, dtype=torch.float64)
    sides = torch.tanh(sharpness * (place[None, :, None] - torch.as_tensor(edges)[:, None, :]) / 2)
    probability = (1 + sides.prod(-1)) / 2
    signals = torch.stack([probability, 1 - probability], -1)
    crossings = (signals.argmax(-1).diff(dim=1) != 0).sum(1).numpy()
    ends = np.arange(2 * paths).reshape(2, paths)
    columns = {"first_image": ends[0], "second_image": ends[1], "first_class": ends[0] * 0, "second_class": ends[0] * 0}
    columns |= {"distance": ends[0] + 50.0, "samples": np.full(paths, samples), "crossings": crossings}
    columns |= {"outside": crossings / 10, "sharpness": signals.diff(dim=1).abs().sum(-1).amax(1).numpy() / 2}
    variation = spectra.total_variation(signals, torch.ones(paths, dtype=torch.float64)).numpy()
    amplitude = spectra.amplitude_spectrum(signals, "mirror")
    frequencies = torch.arange(amplitude.shape[1], dtype=torch.float64).expand_as(amplitude) / (2 * samples)
    mean = spectra.mean_frequency(amplitude, frequencies).numpy()
    for value, weight in SCALARS.values():
        columns.setdefault(value, mean if value.endswith("mean_frequency") else variation)
        columns |= {} if weight is None else {weight: amplitude.sum(-1).numpy()}
    return {f"frequency/{kind}/{name}": column for kind in KINDS for name, column in columns.items()}


def test_a_network_that_is_only_sharper_and_one_that_only_crosses_more_are_told_apart():
    """Pooled mean frequency on mirrored paths: sharper crossings raise it at equal numbers, more of them otherwise."""
    generator = np.random.default_rng(0)
    once, again = generator.uniform(12, 24, (120, 1)), generator.uniform(40, 52, (120, 1))
    edges = np.concatenate([once, np.where(np.arange(120)[:, None] % 3 == 0, again, 1000.0)], axis=1)
    more = np.concatenate([once, np.where(np.arange(120)[:, None] % 3 > 0, again, 1000.0)], axis=1)
    base = Network("base", network_of_edges(edges, 0.5))
    parts = {}
    for name, arrays in (("sharper", network_of_edges(edges, 1.0)), ("more", network_of_edges(more, 0.5))):
        found = compare(name, "base", [(base, Network(name, arrays))])
        parts[name] = found.parts["within_class"]["mirror/mean_frequency"]
        assert (found.means["within_class"]["crossings"][1] > 1.5) == (name == "more")
    sharper, crossing = parts["sharper"], parts["more"]
    assert sharper.rates.interval[0] > 0 and abs(sharper.composition.statistic) < 0.1 * sharper.rates.statistic
    assert crossing.composition.interval[0] > 0
    assert abs(crossing.rates.statistic) < 0.2 * crossing.composition.statistic


def test_every_difference_is_the_sum_of_its_parts_and_planted_changes_land_in_theirs():
    base, pair = Network("base", measured()), {}
    pair["rates"] = compare("sharper", "base", [(base, Network("sharper", measured(1.3 * RATES)))])
    pair["composition"] = compare("crossing", "base", [(base, Network("crossing", measured(levels=LEVELS - 0.4)))])
    for part, found in pair.items():
        for kind in KINDS:
            assert [*found.parts[kind]] == [*DECOMPOSED]
            for scalar, each in found.parts[kind].items():
                difference = found.means[kind][scalar][1] - found.means[kind][scalar][0]
                assert abs(each.composition.statistic + each.rates.statistic - difference) < 1e-12
                planted, other = (each.composition, each.rates)[:: 1 if part == "composition" else -1]
                assert planted.interval[0] > 0 and abs(other.statistic) < 0.25 * planted.statistic


def test_paths_that_one_measurement_stopped_before_or_that_have_no_value_are_left_out_and_counted(files):
    base, other = measured(), measured(seed=1)
    shorter = {
        key: column[150::-1] if column.ndim and "within" in key else column for key, column in other.items()
    }  # in another order too
    base["frequency/between_class/share"] = np.where(np.arange(225) < 5, np.nan, base["frequency/between_class/share"])
    found = compare("short", "base", [(Network("base", base), Network("short", shorter))])
    assert found.parts["within_class"]["total_variation"].n == 151
    difference = other["frequency/within_class/share"][:151] - base["frequency/within_class/share"][:151]
    assert found.parts["within_class"]["high_frequency_share"].whole.statistic == pytest.approx(difference.mean())
    assert found.parts["between_class"]["high_frequency_share"].n == 220
    assert found.notes == [
        "short, within_class: left out: 49 of 200 paths that not all have",
        "short, between_class, high_frequency_share: left out: 5 of 225 paths without a value",
    ]


def changed(name, value):
    arrays = measured()
    return arrays | {name: value(arrays.get(name))}


@pytest.mark.parametrize(
    ("other", "line"),
    [
        (measured(images=7), "base and x were measured on different images: 193 of 200 and 200 within_class paths"),
        (
            changed("frequency/signal", lambda _: np.array("logits")),
            "base is of the signal probabilities, x of the signal logits",
        ),
        (
            changed("frequency/band", lambda _: np.array(0.1)),
            "base is of the band above not known, x of the band above 0.1",
        ),
        (
            measured() | {"frequency/measure_version": np.array(2), "frequency/band": np.array("not known")},
            "base is of the measure's version 1, x of the measure's version 2",
        ),
        (
            changed("frequency/measure_version", lambda _: np.array(2)),
            "x was measured before the band was kept: measure again",
        ),
        (changed("frequency/within_class/distance", lambda x: 1.1 * x), "another data set or split (200 of 200 within"),
        (changed("frequency/between_class/samples", lambda x: 2 * x), "another spacing (225 of 225 between"),
        ({"accuracy": np.ones(3)}, "x has no frequency/within_class/first_image: measured without paths"),
    ],
)
def test_what_was_measured_otherwise_is_refused_with_what_differs(other, line):
    with pytest.raises(ValueError) as refused:
        compare("x", "base", [(Network("base", measured()), Network("x", other))])
    assert line in str(refused.value) and "\n" not in str(refused.value)


def test_the_script_on_files_prints_saves_and_draws(files, run_script, tmp_path):
    files(base=measured(), crossing=measured(levels=LEVELS - 0.4, seed=1), sharper=measured(1.3 * RATES, seed=2))
    status, said, _ = run_script(main, "base.npz", "crossing.npz", "--full")
    assert status == 0 and "= composition" in said and "nan" not in said and len(said.splitlines()) < 30
    assert "crossing, within_class: mean crossings" in said
    content = json.loads((tmp_path / "figures/base-crossing/decompose.json").read_text())
    (found,) = content["comparisons"]
    own = found["parts"]["within_class"]["high_frequency_share"]
    assert own["composition"]["statistic"] + own["rates"]["statistic"] == pytest.approx(own["whole"]["statistic"])
    assert sum(each["paths"][0] for each in own["by_crossings"].values()) == 200
    short = run_script(main, "base.npz", "crossing.npz", "--out", "again")[1]
    banded = found["parts"]["within_class"]["fixed_band"]
    assert f"share on the band {banded['whole']['statistic']:+.4f} [" in short
    assert f"of it {banded['composition']['statistic']:+.4f} [" in short
    assert run_script(main, "base.npz", "crossing.npz", "sharper.npz", "--out", "three")[0] == 0
    assert {path.suffix for path in (tmp_path / "three").iterdir()} == {".png", ".svg", ".json"}


def test_what_a_user_may_give_wrongly_is_one_line(files, run_script, tmp_path):
    files(base=measured(), other=measured(images=7))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "base.npz").read_bytes()[:5000])
    (tmp_path / "base.json").write_text("{}")
    np.save(tmp_path / "one.npy", np.ones(3))
    for arguments, line in (
        (["base.npz"], "base.npz: one file; the difference is of two or more"),
        (["base.npz", "none.npz"], "none.npz: No such file or directory"),
        (["base.npz", "."], ".: Is a directory"),
        (["base.npz", "cut.npz"], "cut.npz: no whole .npz file of a measurement"),
        (["base.npz", "one.npy"], "one.npy: no whole .npz file of a measurement"),
        (["base.npz", "base.json"], "base.json: no whole .npz file of a measurement; its arrays are in base.npz"),
        (["base.npz", "other.npz"], "base and other were measured on different images"),
        (["base.npz", "other.npz", "--experiment", "x"], "--experiment and files: one of the two"),
        ([], "give --experiment NAME, or --records FILE: one of the two"),
    ):
        status, _, said = run_script(main, *arguments)
        assert status == 2 and said.startswith(f"error: {line}") and said.count("\n") == 1, said
    assert not (tmp_path / "figures").exists()


def test_the_parts_go_with_accuracy_as_planted_and_their_slopes_sum_to_that_of_the_difference():
    """Better settings cross less and are sharper; per 1 of accuracy."""
    base, comparisons, accuracy = Network("base", measured()), [], {}
    for number, better in enumerate((0.02, 0.05, 0.08, 0.1, -0.04, -0.08)):
        other = Network(f"x={number}", measured((1 + 3 * better) * RATES, LEVELS + 5 * better, seed=number))
        comparisons.append(compare(other.name, "baseline", [(base, other)]))
        accuracy[other.name] = better
    found = OfSettings(comparisons, accuracy, "baseline", [])
    slopes = with_accuracy(found, "within_class", "mirror")
    sides = slopes["composition"].statistic + slopes["rates"].statistic
    assert sides == pytest.approx(slopes["whole"].statistic, abs=1e-9) and slopes["rates"].n == 7
    made = {claim.name: claim for claim in claims(found)}
    assert len(made) == 8
    fewer = made["frequency/within_class/mirror with test accuracy, through other numbers of crossings"]
    sharper = made["frequency/within_class/mirror with test accuracy, at equal numbers of crossings"]
    assert (fewer.criterion, fewer.verdict, sharper.criterion, sharper.verdict) == ("< 0", "held", "> 0", "held")
    more = made["frequency/between_class with test accuracy, through other numbers of crossings"]
    assert (more.criterion, more.verdict) == ("> 0", "not held")
    assert claims(OfSettings(comparisons[:1], accuracy, "baseline", [])) == []


def without_band(arrays, *kinds):
    """The arrays, as where no path of these kinds can tell what is above the band."""
    return arrays | {f"frequency/{kind}/fixed_band": arrays[f"frequency/{kind}/fixed_band"] * np.nan for kind in kinds}


@pytest.mark.parametrize("kinds", [KINDS[:1], KINDS])
def test_a_mean_that_is_missing_is_left_out_of_the_figure_and_nothing_else_is(files, run_script, tmp_path, kinds):
    """Of both kinds it has no line of panels, of one its panel is there, with the rows' places."""
    files(base=measured(), few=without_band(measured(seed=1), *kinds), more=measured(1.3 * RATES, seed=2))
    for others, name in ((["few"], "two"), (["few", "more"], "three")):
        status, said, _ = run_script(main, "base.npz", *(f"{each}.npz" for each in others), "--out", name, "--full")
        assert status == 0 and f"few, {kinds[0]}: no fixed_band: no path has a value in all networks" in said
        assert (tmp_path / name / "decompose.png").stat().st_size > 10_000


def test_a_figure_has_the_rows_that_there_are_and_none_is_empty():
    base = Network("base", measured())
    few, more = Network("few", without_band(measured(seed=1), *KINDS)), Network("more", measured(seed=2))
    rows = [compare(other.name, "base", [(base, other)]) for other in (few, more)]
    assert _figure(rows[:1], ["fixed_band"]) is None
    figure = _figure(rows, ["fixed_band"])
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["more"]
    half = compare("half", "base", [(base, Network("half", without_band(measured(seed=1), KINDS[0])))])
    for figure in (_figure([half, rows[1]], ["fixed_band"]), _figure([half], ["fixed_band"])):
        drawn = [len(axes.patches) // 3 for axes in figure.axes]
        assert drawn[1] == drawn[0] + 1 == len(figure.axes[1].get_yticks())
        assert [text.get_text() for text in figure.legends[0].get_texts()] == [*NAMES, "difference"]
    plt.close("all")


def test_bars_begin_where_the_ones_before_end():
    row = Bar("cutout", (0.03, -0.01), ((0.02, 0.04), (-0.02, 0.0), (0.01, 0.03)))
    figure = added_bars([[Bars("within", [row]), Bars("between", [row])]], parts=("a", "b"), whole="all", x="x")
    for axes in figure.axes:
        spans = [sorted((bar.get_x(), bar.get_x() + bar.get_width())) for bar in axes.patches]
        assert np.allclose(spans, [(0, 0.03), (0.02, 0.03), (0, 0.02)])
        whiskers = [line.get_xdata() for line in axes.lines if line.get_marker() == "|"]
        assert np.allclose(whiskers, [(0.02, 0.04), (0.01, 0.03), (0.01, 0.03)])  # the second about where its bar ends
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b", "all"]
    plt.close(figure)


def test_what_every_comparison_lacks_is_said_once_and_what_one_lacks_with_its_name():
    rows = [SimpleNamespace(name=name, notes=[f"{name}, within_class: no hann"]) for name in ("a", "b")]
    rows[1].notes.append("b, within_class: left out: 2 of 9 paths")
    assert all_notes(rows) == ["within_class: no hann", "b, within_class: left out: 2 of 9 paths"]
    assert all_notes(rows[:1]) == ["a, within_class: no hann"]

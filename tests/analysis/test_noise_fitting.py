"""Noise fitting of planted trials: each wave less the control of its seed, notes, figures and the script."""

import json
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from analysis.figures.noise_fitting import CURVES, by_epoch_figure, by_wave_figure
from analysis.inference.claim import SIGN
from analysis.noise_fitting import as_text, epoch_panels, main, noise_fitting, seed_notes, table_rows, wave_panels
from analysis.tables.records_file import write_records
from analysis.tables.table import RecordError, Records, normal
from analysis.tables.waves import noise_groups

SETTINGS = {"dataset": "digits", "model": "toy", "width": 8, "weight_decay": 5e-4, "cutout": 0, "epochs": 2}


def trial(minimum, *, kind="radial", frequency=0.038, seed=0, strength=0.4, low=1, fit=0.0, last=2, **changed):
    """The rows of a trial whose noise fitting falls to `minimum` at epoch `low`, and is 0.1 above it after that."""
    values = [0.0, *(minimum if e == low else minimum + 0.1 for e in range(1, last + 1))]
    settings = SETTINGS | {"epochs": last, "label_noise": strength, "noise_type": kind, "noise_frequency": frequency}
    settings |= {"noise_spatial_frequency": 2.0, "noise_seed": 0, "seed": seed} | changed
    named = [name for name in changed if name in SETTINGS] + ["epochs"] * (last != 2)
    name = (named or ["baseline"])[0]
    identity = f"{kind} {frequency} {seed} {strength} {last} {changed}"
    fixed = {
        "trial_id": identity,
        "run_id": "",
        "label": identity,
        "intervention": name,
        "sweep_id": "made1",
        "search": "grid",
    }
    return [
        {**fixed, "study": "label_noise", **settings, "epoch": epoch, "noise_fitting/min": min(values[: epoch + 1])}
        | {"noise_fitting/value": value, "noise_fitting/normalised": np.nan if kind == "uniform" else fit}
        | {"generalization/test_loss": 1.0, "noise_fitting/noisy_test_loss": 1 - value}
        | {"noise_fitting/noisy_train_loss": 2.0 - epoch / 10}
        for epoch, value in enumerate(values)
    ]


def records(*trials):
    return Records(normal(pd.DataFrame([row for rows in trials for row in rows])), {}, "planted")


def groups_of(*trials):
    return noise_groups(records(*trials))[0]


def sweep(seeds=1, slope=-1.0, **changed):
    """Control and three radial waves: less control, 0.3 + slope x place / 10, whatever the seed adds to all."""
    found = []
    for seed in range(seeds):
        ran = {"seed": seed, **changed}
        found.append(trial(-1 - seed, kind="uniform", **ran))
        for place, frequency in enumerate((0.02, 0.05, 0.2)):
            less = 0.3 + slope * place / 10
            fit, low = less + seed / 1000, 1 + (less < 0.25)
            found.append(trial(-1 - seed + less, frequency=frequency, fit=fit, low=low, **ran))
    return found


def test_a_wave_is_compared_with_the_control_of_its_seed():
    control = [trial(-1.0, kind="uniform"), trial(-1.2, kind="uniform", seed=1)]
    row = table_rows(groups_of(*control, trial(-0.8, fit=0.4), trial(-0.9, seed=1, fit=0.2, low=2)))[1]
    assert row["wave"] == "radial: 0.038" and row["seeds"] == row["pairs"] == 2 and row["interval"] is None
    numbers = [row[name] for name in ("minimum", "epoch", "normalised", "less_control")]
    assert numbers == pytest.approx([-0.85, 1.5, 0.3, 0.25])
    (lonely,) = [
        r for r in table_rows(groups_of(control[0], trial(-0.8), trial(-0.9, seed=1))) if r["less_control"] > 0
    ]
    assert lonely["less_control"] == pytest.approx(0.2) and lonely["pairs"] == 1 and lonely["seeds"] == 2


def test_an_interval_is_of_seeds_five_at_least_and_of_differences_between_trials_of_one_seed():
    for seeds, said in ((4, None), (5, (0.3, 0.3))):
        row = next(r for r in table_rows(groups_of(*sweep(seeds))) if r["wave"] == "radial: 0.02")
        assert row["interval"] == (said and pytest.approx(said))


def test_fewer_than_five_seeds_and_a_missing_control_are_said():
    assert "1 seed where fewest: no interval is given for fewer than 5" in seed_notes(groups_of(trial(-1.0)))
    assert "no uniform control, so no difference to it: strength 0.4, baseline" in seed_notes(groups_of(trial(-1.0)))
    assert len(seed_notes(groups_of(*sweep(5)))) == 1


def test_records_without_noise_are_refused():
    made = records(trial(-1.0))
    for table, said in (
        (made.table.drop(columns="noise_fitting/min"), "the trials of x have no noise_fitting/min"),
        (made.table.drop(columns="noise_type"), "have no setting noise_type"),
        (made.table.assign(label_noise=0.0), "no trial of x has label noise"),
        (
            made.table.assign(noise_type="fourier").drop(columns="noise_spatial_frequency"),
            "have no setting noise_spatial_frequency",
        ),
    ):
        with pytest.raises(RecordError, match=said):
            noise_fitting(Records(table, {}, "x"))


def test_the_rule_printed_is_the_one_of_a_sign():
    notes = noise_fitting(records(*sweep())).notes
    assert any(note.startswith(SIGN) for note in notes) and not any("met, not met" in note for note in notes)
    plt.close("all")


def test_the_figure_by_epoch_has_the_means_and_a_grey_line_at_the_minimum():
    made = records(*sweep(2), trial(-0.4, kind="fourier", noise_spatial_frequency=4.0))
    panels = epoch_panels(made, noise_groups(made)[0])
    assert [panel.y for panel in panels] == [*CURVES] * 2
    assert [panels[0].title, panels[4].title] == ["radial", "fourier, spatial frequency 4"]
    figure = by_epoch_figure(panels, control="uniform")
    axes = figure.axes[3]
    lines = {line.get_label(): line for line in axes.lines if len(line.get_xdata()) == 3}
    assert sorted(lines) == ["0.02", "0.05", "0.2", "uniform"]
    assert list(lines["0.02"].get_ydata()) == pytest.approx([0, -1.2, -1.1])  # -0.7 and -1.7
    greys = [line for line in axes.lines if line.get_label() == "minimum"]
    levels = {round(level, 9) for line in greys for level in line.get_ydata()}
    assert levels == {-1.5, -1.2, -1.3, -1.4} and greys[0].get_xdata()[0] == 1
    assert axes.get_ylabel() == "noise fitting (nats)" and axes.get_xlabel() == "epoch"
    colour = {line.get_label(): line.get_color() for a in figure.axes for line in a.lines}
    assert len({colour[name] for name in ("0.02", "0.038", "0.05", "0.2", "uniform")}) == 5
    plt.close(figure)


def test_a_line_has_the_epochs_that_all_its_seeds_were_measured_at():
    made = records(trial(-1.0), trial(-1.0, seed=1, epochs=2)[:2])
    panels = epoch_panels(made, noise_groups(made)[0])
    assert [list(panel.curves[0].x) for panel in panels] == [[0, 1]] * 4


def test_the_figure_by_frequency_has_the_minima_the_fit_and_each_settings_control():
    panels = wave_panels(groups_of(*sweep(2), *sweep(2, cutout=16)))
    assert [(panel.title, panel.y) for panel in panels] == [
        ("radial", "noise_fitting/min"),
        ("radial", "noise_fitting/normalised"),
    ]
    curve = panels[0].curves[0]
    assert list(curve.x) == [0.02, 0.05, 0.2] and list(curve.y) == pytest.approx([-1.2, -1.3, -1.4])
    assert curve.control == pytest.approx(-1.5) and list(curve.spread) == pytest.approx([2**-0.5] * 3)
    figure = by_wave_figure(panels, legend="setting")
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--" and len(line.get_xdata()) == 2]
    assert [list(line.get_ydata()) for line in dashed[:2]] == [pytest.approx([-1.5, -1.5])] * 2
    assert [list(line.get_ydata()) for line in figure.axes[1].lines if line.get_linestyle() == "--"] == [[0, 0]]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["baseline", "cutout=16", "dashed: the uniform control", "grey: constant smoothing"]
    plt.close(figure)


def test_the_control_alone_has_a_table_and_no_figure_by_frequency():
    found = noise_fitting(records(trial(-1.0, kind="uniform")))
    assert list(found.figures) == ["noise_fitting"] and not found.claims
    assert any("no wave beside the control" in note for note in found.notes)
    assert "nan" not in as_text(found.numbers["table"])
    plt.close("all")


def test_the_script_prints_and_saves_or_says_in_one_line_why_not(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made = records(*sweep(5), *sweep(5, cutout=16, slope=-2))
    write_records(made, tmp_path / "made.csv")
    monkeypatch.setattr(sys, "argv", ["x", "--records", "made.csv", "--out", "here", "--full"])
    main()
    said = capsys.readouterr().out
    assert "strength 0.4, cutout=16" in said and "[+0.300, +0.300]" in said and "held" in said and "nan" not in said
    names = {f"{n}.{e}" for n in ("noise_fitting", "noise_frequency") for e in ("png", "svg")} | {"noise_fitting.json"}
    assert {path.name for path in (tmp_path / "here").iterdir()} == names
    content = json.loads((tmp_path / "here" / "noise_fitting.json").read_text())
    assert "40 trials, 5 per wave and setting" in content["captions"]["noise_frequency"]
    assert content["table"][1]["less_control"] == pytest.approx(0.3) and content["table"][0]["less_control"] is None
    made.table.drop(columns="noise_fitting/min").to_csv("less.csv", index=False)
    monkeypatch.setattr(sys, "argv", ["x", "--records", "less.csv"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: the trials of less.csv have no noise_fitting/min\n"

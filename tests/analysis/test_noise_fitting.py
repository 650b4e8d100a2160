"""Noise fitting of planted trials: pairing with the control, what is not compared, claims, figures and the script."""

import json
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from analysis.figures.noise_fitting import CURVES, by_epoch_figure, by_wave_figure
from analysis.inference.claim import SIGN
from analysis.noise_fitting import as_text, epoch_panels, main, noise_fitting, seed_notes, table_rows, wave_panels
from analysis.questions.noise_claims import EARLIER, FIT, ORDER, change_claims, noise_claims
from analysis.tables.records_file import write_records
from analysis.tables.table import RecordError, Records, normal
from analysis.tables.waves import UNIFORM, Wave, noise_groups

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


def test_records_without_seeds_pair_repeats_in_their_order():
    kinds = [("uniform", -1.0), ("uniform", -1.2), ("radial", -0.8), ("radial", -0.9)]
    made = records(*(trial(minimum, kind=kind, seed=seed) for seed, (kind, minimum) in enumerate(kinds)))
    made = Records(made.table.drop(columns="seed"), {}, "x")
    (group,) = noise_groups(made)[0]
    assert dict(group.less_control(Wave("radial", 0, 0.038))) == pytest.approx({0: 0.2, 1: 0.3})


def test_an_interval_is_of_seeds_five_at_least_and_of_differences_between_trials_of_one_seed():
    for seeds, said in ((4, None), (5, (0.3, 0.3))):
        row = next(r for r in table_rows(groups_of(*sweep(seeds))) if r["wave"] == "radial: 0.02")
        assert row["interval"] == (said and pytest.approx(said))


def test_fewer_than_five_seeds_and_a_missing_control_are_said():
    assert "1 seed where fewest: no interval is given for fewer than 5" in seed_notes(groups_of(trial(-1.0)))
    assert "no uniform control, so no difference to it: strength 0.4, baseline" in seed_notes(groups_of(trial(-1.0)))
    assert len(seed_notes(groups_of(*sweep(5)))) == 1


def test_what_follows_from_other_settings_and_the_seed_is_no_setting():
    follows = trial(-1.0, last=4, measurement_epochs="(0, 4)", teacher="there", seed=1)
    groups = groups_of(trial(-1.0, measurement_epochs="(0, 2)", teacher="here"), follows)
    assert [group.setting for group in groups] == ["baseline", "epochs=4"]


def test_only_trials_of_equal_strength_and_setting_are_compared():
    groups, notes = noise_groups(
        records(trial(-1.0, kind="uniform", strength=0.2), trial(-0.8), trial(-0.5, strength=0.2, cutout=16))
    )
    assert [(g.strength, g.setting, len(g.rows)) for g in groups] == [
        (0.2, "baseline", 1),
        (0.2, "cutout=16", 1),
        (0.4, "baseline", 1),
    ]
    assert all(np.isnan(row["less_control"]) for row in table_rows(groups))
    assert any("only trials of equal strength" in note for note in notes)


def test_waves_differ_in_what_they_run_along_and_only_that():
    (group,) = groups_of(
        trial(-1.0, kind="uniform", noise_spatial_frequency=4.0),
        trial(-0.9, kind="uniform", frequency=0.5, seed=1),
        trial(-0.8, noise_seed=3),
        trial(-0.7, kind="random", noise_seed=3),
        trial(-0.6, kind="fourier", noise_spatial_frequency=4.0),
        trial(-0.5, kind="1/f"),
    )
    assert group.waves == [
        UNIFORM,
        Wave("radial", 0, 0.038),
        Wave("random", 3, 0.038),
        Wave("fourier", 4, 0.038),
        Wave("1/f", 0, 0.038),
    ]
    assert list(group.by_seed(UNIFORM)) == [-1.0, -0.9] and group.setting == "baseline"


def test_what_is_left_out_is_counted_and_other_lengths_are_said():
    lost = [row | {"noise_fitting/min": np.nan} for row in trial(-1.0, frequency=0.3)]
    groups, notes = noise_groups(records(trial(-1.0), lost, trial(-1.0, strength=0.0), trial(-2.0, last=4)))
    assert sum(len(group.rows) for group in groups) == 2
    assert notes[:2] == ["left out: 1 trials without label noise", "left out: 1 trials without noise_fitting/min"]
    assert notes[2].endswith("not all trials ended at epoch 2: strength 0.4, epochs=4 (epoch 4 to 4)")


def test_the_other_lengths_of_each_strength_are_said():
    trials = [trial(-1.0, strength=s, last=last) for s, last in ((0.2, 2), (0.2, 4), (0.4, 2), (0.4, 6))]
    changed = [[row | {"epochs": 2, "cutout": int(len(rows) > 3)} for row in rows] for rows in trials]
    note = noise_groups(records(*changed))[1][-1]
    assert note.endswith("strength 0.2, cutout=1 (epoch 4 to 4); strength 0.4, cutout=1 (epoch 6 to 6)")


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


@pytest.mark.parametrize(
    ("seeds", "slope", "verdict", "rho"),
    [(1, -1, "undecided", -1), (4, 1, "undecided", 1), (5, -1, "held", -1), (5, 1, "not held", 1)],
)
def test_low_frequencies_are_fitted_more(seeds, slope, verdict, rho):
    claims = {claim.name: claim for claim in noise_claims(groups_of(*sweep(seeds, slope)))[0]}
    for name in (ORDER, FIT):
        claim = claims[name]
        assert (claim.verdict, claim.n, claim.criterion) == (verdict, seeds, "< 0")
        assert claim.statistic == pytest.approx(rho) and claim.trials == "strength 0.4, baseline"
    assert claims[ORDER].note.startswith("0.02: +0.3")
    assert claims[EARLIER].criterion == "> 0" and (claims[EARLIER].statistic > 0) == (slope < 0)


def test_an_order_needs_three_waves_and_the_control():
    four = sweep()
    for some, why in ((four[:3], "2 radial waves, 3 needed"), (four[1:], "no seed has all and the control")):
        claims, notes = noise_claims(groups_of(*some))
        assert not claims and any(why in note for note in notes)


@pytest.mark.parametrize(
    ("changed", "criterion"),
    [
        ({"width": 16}, "> 0"),
        ({"width": 4}, "< 0"),
        ({"cutout": 16}, "< 0"),
        ({"weight_decay": 0.0}, "> 0"),
        ({"weight_decay": 0.1, "cutout": 8}, "< 0"),
        ({"weight_decay": 0.0, "cutout": 8}, None),
        ({"width": 16, "cutout": 8}, None),
    ],
)
def test_size_and_regularisation_are_judged_by_what_they_change_at_the_highest_frequency(changed, criterion):
    claims, notes = change_claims(groups_of(*sweep(5), *sweep(5, slope=-0.5, **changed)))
    if criterion is None:
        assert not claims and len(notes) == 2
        return
    (claim,) = claims
    assert claim.statistic == pytest.approx(0.1) and claim.n == 5  # 0.2 where the baseline has 0.1, at 0.2
    assert claim.criterion == criterion and claim.verdict == ("held" if criterion[0] == ">" else "not held")
    assert "radial: 0.2" in claim.trials and "+0.2, baseline +0.1" in claim.note


def test_a_change_of_few_seeds_is_undecided_whatever_its_size():
    for seeds in (1, 4):
        (claim,) = change_claims(groups_of(*sweep(seeds), *sweep(seeds, slope=-1 - 1e-8, cutout=16)))[0]
        assert claim.statistic < 0 and (claim.verdict, claim.interval, claim.n) == ("undecided", None, seeds)


def test_the_rule_printed_is_the_one_of_a_sign():
    notes = noise_fitting(records(*sweep())).notes
    assert any(note.startswith(SIGN) for note in notes) and not any("met, not met" in note for note in notes)
    plt.close("all")


def test_without_a_baseline_nothing_is_claimed_of_changes():
    claims, notes = change_claims(groups_of(*sweep(cutout=8), *sweep(cutout=16)))
    assert not claims and "no baseline" in notes[0]


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


def test_a_trial_that_repeats_setting_wave_and_seed_counts_once():
    again = [row | {"trial_id": "again"} for row in trial(-5.0)]
    groups, notes = noise_groups(records(trial(-1.0), again))
    assert list(groups[0].by_seed(groups[0].waves[0])) == [-1.0]
    assert notes == ["left out: 1 trials that repeat the setting, wave and seed of another"]


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


def test_equal_minima_differ_from_the_control_alike():
    """By another sum the minimum of one wave is another float; the order of waves has no say in that."""
    waves = [trial(minimum, frequency=f) for f, minimum in ((0.02, -0.7), (0.05, -0.7 - 1e-16), (0.2, -0.7))]
    claims, _ = noise_claims(groups_of(trial(-0.701, kind="uniform"), *waves))
    order = next(claim for claim in claims if claim.name == ORDER)
    assert order.verdict == "undefined"


def test_rates_that_differ_in_the_seventh_digit_are_two_settings():
    rates = [trial(-0.5, seed=0, weight_decay=rate) for rate in (0.1234567, 0.1234568)]
    found, notes = noise_groups(records(trial(-1.0), *rates))
    names = ["baseline", "weight_decay=0.1234567", "weight_decay=0.1234568"]
    assert [group.setting for group in found] == names and not notes


def test_an_empty_regulariser_is_expected_to_do_nothing():
    """What the cell was to say is not known: no claim on it, and no other is lost."""
    empty = [{**row, "cutout": np.nan} for each in sweep() for row in [*each]]
    empty = [{**row, "trial_id": row["trial_id"] + "?", "intervention": "cutout"} for row in empty]
    groups = groups_of(*sweep(), empty)
    assert [group.setting for group in groups] == ["baseline", "cutout=nan"]
    assert not any(claim.name == "cutout=nan" for claim in noise_claims(groups)[0])

"""Training curves of planted trials: equal accuracy, order in time, its interval, the figure and the script."""

import json
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from analysis.figures.training_curves import seed_means, training_curves_figure
from analysis.questions.time_order import BETWEEN, KINDS, WITHIN, curves_table, rising_claims, time_orders
from analysis.tables.records_file import write_records
from analysis.tables.table import RecordError, Records, normal
from analysis.training_curves import TEST, TRAIN, as_text, at_equal_accuracy, frequency_at, main, training_curves

EPOCHS = (0, 1, 2, 4, 8)


def trial(between, *, seed=0, accuracy=(0.1, 0.3, 0.5, 0.7, 0.9), within=(0.5,) * 5, cutout=0, epochs=EPOCHS):
    name = f"cutout={cutout} seed={seed}"
    fixed = {"trial_id": name, "label": name, "run_id": "", "sweep_id": "made1", "study": "cifar", "search": "grid"}
    fixed |= {"intervention": "cutout" if cutout else "baseline", "dataset": "digits", "model": "toy"}
    columns = zip(epochs, accuracy, within, between, strict=False)
    return [
        {**fixed, "cutout": cutout, "seed": seed, "epoch": e, TEST: a, TRAIN: a + 0.05, WITHIN: w, BETWEEN: b}
        for e, a, w, b in columns
    ]


def records(*trials):
    return Records(normal(pd.DataFrame([row for rows in trials for row in rows])), {}, "planted")


def table_of(*trials):
    return curves_table(records(*trials))[0]


UP, DOWN = (0.0, 0.1, 0.2, 0.3, 0.4), (0.0, 0.4, 0.3, 0.2, 0.1)


def test_a_frequency_is_read_where_the_accuracy_first_reaches_a_level():
    curve = pd.DataFrame({TEST: [0.1, 0.5, 0.4, 0.9], BETWEEN: [0.0, 1.0, 5.0, 2.0]})
    for level, expected in ((0.05, 0.0), (0.1, 0.0), (0.3, 0.5), (0.5, 1.0), (0.7, 3.2), (0.9, 2.0)):
        assert frequency_at(curve, level, TEST, BETWEEN) == pytest.approx(expected)


def test_settings_are_compared_at_the_highest_accuracy_that_both_reach():
    low = trial([2 * b for b in UP], cutout=8, accuracy=(0.1, 0.2, 0.3, 0.4, 0.6), within=(0.7,) * 5)
    for accuracy, level in ((TEST, 0.6), (TRAIN, 0.65)):
        (row,) = at_equal_accuracy(table_of(trial(UP), low), accuracy)
        assert row["level"] == pytest.approx(level) and row["setting"] == "cutout=8" and not row["at_once"]
        assert row[BETWEEN]["baseline"] == pytest.approx(0.25)  # half-way from epoch 2 to 4
        assert row[BETWEEN]["difference"] == pytest.approx(0.8 - 0.25)
        assert row[WITHIN]["difference"] == pytest.approx(0.2) and row[WITHIN]["interval"] is None


def test_trials_of_one_seed_are_compared_and_five_have_an_interval():
    pairs = []
    for seed in range(5):
        shifted = [b + seed for b in UP]
        pairs += [trial(shifted, seed=seed), trial([b + 0.1 for b in shifted], seed=seed, cutout=8)]
    (row,) = at_equal_accuracy(table_of(*pairs), TEST)
    assert row["pairs"] == 5 and row[BETWEEN]["interval"] == pytest.approx((0.1, 0.1))
    assert "+0.100 [+0.100, +0.100]" in as_text([row])
    (row,) = at_equal_accuracy(table_of(*pairs[:-1]), TEST)
    assert row["pairs"] == 4 and row[BETWEEN]["interval"] is None
    assert at_equal_accuracy(table_of(trial(UP), trial(UP, seed=1, cutout=8)), TEST) == []


def test_an_accuracy_that_a_trial_has_from_the_start_is_marked():
    (row,) = at_equal_accuracy(table_of(trial(UP), trial(UP, cutout=8, accuracy=(0.1,) * 5)), TEST)
    assert row["level"] == pytest.approx(0.1) and row["at_once"] and "at the first measurement" in as_text([row])


def test_epoch_0_does_not_count_and_short_or_constant_trials_have_no_order():
    orders = time_orders(table_of(trial(DOWN), trial((9, 1, 2, 3, 4), cutout=1), trial(UP[:3], cutout=2)))
    assert [row[BETWEEN] for row in orders] == [pytest.approx(-1), pytest.approx(1), None]
    assert [row[WITHIN] for row in orders] == [None] * 3 and [row["epochs"] for row in orders] == [4, 4, 2]
    (late,) = time_orders(table_of(trial(UP, cutout=3, epochs=(1, 2, 4, 8, 16))))
    assert late["epochs"] == 5 and late[BETWEEN] == pytest.approx(1)  # its first measurement is of a trained network
    claims, notes = rising_claims(orders)
    assert [(c.statistic, c.n, c.note) for c in claims] == [
        (0.5, 2, "1 of 2; too near 0.5 to be decided by more settings")
    ]
    assert notes[0].startswith(f"{BETWEEN}: 1 of 3 trials have no order in time") and len(notes) == 6


@pytest.mark.parametrize(
    ("up", "down", "interval", "verdict"),
    [
        (6, 0, (0.025 ** (1 / 6), 1), "held"),
        (5, 0, (0.025**0.2, 1), "undecided"),
        (1, 0, (0.025, 1), "undecided"),
        (0, 6, (0, 1 - 0.025 ** (1 / 6)), "not held"),
        (3, 3, (0.1181, 0.8819), "undecided"),
    ],
)
def test_the_share_of_settings_has_an_exact_binomial_interval(up, down, interval, verdict):
    trials = [trial(UP if size < up else DOWN, cutout=size) for size in range(up + down)]
    claim = rising_claims(time_orders(table_of(*trials)))[0][0]
    assert claim.statistic == up / (up + down) and claim.interval == pytest.approx(interval, abs=1e-4)
    assert (claim.verdict, claim.criterion, claim.n) == (verdict, ">= 0.5", up + down)


def test_ten_seeds_of_four_settings_are_four_numbers():
    trials = [trial(UP, cutout=size, seed=seed) for size in range(4) for seed in range(10)]
    claim = rising_claims(time_orders(table_of(*trials)))[0][0]
    assert (claim.statistic, claim.n, claim.note, claim.verdict) == (
        *(1, 4, "4 of 4; about 2 more settings would decide it, if the effect stays as it is"),
        "undecided",
    )
    assert claim.trials == "over settings" and claim.interval == pytest.approx((0.025**0.25, 1))


def test_a_setting_has_the_sign_of_the_mean_of_its_seeds_and_none_where_that_is_0_or_undefined():
    weak = (0.0, 0.2, 0.1, 0.3, 0.4)  # one swap of four: 1 - 6 x 2 / 60 = 0.8
    orders = time_orders(
        table_of(
            *(trial(b, seed=seed) for seed, b in enumerate((weak, weak, DOWN))),  # 0.8 + 0.8 - 1 > 0
            *(trial(b, seed=seed, cutout=1) for seed, b in enumerate((UP, DOWN))),
            trial(UP[:2], cutout=2, epochs=EPOCHS[:2]),
            *(trial(b, seed=seed, cutout=3) for seed, b in enumerate((DOWN, UP[:2]))),
        )
    )
    claims, notes = rising_claims(orders)
    assert (claims[0].statistic, claims[0].n) == (0.5, 2) and claims[0].note.startswith("1 of 2; too near 0.5")
    assert notes[:2] == [
        f"{BETWEEN}: 2 of 8 trials have no order in time (too few epochs, or constant)",
        f"{BETWEEN}: left out: 2 of 4 settings, whose mean correlation is 0 or undefined",
    ]


def test_a_second_trial_of_a_setting_and_seed_is_left_out_and_counted():
    again = [row | {"trial_id": "again", BETWEEN: row[BETWEEN] + 1} for row in trial(UP, cutout=8)]
    once, _ = curves_table(records(trial(UP), trial(UP, cutout=8)))
    table, notes = curves_table(records(trial(UP), trial(UP, cutout=8), again))
    assert notes == ["left out: 1 trials that repeat the setting and seed of another"]
    assert list(table["trial_id"]) == list(once["trial_id"])
    (row,) = at_equal_accuracy(table, TEST)
    assert row["pairs"] == 1 and row[BETWEEN]["difference"] == pytest.approx(0)


def test_trials_that_a_search_chose_are_refused():
    made = records([row | {"search": "optuna"} for row in trial(UP)])
    with pytest.raises(RecordError, match="planted is a selected sample"):
        training_curves(made)


def test_rows_without_a_number_are_left_out_and_counted_and_none_left_is_refused():
    rows = trial(UP)
    rows[2][WITHIN] = np.nan
    table, notes = curves_table(records(rows, trial(UP, seed=1)))
    assert len(table) == 9 and notes == ["left out: 1 of 10 rows without both frequencies and test accuracy"]
    with pytest.raises(RecordError, match="the trials of planted have no frequency/between_class"):
        training_curves(records([{k: v for k, v in row.items() if k != BETWEEN} for row in trial(UP)]))
    apart = [row | {WITHIN: np.nan} for row in trial(UP)] + [row | {BETWEEN: np.nan} for row in trial(UP, seed=1)]
    with pytest.raises(RecordError, match="no epoch of planted has all of"):
        training_curves(records(apart))


def test_the_figure_has_every_trial_the_means_over_seeds_and_their_ends():
    table = table_of(trial(UP), trial([b + 0.2 for b in UP], seed=1), trial(DOWN, cutout=8))
    means = seed_means(table)
    assert list(means[means["intervention"] == "baseline"][BETWEEN]) == pytest.approx([b + 0.1 for b in UP])
    figure = training_curves_figure(table)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["baseline", "cutout"]
    for axes, x, kind in zip(figure.axes, ("epoch", "epoch", TEST, TEST), [*KINDS] * 2, strict=True):
        thick = [line for line in axes.lines if line.get_linewidth() == 1]
        assert len(thick) == 2 and len(axes.lines) == 5
        asked = means[means["trial_id"] == "baseline"][[x, kind]].to_numpy()
        assert any(np.allclose(line.get_xydata()[1:], asked) for line in thick)  # after the gap before each setting
        ends = {tuple(np.asarray(found.get_offsets())[0]) for found in axes.collections}
        assert ends == {tuple(row) for row in means[means["epoch"] == 8][[x, kind]].to_numpy()}
    assert figure.axes[2].get_xlabel() == "test accuracy (share)"
    plt.close(figure)


def test_epochs_that_not_all_seeds_were_measured_at_have_no_mean():
    short = trial(UP[:3], seed=1)
    means = seed_means(table_of(trial(UP), short))
    assert list(means["epoch"]) == [0, 1, 2]


def test_a_single_trial_without_a_baseline_is_drawn_and_what_is_missing_is_said():
    rows = [row | {"intervention": ""} for row in trial(UP)]
    found = training_curves(records([{k: v for k, v in row.items() if k != TRAIN} for row in rows]))
    assert len(found.tables) == 1 and found.claims[0].verdict == "undecided" and found.claims[0].n == 1
    assert any(note.startswith("no differences at equal accuracy") for note in found.notes)
    plt.close("all")


def test_the_script_prints_and_saves_or_says_in_one_line_why_not(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made = records(*(trial(UP, seed=seed, cutout=size) for seed in range(3) for size in range(6)))
    write_records(made, tmp_path / "made.csv")
    monkeypatch.setattr(sys, "argv", ["x", "--records", "made.csv", "--out", "here", "--full"])
    main()
    said = capsys.readouterr().out
    assert (
        "equal training accuracy" in said and "equal test accuracy" in said and "6 of 6" in said and "nan" not in said
    )
    names = {f"training_curves.{kind}" for kind in ("png", "svg", "json")}
    assert {path.name for path in (tmp_path / "here").iterdir()} == names
    content = json.loads((tmp_path / "here" / "training_curves.json").read_text())
    assert content["claims"][0]["verdict"] == "held" and len(content["at_equal_accuracy"]) == 10
    assert content["captions"]["training_curves"].startswith("data set digits, model toy; 18 trials of 6 settings")
    made.table.drop(columns=TEST).to_csv("less.csv", index=False)
    monkeypatch.setattr(sys, "argv", ["x", "--records", "less.csv"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2 and capsys.readouterr().err == f"error: the trials of less.csv have no {TEST}\n"

"""Importance: the setting that decides is first, one that does nothing is near 0; figures hold every trial."""

import numpy as np
import pandas as pd
import pytest

from analysis.figures import bars, parallel_coordinates
from analysis.importance import importance, importances
from analysis.tables.table import RecordError, Records, normal

ACCURACY, WITHIN = "generalization/test_accuracy", "frequency/within_class"


@pytest.fixture
def records():
    """40 trials in which width decides accuracy, augment (a text, a number or None) the frequency, depth nothing."""
    generator = np.random.default_rng(0)
    levels = [None, "flip", 0.5]
    rows = []
    for i in range(40):
        width, kind, depth = 2 ** generator.integers(3, 7), generator.integers(3), generator.integers(1, 4)
        rows.append({"trial_id": f"t{i}", "label": f"t{i}", "width": width, "augment": levels[kind], "depth": depth})
        rows[-1] |= {ACCURACY: width / 100 + generator.normal() / 100, WITHIN: kind / 10 + generator.normal() / 100}
    fixed = {"sweep_id": "made", "run_id": "", "study": "cifar", "search": "random", "intervention": "x", "epoch": 1}
    table = pd.DataFrame(rows).assign(**fixed, seed=range(40), dataset="toy")
    table["augment"] = table["augment"].astype(object)
    return Records(normal(table), {}, "made")


@pytest.mark.slow
def test_the_setting_that_decides_is_first_and_its_interval_is_apart(records):
    found = importance(records)
    for target, setting in ((ACCURACY, "width"), (WITHIN, "augment")):
        table = found.numbers["importance"][target].set_index("setting")
        assert set(table.index) == {"width", "augment", "depth"}  # not the seed, nor what all share
        assert table.index[0] == setting and 0.5 < table["importance"].sum() <= 1
        assert table.loc[setting, "low"] > table.drop(setting)["high"].max()
        assert table.loc[setting, "importance"] > table.loc[setting, "chance"]
        assert (table["importance"] < table["chance"]).drop(setting).all()  # what does nothing has no more than that
        assert (table["low"] <= table["high"]).all() and (table["n"] == 25).all()  # settings
    assert found.numbers["importance"][ACCURACY].set_index("setting").loc["augment", "levels"] == 3


def test_what_settings_explain_only_together_is_the_rest_and_repeats_are_one_setting(monkeypatch):
    """y = a XOR b: neither explains anything by itself. Ten seeds of four settings are four."""
    monkeypatch.setattr("analysis.importance.DRAWN", 1)
    rows = [(a, b, c, a ^ b) for a in (0, 1) for b in (0, 1) for c in range(4)]
    table = pd.DataFrame(rows, columns=["a", "b", "c", ACCURACY]).assign(unit=range(16), intervention="x")
    found = importances(table, settings=["a", "b", "c"], target=ACCURACY).set_index("setting")["importance"]
    assert found.sum() < 0.4
    repeated = pd.concat([table] * 10)
    assert importances(repeated, settings=["a", "b", "c"], target=ACCURACY)["n"].tolist() == [16] * 3


def test_how_far_a_setting_goes_from_the_baseline_stands_beside(monkeypatch):
    monkeypatch.setattr("analysis.importance.DRAWN", 1)
    rows = [("baseline", 0, 0, 0.5), ("baseline", 0, 0, 0.7), *(("a", n, 0, 0.6 + n / 100) for n in range(1, 12))]
    rows += [("b", 0, 1, 0.2), ("several settings", 1, 1, 0.9)]
    table = pd.DataFrame(rows, columns=["intervention", "a", "b", ACCURACY]).assign(unit=range(len(rows)))
    found = importances(table, settings=["a", "b"], target=ACCURACY).set_index("setting")["change"]
    assert found["a"] == pytest.approx(0.11) and found["b"] == pytest.approx(-0.4)  # of the baseline's mean, 0.6


def test_the_same_trials_give_the_same_numbers(records, monkeypatch):
    monkeypatch.setattr("analysis.importance.DRAWN", 2)
    settings = {"settings": ["width", "depth"], "target": ACCURACY}
    last = records.last.assign(unit=records.units)
    pd.testing.assert_frame_equal(importances(last, **settings), importances(last, **settings))


def test_every_trial_has_its_line_and_every_setting_its_bar(records):
    figure = parallel_coordinates(records.last, columns=["width", "augment", ACCURACY], colour=ACCURACY)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 3]
    assert len(lines) == 40
    heights = np.array([line.get_ydata()[0] for line in lines])  # 8, 16, 32, 64: levels at equal distances
    expected = (np.log2(records.last["width"].to_numpy(float)) - 3) / 3
    assert heights == pytest.approx(expected, abs=0.02)
    table = pd.DataFrame({"setting": ["a", "b"], "importance": [0.7, 0.3], "low": [0.5, 0.1], "high": [0.9, 0.4]})
    table["chance"] = 0.2
    drawn = bars({ACCURACY: table}, x="share")
    assert sorted(bar.get_width() for bar in drawn.axes[0].patches) == [0.3, 0.7]


def test_one_trial_one_level_and_one_value_are_said(records):
    for few in (records.table.head(9), records.table.assign(**{ACCURACY: np.nan, WITHIN: np.nan})):
        with pytest.raises(
            RecordError,
            match="nothing to learn from the trials of made: .* [08] settings with a finite value",
        ):
            importance(Records(few, {}, "made"))
    same = Records(records.table.assign(width=8, augment="flip", depth=1), {}, "made")
    with pytest.raises(RecordError, match="the trials of made differ in no setting"):
        importance(same)
    flat = Records(records.table.assign(**{ACCURACY: 0.5, WITHIN: 0.1}), {}, "made")
    with pytest.raises(RecordError, match="it is the same in all"):
        importance(flat)

"""The table of coverage counts what it says: an interval that is right, too narrow, announced, or not there."""

import runpy
from pathlib import Path

import numpy as np
import pytest

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(Path(__file__).parent)  # as it is where the script is run
    COVERAGE = runpy.run_path(str(Path(__file__).with_name("coverage.py")))


def test_a_cell_counts_the_intervals_that_cover_the_truth_and_what_warns():
    generator, interval = np.random.default_rng(0), COVERAGE["Result"]

    def draw():
        error = generator.normal()
        right, narrow = ((error - half, error + half) for half in (1.96, 1.0))
        found = {"right": interval(error, right), "narrow": interval(error, narrow)}
        return found | {"warned": interval(error, narrow, "rough"), "none": interval(error, None)}

    cells = COVERAGE["cover"](draw, 1000, lambda name, estimates: 0.0)
    assert 0.935 <= cells["right"].covered <= 0.965 and not cells["right"].unannounced  # two standard errors are 0.014
    assert 0.65 <= cells["narrow"].covered <= 0.72 and cells["narrow"].unannounced
    assert cells["warned"].covered == cells["narrow"].covered and not cells["warned"].unannounced
    assert str(cells["none"]) == "-" and not cells["none"].unannounced
    table = COVERAGE["as_table"]({"plain": cells, "other": {}}).splitlines()
    assert [cell.strip() for cell in table[4].split("|")] == ["", "warned", f"{cells['warned']}", "-", ""]
    assert str(cells["warned"]).endswith(" c")


def test_a_sweep_is_as_it_says():
    sweeps, generator = COVERAGE["SWEEPS"], np.random.default_rng(1)
    top = sweeps["80% top"].draw(generator).groupby("setting")["target"].first()
    assert (top == top.max()).sum() == 40 and len(top) == 50
    lost = [(sweeps["diverged"].draw(generator)["target"] < -4).sum() / 2 for _ in range(200)]  # two seeds
    assert np.mean(lost) == pytest.approx(4, abs=0.4) and np.std(lost) == pytest.approx(1.92, abs=0.3)
    assert sweeps["unequal"].draw(generator).groupby("family")["setting"].nunique().tolist() == [25, 13, 6, 3, 2, 1]
    for name, alike in (("50", 0.5), ("alike", 0.9)):
        table = sweeps[name].draw(generator, 4000)
        errors = (table["measure"] - COVERAGE["SLOPE"] * table["target"]).to_numpy().reshape(-1, 2)
        assert np.corrcoef(errors.T)[0, 1] == pytest.approx(alike, abs=0.03)


def test_the_parts_run_in_every_sweep(capsys, monkeypatch):
    """With a few draws; those that take seconds are left to the script."""
    monkeypatch.setattr("sys.argv", ["coverage.py", "--draws", "2", "--only", "partial", "fisher", "break", "meta"])
    COVERAGE["main"]()
    printed = capsys.readouterr().out
    rows = [line.split("|")[1].strip() for line in printed.splitlines() if line.startswith("|")]
    assert {"break", "partial, given loss", "Fisher's z", "meta-analysis, another"} <= {*rows}
    assert "2 draws a cell" in printed

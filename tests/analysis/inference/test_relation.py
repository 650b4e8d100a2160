"""A relation asked in every way: what is held fixed, permuted within families, left out, and how a sign is judged."""

import numpy as np
import pandas as pd
import pytest

from analysis.inference import partial_correlation, permutation_p
from analysis.inference.many import associate_all
from analysis.inference.relation import as_text, relate

NAMES = {"measure": "m", "target": "g", "family": "family", "cluster": "unit", "axes": ["width"], "given": ["loss"]}


@pytest.fixture
def table():
    """Four families of five units of two seeds: rising over all, falling within each."""
    generator = np.random.default_rng(0)
    rows = [(f"f{f}", 5 * f + n, n, f + 0.01 * n, f - 0.01 * n) for f in range(4) for n in range(5) for _ in range(2)]
    found = pd.DataFrame(rows, columns=["family", "unit", "width", "g", "m"])
    found["m"] += generator.normal(0, 0.001, len(found))
    return found.assign(loss=generator.normal(size=len(found)))


def test_what_is_within_families_is_held_and_permuted_there(table):
    found = relate(table, **NAMES)
    means = table.groupby("unit").agg({"g": "mean", "m": "mean", "family": "first"})
    assert found.spearman.statistic > 0.8 and found.within == pytest.approx(-1)
    assert found.p_within == permutation_p(means["g"], means["m"], blocks=means["family"])
    columns = {"measure": "m", "target": "g", "cluster": "unit"}
    assert found.partial == partial_correlation(table, **columns, given=["loss", "family"])
    assert found.partial.k == 4 and found.partial.n == 20  # three dummies and the loss, of units
    assert found.slopes.simpson == "reversed" and "Simpson's paradox" in as_text(found)


def test_families_that_differ_are_no_relation_within_them(table):
    """The measure is the family's and noise: sure over all, and nothing where it is permuted within families."""
    unrelated = table.assign(m=np.floor(table["g"]) + np.random.default_rng(1).normal(0, 0.01, len(table)))
    found = relate(unrelated, **NAMES)
    assert found.spearman.interval[0] > 0.5 and found.p_within > 0.05


def test_what_cannot_be_asked_is_left_out_with_its_reason(table, monkeypatch):
    monkeypatch.setattr("analysis.inference.relation.LARGEST_PAIRS", 39)
    found = relate(table, **NAMES | {"axes": ["width", "family"]})
    assert found.information is None and found.not_done["information"].startswith("left out above 39 runs")
    assert found.signs is None and found.not_done["signs"] == "the number of test images is not known"
    text = as_text(found)
    assert "no conditional information" in text and "no sign error" in text
    assert relate(table.head(30), **NAMES | {"axes": ["width", "family"]}).information is not None


def test_a_straight_line_has_no_break_and_noise_none_beyond_chance(table):
    exact = as_text(relate(table.assign(m=2 - 3 * table["g"]), **NAMES))
    assert "line with a break                  none: the rows lie on a straight line" in exact
    noise = as_text(relate(table.assign(m=np.random.default_rng(3).normal(size=40)), **NAMES))
    assert "line with a break                  none beyond chance; the best at +" in noise
    bent = relate(table.assign(m=np.maximum(table["g"] - 1, 0)), **NAMES)
    assert bent.broken.p < 0.01 and "line with a break                  at +" in as_text(bent)


def test_units_numbered_within_families_are_refused(table):
    """Four families of units 0 to 4 would be five units: p of what is within families 0.24 for 0.0005."""
    within = table.assign(unit=table["unit"] % 5)
    for asked in (
        lambda: relate(within, **NAMES),
        lambda: associate_all(within, ["m"], target="g", family="family", cluster="unit"),
    ):
        with pytest.raises(ValueError, match="^unit 0 is in f0 and f1: number units through all families$"):
            asked()
    assert relate(table, **NAMES).p_within == 1 / 2001


def test_a_target_is_averaged_where_the_measure_is_there_only(table):
    half = table["unit"] * 0 + np.arange(len(table)) % 2
    spoilt = table.assign(
        m=table["m"].where(half == 0), g=table["g"].where(half == 0, table["g"] + 50 * table["width"])
    )
    clean = table[half == 0]
    many = [associate_all(t, ["m"], target="g", family="family", cluster="unit") for t in (spoilt, clean)]
    pd.testing.assert_frame_equal(*(found.drop(columns="left_out") for found in many))
    assert relate(spoilt, **NAMES).within == relate(clean, **NAMES).within == pytest.approx(-1)


@pytest.mark.parametrize("missing", ["measure", "target", "family", "cluster", "axes", "given"])
def test_a_column_that_is_not_there_is_one_line(table, missing):
    gone = ["gone"] if missing in ("axes", "given") else "gone"
    with pytest.raises(ValueError, match="^no column 'gone'; the table has: family, unit, width, g, m, loss$"):
        relate(table, **NAMES | {missing: gone})

"""Granulated tau by hand, against a loop over cells, in a star design, and its interval against known truth."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.inference import granulated_kendall, kendall_tau

COLUMNS = {"measure": "m", "target": "g"}


def grid(generator, **levels):
    table = pd.DataFrame(list(itertools.product(*(range(count) for count in levels.values()))), columns=list(levels))
    table["g"] = generator.normal(size=len(table)).round(1)
    table["m"] = (table["g"] + generator.normal(size=len(table))).round(0)
    return table


def test_by_hand():
    """width 0, 1, 2 by depth 0, 1, one run each; g is 10 depth + width.

    m of depth 0: 1, 2, 3, as g: tau 1; of depth 1: 3, 2, 2: two pairs disagree, one ties: -2/3 (a), -2/sqrt(6) (b).
    So width has (1 - 2/3) / 2 = 1/6. Along depth m goes 1 -> 3, 2 -> 2, 3 -> 2: tau 1, 0, -1: 0 (a); b leaves out the
    constant cell: (1 - 1) / 2 = 0. Psi: 1/12.
    """
    table = pd.DataFrame({"depth": [0, 0, 0, 1, 1, 1], "width": [0, 1, 2] * 2, "m": [1, 2, 3, 3, 2, 2]})
    table["g"] = 10 * table["depth"] + table["width"]
    found = granulated_kendall(table, **COLUMNS, axes=["width", "depth"])
    assert found.per_axis == {"width": pytest.approx(1 / 6), "depth": pytest.approx(0)}
    assert found.mean == found.statistic == pytest.approx(1 / 12)
    assert (found.cells, found.undefined) == ({"width": 2, "depth": 3}, {"width": 0, "depth": 0})
    other = granulated_kendall(table, **COLUMNS, axes=["width", "depth"], variant="b")
    assert other.per_axis["width"] == pytest.approx((1 - 2 / np.sqrt(6)) / 2) and other.per_axis["depth"] == 0
    assert (other.cells["depth"], other.undefined["depth"]) == (2, 1)


def by_definition(table, axes, variant):
    """Psi by a loop."""
    means = []
    for axis in axes:
        taus = []
        for _, cell in table.groupby([name for name in axes if name != axis]):
            if cell[axis].nunique() < 2:
                continue
            apart = ~np.eye(len(cell), dtype=bool)
            x, y = (np.sign(v[:, None] - v)[apart] for v in (cell["m"].to_numpy(), cell["g"].to_numpy()))
            size = len(x) if variant == "a" else np.sqrt((x @ x) * (y @ y))
            taus.append(x @ y / size if size else np.nan)
        means.append(np.nanmean(taus) if np.isfinite(taus).any() else np.nan)
    return means


@pytest.mark.parametrize("variant", ["a", "b"])
@pytest.mark.parametrize("large", [256, 3])  # the latter: merge sort for cells of more than 3
def test_it_is_a_loop_over_cells_with_seed_repeats_and_gaps(variant, large, monkeypatch):
    monkeypatch.setattr("analysis.inference.granulated.LARGE", large)
    monkeypatch.setattr("analysis.inference.granulated.SIGNS", 60)
    table = grid(np.random.default_rng(0), lr=3, depth=2, width=4, seed=5).sample(90, random_state=0)
    table = table.reset_index(drop=True)
    axes = ["lr", "depth", "width"]
    found = granulated_kendall(table, **COLUMNS, axes=axes, variant=variant, cluster="seed")
    expected = by_definition(table, axes, variant)
    assert list(found.per_axis.values()) == pytest.approx(expected)
    assert found.mean == pytest.approx(np.mean(expected))
    without = [np.mean(by_definition(table[table["seed"] != seed], axes, variant)) for seed in range(5)]
    half = stats.t.ppf(0.975, 4) * np.sqrt(4 / 5 * np.square(without - np.mean(without)).sum())
    assert found.interval == pytest.approx((max(found.mean - half, -1), min(found.mean + half, 1)))


def test_one_axis_is_kendalls_tau():
    table = grid(np.random.default_rng(1), lr=300, seed=1)
    found = granulated_kendall(table, **COLUMNS, axes=["lr"], variant="b")
    assert found.mean == pytest.approx(stats.kendalltau(table["m"], table["g"]).statistic)
    assert found.interval[0] < found.mean < found.interval[1]


def test_a_star_design_has_one_cell_per_axis_with_the_others_at_the_baseline():
    """Baseline, three rates of a (m rises as g) and two of b (m falls as g rises); missing: not used."""
    table = pd.DataFrame(
        {"a": [None, 1, 2, 3, None, None], "b": [None, None, None, None, 1, 2], "g": [1, 2, 3, 4, 0, 2.5]}
    )
    table["m"] = [10, 20, 30, 40, 15, 5]
    found = granulated_kendall(table, **COLUMNS, axes=["a", "b"])
    assert found.per_axis == {"a": 1, "b": -1} and found.mean == 0
    assert found.cells == {"a": 1, "b": 1} and found.single == {"a": 2, "b": 3}
    assert found.undefined == {"a": 0, "b": 0}
    small = granulated_kendall(table.iloc[[0, 1, 2, 4]], **COLUMNS, axes=["a", "b"])  # b is missing or 1: two levels
    assert small.per_axis == {"a": 1, "b": -1}


def star(*levels):
    """A baseline, and a family for each axis that has so many levels of it, each setting with two seeds."""
    rows = np.zeros((1 + sum(levels), len(levels)), dtype=int)
    for axis, (count, last) in enumerate(zip(levels, np.cumsum(levels), strict=True)):
        rows[last - count + 1 : last + 1, axis] = range(1, count + 1)
    table = pd.DataFrame(rows, columns=[*"abcdefgh"][: len(levels)]).assign(setting=range(len(rows)))
    return table.loc[table.index.repeat(2)].reset_index(drop=True)


@pytest.mark.parametrize(
    ("design", "values", "note"),
    [
        (star(4, 4), None, ""),  # 9 units, 5 in a cell
        (star(3, 9, 9), None, "no interval: an axis compares 4 units, at least 5 needed"),
        (star(3, 3, 3).assign(setting=range(20)), None, "wide: an axis has few levels"),  # rows are units
        (star(4, 4), [1, 2, 3, 4] + [5] * 5, "no interval: 4 units differ from the rest, at least 5 needed"),
        (star(4, 4), [1, 2, 3, 4, 4.5] + [5] * 4, ""),
        (star(4, 4), [0.3, 0.1 + 0.2] * 4 + [0.3], "no cell in which both vary"),
        (star(4, 4).drop(index=[2, 3, 4, 5]), None, "no interval: an axis compares 3 units, at least 5 needed"),
    ],
)
def test_few_units_have_no_interval_and_it_is_said_why(design, values, note):
    axes = [name for name in design if name != "setting"]
    table = design.assign(m=np.arange(len(design)), g=np.random.default_rng(4).normal(size=len(design)))
    if values is not None:
        table["m"] = np.array(values)[table["setting"]]
    found = granulated_kendall(table, **COLUMNS, axes=axes, cluster="setting")
    assert found.note == note and np.isnan(found.interval).all() == note.startswith("no ")
    assert np.isnan(found.mean) == (note == "no cell in which both vary")


def test_perfect_cells_have_the_interval_of_a_perfect_sample():
    table = pd.DataFrame({"a": range(5), "m": range(5), "g": range(5)})
    for sign in (1, -1):
        found = granulated_kendall(table.assign(m=sign * table["m"]), **COLUMNS, axes=["a"])
        assert found.mean == sign and found.interval == kendall_tau(sign * table["m"], table["g"]).interval


def test_seed_repeats_of_one_setting_alone_are_no_cell():
    """Two seeds at each of b = 0, 1, but a differs only at b = 0: the cell of b = 1 would compare seeds."""
    table = pd.DataFrame({"a": [0, 0, 1, 1, 0, 0], "b": [0, 0, 0, 0, 1, 1], "g": [1, 2, 3, 4, 9, 5]})
    table["m"] = [1, 2, 3, 4, 5, 9]
    found = granulated_kendall(table, **COLUMNS, axes=["a", "b"])
    assert found.per_axis["a"] == 1 and (found.cells["a"], found.single["a"]) == (1, 1)


def test_constant_measures_and_axes_without_a_cell_are_said():
    table = grid(np.random.default_rng(2), lr=3, depth=3).assign(m=1.0)
    plain = granulated_kendall(table, **COLUMNS, axes=["lr", "depth"])
    assert np.isnan(plain.mean) and plain.note == "no cell in which both vary"
    assert plain.per_axis == {"lr": 0, "depth": 0}  # by Jiang et al.: every pair is a tie
    found = granulated_kendall(table, **COLUMNS, axes=["lr", "depth"], variant="b")
    assert np.isnan(found.mean) and np.isnan(found.interval).all() and found.undefined == {"lr": 3, "depth": 3}
    diagonal = pd.DataFrame({"lr": [0, 1, 1], "depth": [0, 0, 1], "width": [0, 0, 1], "g": [1, 2, 3], "m": [2, 3, 1]})
    found = granulated_kendall(diagonal, **COLUMNS, axes=["lr", "depth", "width"])
    assert np.isnan(found.per_axis["depth"]) and found.mean == found.per_axis["lr"] == 1
    assert found.convention == "tau-a: ties count 0; mean without depth, width: no cell"


def test_what_it_rests_on_and_its_errors():
    table = grid(np.random.default_rng(3), lr=3, depth=2, seed=2).assign(setting=np.repeat(np.arange(6), 2))
    table.loc[0, "m"] = np.nan
    found = granulated_kendall(table, **COLUMNS, axes=["lr", "depth"], cluster="setting")
    assert (found.n, found.units, found.unit, found.left_out) == (11, 6, "setting", 1)
    with pytest.raises(ValueError, match="^axis 'flat' has one level only; at least 2 are needed$"):
        granulated_kendall(table.assign(flat=None), **COLUMNS, axes=["lr", "flat"])
    with pytest.raises(ValueError, match="at least one: none given"):
        granulated_kendall(table, **COLUMNS, axes=[])
    with pytest.raises(ValueError, match="unknown variant 'c'; known: a, b"):
        granulated_kendall(table, **COLUMNS, axes=["lr"], variant="c")
    with pytest.raises(ValueError, match="no column 'width'; the table has: lr, depth"):
        granulated_kendall(table, **COLUMNS, axes=["lr", "width"])


@pytest.mark.parametrize(
    ("table", "wide"),
    [
        *((grid(np.random.default_rng(4), lr=4, depth=levels), True) for levels in (2, 4, 9)),
        (grid(np.random.default_rng(4), lr=5, depth=8), False),
        (star(4, 4, 4), False),
        (grid(np.random.default_rng(4), lr=5, depth=8).iloc[:-4], True),  # a cell has four of five levels
    ],
)
def test_an_interval_over_few_levels_says_that_it_is_wide(table, wide):
    """Of four levels it covers the truth in 99 to 100 of 100 cases."""
    axes = [name for name in table if name in ("lr", "depth", "a", "b", "c")]
    table = table.assign(m=np.random.default_rng(5).normal(size=len(table)))
    table["g"] = table["m"] + np.random.default_rng(6).normal(size=len(table))
    found = granulated_kendall(table, **COLUMNS, axes=axes)
    assert np.isfinite(found.interval).all() and found.note == "wide: an axis has few levels" * wide


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0, 0.7])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(rho):
    """m and g normal of correlation rho in every run, so that every cell's tau-a has mean 2/pi asin(rho)."""
    generator, covered = np.random.default_rng(0), []
    table = grid(generator, lr=4, depth=4, width=4)
    for _ in range(200):
        table["m"], noise = generator.normal(size=(2, 64))
        table["g"] = rho * table["m"] + np.sqrt(1 - rho**2) * noise
        found = granulated_kendall(table, **COLUMNS, axes=["lr", "depth", "width"])
        low, high = found.interval
        covered.append(low <= 2 / np.pi * np.arcsin(rho) <= high)
    assert found.note == "wide: an axis has few levels" and np.mean(covered) > 0.9


@pytest.mark.slow
def test_the_interval_leaves_0_out_as_rarely_as_it_says_in_the_smallest_star_that_has_one():
    generator, left_out = np.random.default_rng(1), []
    table = star(4, 4, 4)
    for _ in range(250):
        own = generator.normal(size=(2, 13))[:, table["setting"]]
        table["m"], table["g"] = own + generator.normal(size=(2, 26))
        found = granulated_kendall(table, **COLUMNS, axes=["a", "b", "c"], cluster="setting")
        left_out.append(not found.interval[0] <= 0 <= found.interval[1])
    assert 0.01 < np.mean(left_out) < 0.09


def test_a_star_whose_axes_are_perfect_and_disagree_has_no_interval():
    """Axes a and b +1, c -1: the mean is 1/3 without any of the runs too, which says nothing of its spread."""
    rows = [{"a": 0, "b": 0, "c": 0, "m": 0, "g": 0}]
    for axis, sign in (("a", 1), ("b", 1), ("c", -1)):
        rows += [rows[0] | {axis: level, "m": level, "g": sign * level} for level in range(1, 5)]
    found = granulated_kendall(pd.DataFrame(rows), **COLUMNS, axes=["a", "b", "c"])
    assert found.mean == pytest.approx(1 / 3) and np.isnan(found.interval).all()
    assert found.note == "no interval: it is the same without any one of the units"

"""The sign error by hand, against a loop over pairs of runs, its interval, and what is left where nothing is sure."""

import itertools
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.inference import sign_error

COLUMNS = {"measure": "m", "target": "g"}


def runs(generator, noise=0.05, **levels):
    table = pd.DataFrame(list(itertools.product(*map(range, levels.values()))), columns=list(levels))
    table["g"] = 0.3 + 0.05 * table["lr"] + 0.02 * table["depth"] + 0.02 * generator.normal(size=len(table))
    table["m"] = (table["g"] + noise * generator.normal(size=len(table))).round(2)
    return table


def test_by_hand():
    """Two configurations of 2 runs, targets 0, 0 and 0.2, 0.04; n = 1000; m ties in one pair and is wrong in another.

    dg 0.2: w = (1 - 2 exp(-2000 * 0.01))^2 = 1, less 0.5: 0.5. dg 0.04: (1 - 2 exp(-0.8))^2 = 0.0103, less 0.5: 0.
    So two pairs of 0.5: (m 1, 2) right: 0; (m 2, 2) a tie: 0.5. Error 0.25, effective sample size 2.
    """
    table = pd.DataFrame({"lr": [0, 0, 1, 1], "g": [0, 0, 0.2, 0.04], "m": [1, 2, 2, 0]})
    found = sign_error(table, **COLUMNS, axes=["lr"], test_size=1000, min_ess=2)
    assert found.table["error"].tolist() == pytest.approx([0.25, 0.25])
    assert found.table["ess"].tolist() == pytest.approx([2, 2]) and found.table["pairs"].tolist() == [4, 4]
    assert found.table[["axis", "from_level", "to_level"]].to_numpy().tolist() == [["lr", 0, 1], ["lr", 1, 0]]
    assert found.mean == found.statistic == found.p90 == found.max == pytest.approx(0.25)
    assert (found.n, found.excluded, found.over_half) == (2, 0, 0)


def weight_of(change, test_size):
    sure = max(0, 1 - 2 * np.exp(-2 * test_size * (abs(change) / 2) ** 2)) ** 2
    return max(sure - 0.5, 0)


def by_definition(table, axes, test_size):
    """The error, effective sample size and number of pairs of every environment, by loops."""
    found = {}
    groups = dict(list(table.groupby(axes)))
    for one, other in itertools.permutations(groups, 2):
        differ = [axis for axis, a, b in zip(axes, one, other, strict=True) if a != b]
        if len(differ) != 1:
            continue
        weights, wrong = [], []
        for a, b in itertools.product(groups[one].itertuples(), groups[other].itertuples()):
            weights.append(weight_of(a.g - b.g, test_size))
            wrong.append((1 - np.sign(a.m - b.m) * np.sign(a.g - b.g)) / 2)
        weights = np.array(weights)
        total, square = weights.sum(), (weights**2).sum()
        found[one, other] = (weights @ wrong / total, total**2 / square, len(weights)) if total else (np.nan, 0, 0)
    return found


def test_it_is_a_loop_over_pairs_of_runs(monkeypatch):
    monkeypatch.setattr(import_module("analysis.inference.sign_error"), "PAIRS", 17)  # environments are cut in pieces
    table = runs(np.random.default_rng(0), lr=3, depth=2, width=3, seed=4).sample(60, random_state=1)
    axes = ["lr", "depth", "width"]
    found = sign_error(table, **COLUMNS, axes=axes, test_size=5000, min_ess=6)
    expected = by_definition(table, axes, 5000)
    kept = {key: value for key, value in expected.items() if value[1] >= 6}
    settings = [tuple(row) for row in found.configurations.to_numpy()]
    rows = {(settings[row.first], settings[row.second]): row for row in found.table.itertuples()}
    assert rows.keys() == kept.keys() and 10 < len(kept) < len(expected)
    for key, (error, ess, pairs) in kept.items():
        assert (rows[key].error, rows[key].ess, rows[key].pairs) == (pytest.approx(error), pytest.approx(ess), pairs)
        column = axes.index(rows[key].axis)
        assert (rows[key].from_level, rows[key].to_level) == (key[0][column], key[1][column])
        assert key[0][column] != key[1][column]
    errors = np.array([error for error, _, _ in kept.values()])
    assert (found.mean, found.max) == (pytest.approx(errors.mean()), errors.max())
    assert (found.p90, found.over_half) == (pytest.approx(np.quantile(errors, 0.9)), np.mean(errors > 0.5))
    assert (found.n, found.excluded) == (len(kept), len(expected) - len(kept))
    assert found.largest_ess == pytest.approx(max(ess for _, ess, _ in expected.values()))
    assert (found.units, found.unit, found.left_out) == (len(settings), "configuration", 0)
    of_lr = [e for (a, b), (e, _, _) in kept.items() if a[0] != b[0]]
    assert found.by_axis.loc["lr", ["environments", "mean", "max"]].tolist() == pytest.approx(
        [len(of_lr), np.mean(of_lr), max(of_lr)]
    )


def test_the_interval_leaves_out_configurations_with_all_their_environments():
    table = runs(np.random.default_rng(1), lr=3, depth=3, seed=4)
    found = sign_error(table, **COLUMNS, axes=["lr", "depth"], test_size=10_000)
    rows = found.table
    kept = [rows[(rows["first"] != c) & (rows["second"] != c)]["error"].mean() for c in range(9)]
    half = stats.t.ppf(0.975, 8) * np.sqrt(8 / 9 * np.square(kept - np.mean(kept)).sum())
    assert found.interval == pytest.approx((max(found.mean - half, 0), min(found.mean + half, 1)))
    assert found.interval[0] < found.mean < found.interval[1]
    narrow = f"of {found.n} environments the interval is too narrow: 85 to 90 of 100 hold the truth"
    assert found.n < 40 and found.note == narrow
    alike = sign_error(table.assign(m=table["g"]), **COLUMNS, axes=["lr", "depth"], test_size=10_000)
    assert alike.mean == 0 and np.isnan(alike.interval).all()  # all err alike: nothing tells how much others would
    assert not alike.note


def test_planted_signs():
    """m follows g (error 0), goes against it (1), or says nothing (0.5: a constant ties)."""
    table = runs(np.random.default_rng(2), lr=3, depth=2, seed=4)
    for measure, error in ((table["g"], 0), (-table["g"], 1), (0 * table["g"], 0.5)):
        found = sign_error(table.assign(m=measure), **COLUMNS, axes=["lr", "depth"], test_size=10_000)
        assert (found.mean, found.max) == (pytest.approx(error), pytest.approx(error))
        assert found.over_half == (error == 1)


def test_an_environment_is_kept_at_just_the_effective_sample_size():
    """3 by 4 runs of equal weights have 12, give or take rounding."""
    for far in np.linspace(0.1, 0.9, 30):
        table = pd.DataFrame({"lr": [0] * 3 + [1] * 4, "g": [0] * 3 + [far] * 4, "m": 1})
        assert sign_error(table, **COLUMNS, axes=["lr"], test_size=10_000).n == 2
    assert sign_error(table[1:], **COLUMNS, axes=["lr"], test_size=10_000).excluded == 2


def test_where_no_environment_is_kept_there_is_no_number():
    table = runs(np.random.default_rng(3), lr=3, depth=2, seed=1)
    found = sign_error(table, **COLUMNS, axes=["lr", "depth"], test_size=10_000)
    assert np.isnan([found.mean, found.p90, found.max, found.over_half, *found.interval]).all()
    assert (found.n, found.excluded, len(found.table)) == (0, 2 * (2 * 3 + 3), 0)  # 2 x 3 pairs of lr, 3 of depth
    assert found.largest_ess == pytest.approx(1) and found.by_axis["environments"].tolist() == [0, 0]
    alone = pd.DataFrame({"lr": [0, 1], "depth": [0, 1], "g": [0.1, 0.2], "m": [1, 2]})
    found = sign_error(alone, **COLUMNS, axes=["lr", "depth"], test_size=100)
    assert np.isnan(found.largest_ess) and (found.n, found.excluded) == (0, 0)


def test_a_star_design_and_missing_values():
    """Missing is the baseline's level: of 1 + 2 + 1 configurations 3 pairs of a and 1 of b differ in one setting."""
    table = pd.DataFrame({"a": [None, 1, 2, None] * 4, "b": [None, None, None, "x"] * 4})
    table["g"] = np.tile([0.1, 0.3, 0.5, 0.7], 4)
    table["m"] = table["g"]
    table.loc[0, "m"] = np.nan
    found = sign_error(table, **COLUMNS, axes=["a", "b"], test_size=1000)
    assert found.by_axis["environments"].to_dict() == {"a": 6, "b": 2} and found.left_out == 1
    assert found.table["pairs"].min() == 12 and np.isnan(found.interval).all()  # 4 configurations are too few


@pytest.mark.parametrize(
    ("change", "axes", "said"),
    [
        (
            {"g": [0.1, 1.2] * 12},
            ["lr"],
            r"'g' is to be a share in \[0, 1\], as an accuracy is; it goes from 0.1 to 1.2",
        ),
        ({"g": [-0.1, 0.2] * 12}, ["lr"], "it goes from -0.1 to 0.2"),
        ({"depth": 1}, ["lr", "depth"], "axis 'depth' has one level only"),
        ({}, ["lr", "width"], "no column 'width'"),
    ],
)
def test_errors_are_one_line(change, axes, said):
    table = runs(np.random.default_rng(4), lr=3, depth=2, seed=4).assign(**change)
    with pytest.raises(ValueError, match=said) as raised:
        sign_error(table, **COLUMNS, axes=axes, test_size=100)
    assert "\n" not in str(raised.value)

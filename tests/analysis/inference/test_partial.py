"""Partial rank correlations against residuals of a regression of ranks, and the inverse of their covariance."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.inference import partial_correlation

NAMES = {"measure": "frequency", "target": "gap"}


def table_of(n, seed=0):
    generator = np.random.default_rng(seed)
    loss, width = generator.normal(size=(2, n))
    gap = loss + 0.5 * width + generator.normal(size=n)
    frequency = np.exp(loss - width + 0.6 * gap + generator.normal(size=n))
    kind = generator.choice(["conv", "dense", "vit"], n)
    return pd.DataFrame({"frequency": frequency, "gap": gap, "loss": loss, "width": width.round(1), "kind": kind})


def of_residuals(table, columns):
    """The correlation of what regressions on the ranks of `columns` leave of the two ranks."""
    design = np.column_stack([np.ones(len(table)), *(stats.rankdata(column) for column in columns)])
    ranks = np.stack([stats.rankdata(table["frequency"]), stats.rankdata(table["gap"])], 1)
    rest = ranks - design @ np.linalg.lstsq(design, ranks, rcond=None)[0]
    return np.corrcoef(rest.T)[0, 1]


def test_it_is_the_correlation_of_residuals_of_ranks_and_the_inverse_covariance():
    table = table_of(60)
    found = partial_correlation(table, **NAMES, given=["loss", "width"])
    assert found.statistic == pytest.approx(of_residuals(table, [table["loss"], table["width"]]))
    precision = np.linalg.inv(table[["frequency", "gap", "loss", "width"]].rank().cov())
    assert found.statistic == pytest.approx(-precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1]))
    r = found.statistic
    half = 1.959964 * np.sqrt((1 + r**2 / 2) / (60 - 2 - 3))  # Bonett and Wright 2000
    assert found.interval == pytest.approx((np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half)))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(r) * np.sqrt(56 / (1 - r**2)), 56))
    assert (found.n, found.k, found.dropped, found.units, found.unit) == (60, 2, (), 60, "row")


@pytest.mark.parametrize("sign", [1, -1])
def test_rankings_that_agree_or_are_opposite_throughout_have_1_with_its_sign_and_no_point_for_an_interval(sign):
    table = table_of(12)
    table["gap"] = sign * table["frequency"] ** 3
    found = partial_correlation(table, **NAMES, given=["loss"])
    one_swap, freedom = 1 - 12 / (11 * 120), 12 - 1 - 2  # of 12 rows less a column held fixed
    p = 2 * stats.t.sf(one_swap * np.sqrt(freedom / (1 - one_swap**2)), freedom)
    assert found.statistic == pytest.approx(sign) and found.p == pytest.approx(p)  # not that of a point, 0
    inner, outer = sorted(found.interval, key=abs)
    assert outer == sign and 0.9 < sign * inner < 0.999


def test_nothing_held_fixed_is_spearmans():
    table = table_of(30)
    found, twin = partial_correlation(table, **NAMES, given=[]), stats.spearmanr(table["frequency"], table["gap"])
    assert (found.statistic, found.p) == pytest.approx((twin.statistic, twin.pvalue))
    assert found.k == 0


def test_a_categorical_is_a_dummy_per_category_but_one():
    table = table_of(60)
    found = partial_correlation(table, **NAMES, given=["kind", "loss"])
    dummies = [table["kind"] == kind for kind in ("conv", "vit")]  # whichever is left out
    assert found.statistic == pytest.approx(of_residuals(table, [*dummies, table["loss"]]))
    assert found.k == 3
    named = partial_correlation(table.astype({"kind": "category"}), **NAMES, given=["kind", "loss"])
    assert named.statistic == pytest.approx(found.statistic)


def test_columns_that_tell_nothing_new_are_dropped_and_named():
    table = table_of(60).assign(one=3.0, opposite=lambda t: -t["loss"], same="x")
    table["again"] = table["kind"].str.upper()
    given = ["loss", "one", "kind", "opposite", "again", "same"]
    found = partial_correlation(table, **NAMES, given=given)
    assert found.dropped == ("one", "opposite", "again=DENSE", "again=VIT", "same")
    assert found.k == 3
    assert found.statistic == pytest.approx(partial_correlation(table, **NAMES, given=["loss", "kind"]).statistic)


def test_what_cannot_be_told_from_what_is_held_fixed_is_undefined():
    table = table_of(40).assign(twice=lambda t: 2 * t["gap"], flat=1.0)
    found = partial_correlation(table, **NAMES, given=["twice"])
    assert np.isnan([found.statistic, found.p, *found.interval]).all()
    assert found.note == "the target is constant, or a combination of what is held fixed"
    flat = partial_correlation(table, measure="flat", target="gap", given=["loss"])
    assert np.isnan(flat.statistic) and flat.note.startswith("the measure is constant")


def test_a_common_cause_held_fixed_leaves_nothing_and_unrelated_quantities_are_significant_as_often_as_said():
    generator, p = np.random.default_rng(1), []
    for _ in range(200):
        cause, first, second, other = generator.normal(size=(4, 30))
        table = pd.DataFrame({"frequency": first, "gap": second, "cause": cause, "other": other})
        p.append(partial_correlation(table, **NAMES, given=["cause", "other"]).p)
    assert 0.015 <= np.mean(np.array(p) < 0.05) <= 0.09  # two standard errors are 0.031
    cause = generator.normal(size=300)
    first, second = cause + 0.5 * generator.normal(size=(2, 300))
    table = pd.DataFrame({"frequency": first, "gap": second, "cause": cause})
    alone, held = (partial_correlation(table, **NAMES, given=given) for given in ([], ["cause"]))
    assert alone.interval[0] > 0.7 and held.interval[0] < 0.05 and abs(held.statistic) < 0.2


def test_the_interval_covers_a_high_correlation_and_warns_near_1():
    """With 1/sqrt(n - k - 3) it covers in 91 of 100."""
    rho, n = 0.9, 20
    generator, hits = np.random.default_rng(6), []
    cause, first, other = generator.normal(size=(3, 20_000))
    names = ["frequency", "gap", "cause"]

    def drawn(cause, first, other):
        values = [0.5 * cause + first, 0.5 * cause + rho * first + np.sqrt(1 - rho**2) * other, cause]
        return partial_correlation(pd.DataFrame(dict(zip(names, values, strict=True))), **NAMES, given=["cause"])

    truth = drawn(cause, first, other).statistic
    for _ in range(250):
        found = drawn(*generator.normal(size=(3, n)))
        hits.append(found.interval[0] <= truth <= found.interval[1])
        assert (abs(found.statistic) >= 0.9) == ("about 90 of 100" in found.note)
    assert 0.925 <= np.mean(hits) <= 0.98


def test_repeats_in_a_cluster_are_averaged_and_do_not_count_as_evidence():
    table = table_of(40)
    repeated = pd.concat([table.assign(setting=np.arange(40))] * 3)
    found = partial_correlation(repeated, **NAMES, given=["loss", "kind"], cluster="setting")
    alone = partial_correlation(table, **NAMES, given=["loss", "kind"])
    assert (found.statistic, *found.interval) == pytest.approx((alone.statistic, *alone.interval))
    assert (found.n, found.units, found.unit) == (40, 40, "setting")
    repeated["kind"] = repeated["kind"].where(np.arange(120) > 0, "other")
    with pytest.raises(ValueError, match="not constant in each 'setting': kind"):
        partial_correlation(repeated, **NAMES, given=["kind"], cluster="setting")


def test_missing_values_are_left_out_in_every_column():
    table = table_of(40)
    spoilt = pd.concat([table, table.iloc[:4]], ignore_index=True)
    spoilt["kind"] = spoilt["kind"].astype(object)
    spoilt.loc[40, "gap"], spoilt.loc[41, "frequency"] = np.nan, -np.inf
    spoilt.loc[42, "loss"], spoilt.loc[43, "kind"] = np.nan, None
    found = partial_correlation(spoilt, **NAMES, given=["loss", "kind"])
    assert found.statistic == partial_correlation(table, **NAMES, given=["loss", "kind"]).statistic
    assert (found.left_out, found.n) == (4, 40)


def test_errors_say_what_is_missing():
    table = table_of(6)
    with pytest.raises(ValueError, match="6 rows for 3 columns held fixed; at least 7 needed"):
        partial_correlation(table.assign(kind=list("abcabc")), **NAMES, given=["kind", "loss"])
    with pytest.raises(ValueError, match="no column 'depth'; the table has: frequency"):
        partial_correlation(table, **NAMES, given=["depth"])
    with pytest.raises(ValueError, match="a column is named twice: frequency, gap, gap"):
        partial_correlation(table, **NAMES, given=["gap"])


def test_few_rows_have_a_wide_interval_that_says_so():
    generator = np.random.default_rng(0)
    for rows, few in ((5, True), (7, False)):
        table = pd.DataFrame(generator.normal(size=(rows, 3)), columns=["a", "b", "c"])
        note = partial_correlation(table, measure="a", target="b", given=["c"]).note
        assert ("wide: 5 rows with 1 columns held fixed" in note) == few

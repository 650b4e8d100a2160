"""A relation asked in every way: what is held fixed, permuted within families, left out, and how a sign is judged."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analysis.inference import partial_correlation, permutation_p
from analysis.inference.claim import judge_sign
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


@pytest.mark.parametrize(
    ("statistic", "interval", "positive", "verdict"),
    [
        (1.0, (0.5, 2.0), True, "held"),
        (1.0, (0.5, 2.0), False, "not held"),
        (1.0, (-0.5, 2.0), True, "undecided"),
        (1.0, None, True, "undecided"),
        (1.0, (np.nan, np.nan), True, "undecided"),
        (np.nan, None, True, "undefined"),
    ],
)
def test_a_sign_is_held_where_the_whole_interval_has_it_and_not_known_without_one(
    statistic, interval, positive, verdict
):
    found = SimpleNamespace(statistic=statistic, interval=interval, n=9)
    claim = judge_sign("x", found, trials="all", positive=positive)
    assert (claim.verdict, claim.n, claim.criterion) == (verdict, 9, "> 0" if positive else "< 0")

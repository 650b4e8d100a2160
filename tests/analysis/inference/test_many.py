"""Many measures: within families beside over all, p of units and not of their repeats, and q as Benjamini, Hochberg."""

import numpy as np
import pandas as pd
import pytest

from analysis.inference.many import as_text, associate_all

NAMES = {"target": "accuracy", "family": "family", "cluster": "unit"}


def table_of(measures, *, families=3, levels=6, seeds=4):
    """Rows of units in families, each repeated; `measures` name -> function of (family, level, seed)."""
    rows = [
        {
            "family": f"f{f}",
            "unit": f * levels + n,
            "accuracy": f + 0.01 * n,
            **{m: v(f, n, s) for m, v in measures.items()},
        }
        for f in range(families)
        for n in range(levels)
        for s in range(seeds)
    ]
    return pd.DataFrame(rows)


def test_over_all_and_within_families_stand_side_by_side():
    """Simpson's case: rising over all, falling within each family."""
    table = table_of({"m": lambda f, n, s: f - 0.01 * n, "constant": lambda f, n, s: 1.0})
    found = associate_all(table, ["m", "constant"], **NAMES).set_index("measure")
    assert found.loc["m", "rho"] > 0.7 and found.loc["m", "rho_within"] == pytest.approx(-1)
    assert found.loc["m", "p"] < 0.01 and found.loc["m", "n"] == 72
    assert found.loc["constant", ["rho", "rho_within", "p", "q"]].isna().all()
    text = as_text(found.reset_index(), "accuracy").splitlines()
    assert (
        text[1].split()[0] == "m" and "-1.00" in text[1] and text[2].split()[1:] == ["undefined", "-", "-", "-", "72"]
    )


def test_repeats_are_averaged_before_they_are_permuted():
    """3 units of one family, 40 repeats: of 6 orders two are as far from 0, so p is 1 in 3, and not 1 in 2,001."""
    found = associate_all(table_of({"m": lambda f, n, s: n}, families=1, levels=5, seeds=40), ["m"], **NAMES)
    assert found["p"].iloc[0] == pytest.approx(2 / 120, abs=0.01)


def test_q_is_by_hand():
    """p of 0.01, 0.04, 0.03 and 0.5 make q of 0.04, 0.0533, 0.0533, 0.5: p m / k, then the least of those above."""
    from scipy.stats import false_discovery_control

    assert false_discovery_control([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    values = np.random.default_rng(0).normal(size=(5, 3, 6))
    noise = {f"m{i}": (lambda f, n, s, i=i: values[i, f, n]) for i in range(5)}
    found = associate_all(table_of(noise | {"m": lambda f, n, s: n}), [*noise, "m"], **NAMES)
    order = np.sort(found["p"])
    q = [min(order[j] * 6 / (j + 1) for j in range(k, 6)) for k in range(6)]
    assert np.sort(found["q"]) == pytest.approx(q) and (found["q"] >= found["p"]).all()


def test_a_measure_with_few_values_has_no_row_and_missing_ones_are_counted():
    table = table_of({"m": lambda f, n, s: n if s else np.nan, "rare": lambda f, n, s: n if f + n + s == 0 else np.inf})
    found = associate_all(table, ["m", "rare"], **NAMES)
    assert found["measure"].tolist() == ["m"] and (found["n"].iloc[0], found["left_out"].iloc[0]) == (54, 18)

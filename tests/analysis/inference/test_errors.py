"""Tables that no statistic can be had of: one kind of error, ValueError, in one sentence, from every function."""

import numpy as np
import pandas as pd
import pytest

from analysis import inference
from analysis.inference.many import associate_all
from analysis.inference.relation import relate

NAMES = {"measure": "m", "target": "g"}
FUNCTIONS = {
    "spearman": lambda t: inference.spearman(t.get("m"), t["g"]),
    "tau": lambda t: inference.kendall_tau(t.get("m"), t["g"]),
    "p": lambda t: inference.permutation_p(t.get("m"), t["g"], permutations=9),
    "granulated": lambda t: inference.granulated_kendall(t, **NAMES, axes=["a", "b"]),
    "information": lambda t: inference.conditional_mutual_information(t, **NAMES, axes=["a", "b"], permutations=2),
    "sign error": lambda t: inference.sign_error(t, **NAMES, axes=["a", "b"], test_size=100),
    "partial": lambda t: inference.partial_correlation(t, **NAMES, given=["b"]),
    "slopes": lambda t: inference.slopes(t, **NAMES, family="f"),
    "monotone": lambda t: inference.isotonic_fit(t.get("m"), t["g"], permutations=9),
    "broken": lambda t: inference.segmented_fit(t.get("m"), t["g"]),
    "classes": lambda t: inference.class_association(np.array(t.get("m"))[None], t["g"], permutations=9),
    "mixed": lambda t: inference.class_mixed_model(np.stack([t.get("m")] * 2), t["g"]),
    "many": lambda t: associate_all(t, ["m"], target="g", family="f", cluster="u"),
    "relate": lambda t: relate(t, **NAMES, family="f", axes=["a", "b"], cluster="u", test_size=100),
}
OF_A_TABLE = ("granulated", "information", "sign error", "partial", "slopes", "many", "relate")


@pytest.fixture
def table():
    rows = np.arange(20)
    found = pd.DataFrame({"f": rows % 4, "a": rows % 5, "b": rows // 10, "u": rows, "g": rows / 20})
    return found.assign(m=np.random.default_rng(0).normal(size=20))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_holds_no_numbers_is_a_value_error_of_one_sentence(table, name):
    words = pd.Series(["1.0"] * 20, dtype=object)
    for spoilt in (pd.date_range("2022", periods=20), list("abcdefghijklmnopqrst"), words):
        with pytest.raises(ValueError, match="number") as raised:
            FUNCTIONS[name](table.assign(m=spoilt))
        assert "\n" not in str(raised.value) and type(raised.value) is ValueError


@pytest.mark.parametrize("name", OF_A_TABLE)
def test_a_column_that_is_not_there_is_named(table, name):
    with pytest.raises(ValueError, match="^no column 'm'; the table has: f, a, b, u, g$"):
        FUNCTIONS[name](table.drop(columns="m"))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_four_perfect_rows_have_a_result_or_are_too_few(table, name):
    perfect = table.head(4).assign(
        m=np.arange(4.0), g=np.arange(4) / 10, f=[0, 0, 1, 1], a=[0, 1, 0, 1], b=[0, 0, 1, 1]
    )
    try:
        FUNCTIONS[name](perfect)
    except ValueError as error:
        assert "needed" in str(error) and "\n" not in str(error)


@pytest.mark.parametrize("name", OF_A_TABLE)
def test_a_column_of_lists_is_a_value_error_of_one_sentence(table, name):
    lists = pd.Series([[1, 2]] * 20)
    with pytest.raises(ValueError, match="^'[abfu]' holds values of type list: make them numbers, texts or tuples$"):
        FUNCTIONS[name](table.assign(a=lists, b=lists, f=lists, u=lists))


@pytest.mark.parametrize("name", ["clusters", "blocks"])
def test_labels_that_are_lists_are_a_value_error_of_one_sentence(table, name):
    with pytest.raises(ValueError, match=f"^'{name}' holds values of type list"):
        inference.spearman(table["m"], table["g"], **{name: pd.Series([[1, 2]] * 20, name=name)})

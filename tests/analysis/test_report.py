"""The page of a sweep: it holds claims, failures and the table, asks no network, and says what was not done."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest

from analysis.findings import plain
from analysis.inference import spearman
from analysis.report import page_of, run_analyses
from analysis.tables.table import Records, normal

ACCURACY = "generalization/test_accuracy"


@pytest.fixture(scope="module")
def records():
    generator = np.random.default_rng(0)
    accuracy = generator.random(12)
    table = pd.DataFrame({"trial_id": [f"t{i}" for i in range(12)], "width": np.arange(12), ACCURACY: accuracy})
    table["frequency/within_class"] = 1 - accuracy + generator.normal(0, 0.01, 12)
    table["frequency/between_class"] = accuracy
    fixed = {"sweep_id": "made1", "study": "cifar", "search": "grid", "epoch": 1, "dataset": "digits", "seed": 0}
    table = table.assign(**fixed, run_id="r" + table["trial_id"], label="width=1", intervention="width")
    trials = [{"trial_id": "t99", "label": "cutout=<b>", "outcome": "failed", "failure": "Diverged: at step 3"}]
    trials += [{"trial_id": f"t{i}", "label": "width=1", "outcome": "finished", "failure": ""} for i in range(12)]
    about = {"mlflow.note.content": "What is asked?", "specbias.command_line": "python sweeps/cifar.py"}
    return Records(normal(table), {"failed": 1}, "made", trials=trials, about=about)


@pytest.fixture(scope="module")
def made(records):
    return page_of(records)


def test_the_page_holds_what_the_sweep_showed_and_asks_no_network(records, made):
    page, found, _ = made
    assert "interventions" in found and "What is asked?" in page
    row = r"<tr><td>test accuracy, Spearman</td><td class=\"verdict (.*?)\">.*?<td>(frequency.*?)</td>"
    rows = re.findall(row, page, re.S)
    assert rows == [("held", "frequency/within_class"), ("held", "frequency/between_class")]
    assert "Diverged: at step 3" in page and "1 failed, 12 finished" in page and "left out: 1 failed" in page
    assert "cutout=&lt;b&gt;" in page and "cutout=<b>" not in page  # a name is no part of the page
    assert re.search(r"<li>noise_fitting: [^<]*noise_fitting/", page)
    table = pd.read_csv(io.BytesIO(base64.b64decode(re.search(r"data:text/csv;base64,([^\"]+)", page)[1])))
    assert table[ACCURACY].tolist() == pytest.approx(records.table[ACCURACY].tolist(), rel=1e-15)
    assert "held (Spearman" in page[: page.index("<img")] and len(page) < 3_000_000  # the answers, then the figure
    outside = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert not re.search(r"(src|href)=\"(?!data:)", outside) and page.count("<script>") >= 1


def test_every_trial_names_its_run_in_the_interactive_figure(made):
    page, *_ = made
    drawn = page[page.index('id="trials"') :]
    assert all(f"run rt{i}" in drawn for i in range(12))


def test_a_sweep_of_one_trial_has_a_page_that_says_so(records):
    one = Records(records.table.head(1), {}, "made")
    page, found, _ = page_of(one)
    assert [*found] == ["interventions", "training_curves"] and "Not done" in page
    assert "no correlation and no claim: they take 5 settings" in page


def test_an_analysis_that_cannot_be_done_does_not_cost_the_page(records, monkeypatch):
    def broken(records):
        raise ValueError("there is\nno such thing")

    monkeypatch.setattr("analysis.importance.importance", broken)
    monkeypatch.setattr("analysis.report.ANALYSES", ("importance",))
    page, found, _ = page_of(records)
    assert not found and "<li>importance: there is</li>" in page


def test_numbers_for_json_have_no_nan_no_arrays_and_text_for_keys():
    found = spearman(np.arange(5.0), np.ones(5))
    table = pd.DataFrame({"d": [np.nan, 2.0]})
    value = plain({("a", 1): found, "b": np.array([1, np.inf]), "c": table, "e": np.int64(3)})
    assert value["a, 1"]["statistic"] is None and value["a, 1"]["interval"] == [None, None] and value["a, 1"]["n"] == 5
    assert value["b"] == [1.0, None] and value["c"] == [{"d": None}, {"d": 2.0}] and value["e"] == 3


@pytest.fixture
def classes(class_table):
    """The table of a sweep that measured a network class by class."""
    generator = np.random.default_rng(1)
    known = generator.random(12)
    return class_table([({}, {"frequency/within_class": known})], {"total_variance": known})


def test_a_sweep_of_classes_has_a_page_of_these_and_no_trial_at_its_last_class(classes, as_records):
    page, found, not_done = page_of(as_records(classes))
    assert [*found] == ["class_diversity"] and found["class_diversity"].claims[0].verdict == "held"
    said = "the finished trials of made.csv are part=frequency, diversity; this takes part=training"
    assert [name for name, why in not_done if why.startswith(said)] == [
        "interventions",
        "measures",
        "spectra",
        "decompose",
        "training_curves",
        "importance",
    ]
    assert "at their last epoch" not in page and 'id="trials"' not in page
    assert "4 trials of part=frequency (2), part=diversity (2)" in page


@pytest.mark.slow
def test_what_is_about_training_sees_the_trained_networks_alone(records, classes, as_records, monkeypatch):
    trained = records.table.assign(part="training", shard=1, shards=1)
    measured = classes.assign(run_id="r", label="a", intervention="b", width=3, dataset="digits")
    both = as_records(pd.concat([trained, measured], ignore_index=True))
    monkeypatch.setattr("analysis.report.ANALYSES", ("interventions", "training_curves", "class_diversity"))
    page, found, _ = page_of(both)
    monkeypatch.setattr("analysis.report.ANALYSES", ("interventions", "training_curves"))
    expected, _ = run_analyses(as_records(trained))
    assert [*found] == ["interventions", "training_curves", "class_diversity"]
    for name, each in expected.items():
        assert plain(found[name].numbers) == plain(each.numbers) and found[name].tables == each.tables
    assert "Trained networks at their last epoch" in page
    assert "run rt11" in page[page.index('id="trials"') :] and "frequency0s0" not in page

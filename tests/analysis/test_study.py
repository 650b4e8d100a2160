"""The published study: what its table holds, and that the page says what the table gives."""

from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from analysis.interventions import interventions
from analysis.questions.by_intervention import ACCURACY, KINDS, coefficient_text
from analysis.tables.records_file import read_records
from specbias.settings.config import TrialConfig

DOCS = Path(__file__).parents[2] / "docs"
TABLE, PAGE = DOCS / "study" / "records.csv", (DOCS / "study.md").read_text()


@pytest.fixture(scope="module")
def records():
    return read_records(TABLE, "cifar")


def test_the_table_holds_a_sweep_of_seven_kinds_of_intervention_with_two_seeds(records):
    assert TABLE.stat().st_size < 2e6 and [*DOCS.rglob("*.csv")] == [TABLE]
    assert set(records.settings) <= set(TrialConfig().to_dict())  # which has got more since
    last = records.last
    assert len(last) == 44 and sorted(last["seed"].value_counts()) == [22, 22]
    assert {"epochs", "width", "train_size", "weight_decay", "label_smoothing", "generation"} < set(
        last["intervention"]
    )
    assert last[ACCURACY].max() > 0.88
    assert (last["epoch"] == last["epochs"]).all()  # whole trials only


@pytest.mark.slow
def test_the_page_says_what_the_table_gives(records):
    found = interventions(records)
    plt.close("all")
    assert any(note.startswith("447 published networks") for note in found.notes)
    rows = {row.trials: row for row in found.numbers["associations"]}
    for name in ("all", "epochs", "width", "train_size", "augmentation, all"):
        assert all(coefficient_text(rows[name].spearman[kind]) in PAGE for kind in KINDS), name
    for _, row in found.numbers["effects"].iterrows():
        cells = (f"{row[name]:.3f}" for name in (ACCURACY, *KINDS))
        assert f"| {row['setting']} | {' | '.join(cells)} |" in PAGE


@pytest.mark.parametrize("study", ["cifar", "label_noise", "imagenet"])
def test_every_study_of_the_table_can_be_read(study):
    taken = read_records(TABLE, study)
    assert taken.study == study and not taken.table.duplicated(["trial_id", "epoch"]).any()

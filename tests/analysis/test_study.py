"""The published study: what its files hold, and that the page says what follows from them."""

import numpy as np
import pytest

from analysis.questions.by_intervention import ACCURACY
from specbias.settings.config import TrialConfig
from tests.analysis.study_page import DOCS, NETWORKS, PAGE, TABLE, TABLES, claims, records_of


def test_the_files_hold_a_sweep_of_eight_kinds_of_intervention_with_two_seeds():
    files = {TABLE, NETWORKS}
    assert {*DOCS.rglob("*.csv")} == files and {*DOCS.rglob("*.npz")} == {file.with_suffix(".npz") for file in files}
    assert all(each.stat().st_size < 2e6 for file in files for each in (file, file.with_suffix(".npz")))
    records = records_of("cifar")
    assert set(records.settings) <= set(TrialConfig().as_record())
    last = records.last
    assert len(last) == 46 and sorted(last["seed"].value_counts()) == [23, 23]
    kinds = {"epochs", "width", "train_size", "weight_decay", "label_smoothing", "dropout", "generation"}
    assert kinds | {"flip_crop", "cutout", "mixup", "autoaugment"} | {"baseline"} == set(last["intervention"])
    assert last[ACCURACY].max() > 0.88
    assert (last["epoch"] == last["epochs"]).all()  # whole trials only


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_the_page_says_what_the_files_give(table):
    """Every row with its numbers and its verdict; line breaks are the page's own."""
    page = " ".join(PAGE.read_text().split())
    assert [line for line in table() if " ".join(line.split()) not in page] == []


@pytest.mark.parametrize("study", ["cifar", "label_noise", "imagenet", "checkpoints"])
def test_every_study_can_be_read(study):
    taken = records_of(study)
    assert taken.study == study and not taken.table.duplicated(["trial_id", "epoch"]).any()


@pytest.mark.slow
def test_the_readme_says_of_claims_1_and_2_what_the_page_says():
    readme = (DOCS.parent / "README.md").read_text()
    rows = [line.split(" | ") for line in claims()[2:5]]
    for row in rows:
        for cell in (row[2], row[4]):  # the released share, and mirrored
            number, _, verdict = cell.partition("] ")
            assert f"{number}] | {verdict.strip(' |')} |" in readme


def test_every_training_has_its_arrays():
    with np.load(TABLE.with_suffix(".npz")) as kept:
        places = {name.split("/")[0] for name in kept.files}
    assert places - {"all"} == set(records_of("cifar").last["trial_id"])

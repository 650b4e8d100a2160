"""The columns of records and the tags in MLflow: what they are called is written in one file, and stays as it is."""

import csv
from pathlib import Path

import pytest

from specbias.trials.record import FIXED, Origin, Tag, is_metric, is_text, make_row

ROOT = Path(__file__).parents[3]
TAGS = [name for key, name in vars(Tag).items() if key.isupper()]


def test_a_row_has_the_columns_of_the_recorded_trials():
    with (ROOT / "docs/study/records.csv").open(newline="") as file:
        columns = next(csv.reader(file))
    row = make_row(Origin(*"abcdefg"), 3, {"width": 8}, {"generalization/gap": 0.5})
    assert [*row] == [*columns[: len(FIXED)], "width", "generalization/gap"] and row["epoch"] == 3
    assert [name for name in row if is_metric(name)] == ["generalization/gap"]
    assert {name for name in row if not is_text(name)} == {"epoch", "width", "generalization/gap"}


@pytest.mark.parametrize("package", ["sweeps", "analysis"])
def test_no_other_file_writes_a_tag_by_its_name(package):
    for path in (ROOT / package).rglob("*.py"):
        assert not [tag for tag in TAGS if tag in path.read_text()], path


def test_tags_are_those_of_the_runs_that_are_there():
    names = "sweep_id study search command_line fresh opened driver journals"
    names += " trial_id intervention suggestion attempts outcome failure code git_dirty trials_page"
    assert {f"specbias.{name}" for name in names.split()} == {*TAGS}

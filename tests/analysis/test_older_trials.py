"""Trials made before a setting existed: they are repeats of newer ones, and comparisons name no such setting."""

import pandas as pd

from analysis.findings import header
from analysis.tables.conditions import setting_names
from analysis.tables.older_trials import with_new_settings
from analysis.tables.records_file import read_records
from analysis.tables.table import Records, normal
from specbias.settings.config import TrialConfig


def records(**columns):
    """A baseline of older code, which lacks the settings given here, and trials of newer code."""
    fixed = {"sweep_id": "made", "study": "cifar", "search": "grid", "run_id": "", "epoch": 1, "label": ""}
    own = {"width", "seed", *columns}
    fixed |= {name: str(value) for name, value in TrialConfig(epochs=1).to_dict().items() if name not in own}
    trials = {"trial_id": ["a", "b", "c"], "intervention": ["baseline", "baseline", "width"], "width": [8, 8, 16]}
    table = pd.DataFrame(trials).assign(**fixed, seed=[0, 1, 0], **{"frequency/within_class": 0.1})
    return Records(
        normal(table.assign(**{name: [float("nan"), *values] for name, values in columns.items()})), {}, "made"
    )


def test_a_missing_setting_is_at_its_default_and_splits_no_unit_and_no_name():
    found = with_new_settings(records(measure_compile=[False, False], dropout=[0.0, 0.2]))
    assert found.table["measure_compile"].tolist() == [False] * 3 and found.table["dropout"].tolist() == [0, 0, 0.2]
    assert found.units.tolist() == [0, 0, 1]
    assert [*setting_names(found).values()] == ["baseline", "baseline", "width=16, dropout=0.2"]
    assert "older trials lack these settings, and have their defaults: measure_compile, dropout" in header(found)


def test_where_the_default_is_none_a_missing_value_is_that():
    found = with_new_settings(records(train_size=[100, 100]))
    assert found.table["train_size"].isna().tolist() == [True, False, False] and not found.defaulted


def test_columns_of_ones_own_and_identities_stay_missing():
    found = with_new_settings(records(augmentation=["none", "cutout"], measure_compile=[False, False]))
    assert found.table["augmentation"].isna().tolist() == [True, False, False] and not found.defaulted
    assert with_new_settings(records(teacher_id=["None", "1"])).table["teacher_id"].isna().tolist() == [
        True,
        False,
        False,
    ]


def test_a_file_is_read_so(tmp_path):
    made = records(measure_compile=[False, False])
    made.table.to_csv(tmp_path / "records.csv", index=False)
    found = read_records(tmp_path / "records.csv")
    assert found.defaulted == ("measure_compile",) and found.varied == ["width"]
    assert found.units.tolist() == [0, 0, 1]


def test_trials_of_the_first_measure_are_of_version_1_beside_newer_ones():
    assert with_new_settings(records(measure_version=[2, 2])).table["measure_version"].tolist() == [1, 2, 2]


def test_a_table_of_ones_own_keeps_what_is_missing(tmp_path):
    """Also the number of epochs, without which a trial would seem to have been cut off."""
    text = "trial_id,epoch,model,epochs,width,frequency/within_class\na,1,x,,4,0.1\nb,1,,1,8,0.2\nc,1,y,,8,0.2\n"
    (tmp_path / "own.csv").write_text(text)
    found = read_records(tmp_path / "own.csv")
    assert len(found.last) == 3 and not found.defaulted and not found.left_out
    assert found.table["epochs"].isna().tolist() == [True, False, True]

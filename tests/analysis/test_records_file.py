"""Files of records: wherever one is cut off its trials are whole, and spreadsheets write the same table otherwise."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.tables.options import Options
from analysis.tables.records import open_records
from analysis.tables.records_file import CUT_OFF, UNFINISHED, read_records, write_records
from analysis.tables.table import RecordError

HEADER = "trial_id,epoch,epochs,rate,steps,generalization/test_accuracy\n"
ROWS = [f'{trial},{epoch},2,0.{trial},"(0, 2)",0.9{trial}{epoch}\n' for trial in (12, 13, 14) for epoch in (0, 1, 2)]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "records.csv"


def test_wherever_a_file_is_cut_off_its_trials_are_whole_and_what_is_not_is_counted(file):
    """No number is another than in the whole file, and no epoch is a trial's last that was not."""
    text = HEADER + "".join(ROWS)
    file.write_text(text)
    whole = read_records(file)
    assert whole.left_out == {} and whole.last["epoch"].tolist() == [2, 2, 2]
    for length in range(len(HEADER), len(text), 3):
        file.write_text(text[:length])
        lines, torn = text[len(HEADER) : length].count("\n"), text[:length].rpartition("\n")[2]
        trials = lines // 3
        if lines % 3 == 0 and torn and "," not in torn:  # too short to say whose it is: of the trial before
            trials -= 1
        if trials < 1:
            with pytest.raises(RecordError, match=r"no rows|are without the row of their last epoch$"):
                read_records(file)
            continue
        found = read_records(file)
        pd.testing.assert_frame_equal(found.table, whole.table.iloc[: 3 * trials])
        assert sum(found.left_out.values()) == bool(lines % 3 or torn), length


@pytest.mark.parametrize(
    ("rows", "left_out"),
    [
        ([*ROWS[:6], "14,0,2,0.14"], {CUT_OFF: 1}),
        ([*ROWS[:5], '13,2,2,0.13,"(0, 2)",0.9'], {CUT_OFF: 1}),  # 0.9132 cut in half
        ([*ROWS[:6], "14"], {CUT_OFF: 1}),  # too short to say whose: the one before it
        (ROWS[:5], {UNFINISHED: 1}),
        ([*ROWS[:4], *ROWS[6:8]], {UNFINISHED: 2}),
    ],
)
def test_what_is_left_out_is_said_by_why(file, rows, left_out):
    file.write_text(HEADER + "".join(rows))
    records = read_records(file)
    assert records.left_out == left_out
    assert (records.last["epoch"] == 2).all()
    write_records(records, file)
    assert read_records(file).left_out == left_out


def test_rows_that_are_classes_and_files_without_epochs_are_taken_as_they_are(file):
    rows = "trial_id,epoch,epochs,part,a/x\nn,0,20,frequency,1\nn,7,20,frequency,2\nt,20,20,,3\nu,3,20,training,3\n"
    file.write_text(rows)
    records = read_records(file)
    assert records.last["trial_id"].tolist() == ["n", "t"] and records.left_out == {UNFINISHED: 1}
    assert records.of_part("training").last["trial_id"].tolist() == ["t"]  # an empty part is training
    file.write_text("trial_id,epoch,part,a/x\nt,1,,3\nu,2,,3\n")
    assert len(read_records(file).of_part("training").last) == 2
    with pytest.raises(RecordError, match="are part=training; this takes part=frequency"):
        read_records(file).of_part("frequency")
    file.write_text("trial_id,epoch,epochs,a/x\nt,1,9,3\nu,2,9,3\n")
    with pytest.raises(RecordError, match="all 2 trials are without the row of their last epoch$"):
        read_records(file)


@pytest.mark.parametrize(
    ("separator", "comma", "mark"),
    [(";", ",", b"\xef\xbb\xbf"), (";", ".", b""), ("\t", ",", b""), (",", ".", b"\xef\xbb\xbf")],
)
def test_a_spreadsheet_writes_the_same_table(file, separator, comma, mark):
    """With a byte order mark, semicolons or tabs, and decimal commas; a setting of two kinds has them too."""
    columns = ["trial_id", "epoch", "rate", "steps", "label", "a/x", "b/y"]
    cells = [["12", 1, 0.25, "(0, 2)", "0,5 of it", -1.5e-7, 3], ["13", 1, "None", "(1,)", "b", 0.125, ""]]
    lines = [",".join(columns), '12,1,0.25,"(0, 2)","0,5 of it",-1.5e-7,3', '13,1,None,"(1,)",b,0.125,', ""]
    file.write_text("\n".join(lines))
    known = read_records(file).table
    table = pd.DataFrame(cells, columns=columns)
    numbers = table.map(lambda cell: str(cell).replace(".", comma) if isinstance(cell, float) else cell)
    file.write_bytes(mark + numbers.to_csv(sep=separator, index=False, lineterminator="\r\n").encode())
    found = read_records(file).table
    pd.testing.assert_frame_equal(found, known)
    assert found["rate"].tolist() == [0.25, None] and found["steps"].tolist() == [(0, 2), (1,)]
    assert found["a/x"].tolist() == [-1.5e-7, 0.125] and np.isnan(found["b/y"].iloc[1])


def test_a_value_beyond_the_last_column_is_refused_and_separators_at_the_end_are_nothing(file):
    known = "trial_id,epoch,m/x\na,1,0.8\na,2,0.9\n"
    file.write_text(known)
    table = read_records(file).table
    for header in ("", ",,"):
        file.write_text(f"trial_id,epoch,m/x{header}\na,1,0.8,\na,2,0.9,,,\n")
        pd.testing.assert_frame_equal(read_records(file).table, table)
        for rows in ("a,1,0.8,5\na,2,0.9,6\n", "a,1,0.8,\na,2,0.9,,7\n"):
            file.write_text(f"trial_id,epoch,m/x{header}\n{rows}")
            with pytest.raises(RecordError, match=r": line [23] has a value beyond the last of 3 columns; mend it$"):
                read_records(file)


def test_any_text_of_a_setting_and_any_number_left_out_is_taken(file):
    file.write_text("trial_id,epoch,left_out,s,m/x\na,1,3,{[1]},5\nb,1,3," + "(" * 500 + ",6\n")
    records = read_records(file)
    assert records.left_out == {"for an unknown reason": 3}
    assert records.table["s"].tolist() == ["{[1]}", "(" * 500]


def test_the_version_of_the_measure_is_no_setting_that_trials_differ_in(tmp_path):
    """It follows from what a trial measures: one without paths has none, beside others of version 2."""
    rows = "trial_id,epoch,width,seed,measure_version,frequency/within_class,diversity/vendi\n"
    (tmp_path / "records.csv").write_text(rows + "a,1,8,0,2,0.2,\nb,1,8,1,,,5\nc,1,16,0,2,0.3,\n")
    found = open_records(Options(records=tmp_path / "records.csv"))
    assert found.varied == ["width"] and found.units.tolist() == [0, 0, 1]
    assert "measure_version" in found.settings


def test_paths_of_two_versions_of_the_measure_are_not_mixed(tmp_path):
    """A sweep run again into a file of older records; a trial that measures no paths, as of images, is of neither."""
    rows = "trial_id,epoch,measure_version,frequency/within_class,diversity/vendi\n"
    rows += "old,1,,0.1,\nnew,1,2,0.2,\nimages,1,,,5\n"
    (tmp_path / "records.csv").write_text(rows)
    options = Options(records=tmp_path / "records.csv")
    with pytest.raises(RecordError, match="measured by versions 1 and 2 of the measure.*--measure-version, or run"):
        open_records(options)
    for version, there in ((1, ["old", "images"]), (2, ["new", "images"])):
        found = open_records(dataclasses.replace(options, measure_version=version))
        assert found.table["trial_id"].tolist() == there
        assert found.left_out == {"measured by another version": 1}
    with pytest.raises(RecordError, match="no paths of version 3 of the measure; there are: 1, 2"):
        open_records(dataclasses.replace(options, measure_version=3))
    for study, version in (("cifar", 2), ("imagenet", 1)):
        assert set(read_records(Path("docs/study/records.csv"), study).measure_versions) == {version}

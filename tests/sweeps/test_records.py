"""A file of records: what goes in comes out in the analysis, exactly; and no accident loses or doubles a row."""

import csv
import errno
import math
import multiprocessing
import os
import random
import struct
from collections import Counter

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from analysis.tables.records import load_records
from analysis.tables.records_file import UNFINISHED, read_records
from specbias.settings import SettingError
from specbias.trials.record import FIXED
from sweeps.cifar import STUDY
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan
from sweeps.service.keep import records as module
from sweeps.service.keep.records import append_records, finished_trials, rows_of

KEYS = ("frequency/within_class", "generalization/test_accuracy", "jacobian_norm")


def rows(trial_id, epochs=3, **settings):
    fixed = dict.fromkeys(FIXED, "x") | {"trial_id": trial_id}
    return [{**fixed, "epoch": epoch, **settings, KEYS[0]: epoch / 7} for epoch in range(epochs)]


def keys_in(file):
    with open(file, newline="") as handle:
        return Counter((row["trial_id"], int(row["epoch"])) for row in csv.DictReader(handle))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "records.csv"


def any_float(stream):
    while not math.isfinite(value := struct.unpack("d", stream.randbytes(8))[0]):
        pass
    return value


def test_the_file_of_a_sweep_is_read_as_the_same_sweep_is_from_mlflow(file, tmp_path):
    plan = make_plan(STUDY, Options(quick=True, interventions="mixup,width", set=("measurement_epochs=0,2",)), gpus=0)
    uri, stream = f"sqlite:///{tmp_path}/mlflow.db", random.Random(0)
    client = MlflowClient(uri)
    experiment = client.create_experiment("made", artifact_location=f"{tmp_path}/mlruns")
    tags = {"specbias.sweep_id": plan.sweep_id, "specbias.search": "grid", "specbias.study": plan.study.name}
    parent = client.create_run(experiment, tags=tags).info.run_id
    named = {c: {"label": plan.label(c), "intervention": plan.intervention(c)} for c in plan.trials}
    client.log_dict(parent, {"trials": [{"trial_id": c.trial_id, **named[c]} for c in plan.trials]}, "sweep.json")
    for config in plan.trials:
        tags = {"mlflow.parentRunId": parent, "specbias.trial_id": config.trial_id, "specbias.outcome": "finished"}
        run_id = client.create_run(experiment, tags=tags).info.run_id
        client.log_batch(run_id, params=[Param(name, str(value)) for name, value in config.as_record().items()])
        values = {epoch: {key: any_float(stream) for key in KEYS} for epoch in (2, 0, 20)}
        values[20][KEYS[2]] = math.inf if config == plan.base else math.nan
        metrics = [Metric(key, value, 1, epoch) for epoch in values for key, value in values[epoch].items()]
        client.log_batch(run_id, metrics=metrics)
        append_records(file, rows_of(plan, config, run_id=run_id, search="grid", metrics=values))
    known = load_records("made", tracking_uri=uri).table
    pd.testing.assert_frame_equal(read_records(file).table, known, check_exact=True, check_dtype=True)
    assert known["measurement_epochs"].tolist() == [[0, 2]] * len(known) and known["train_size"].isin([992]).all()
    assert finished_trials(file) == {config.trial_id for config in plan.trials}


def test_settings_keep_their_types_also_where_a_text_looks_like_a_number(file):
    kept = {"count": 3, "share": 0.1, "on": True, "none": None, "list": [0, 2], "name": "vit", "text": "12"}
    kept["more"] = "a,\"b'"
    named = [{**row, "label": "1"} for row in rows("12e4", epochs=1, teacher_id="007", **kept)]
    append_records(file, named + rows("8", epochs=1, **dict.fromkeys(kept)))
    row = read_records(file).table.iloc[0]
    assert {name: row[name] for name in kept} == kept and type(row["on"]) is bool and type(row["text"]) is str
    assert (row["trial_id"], row["teacher_id"], row["label"]) == ("12e4", "007", "1")


def test_a_trial_that_is_there_and_an_epoch_that_is_told_twice_add_nothing(file):
    assert finished_trials(file) == set() and not file.exists()
    append_records(file, rows("a") + rows("a", epochs=2))
    before = file.read_bytes()
    append_records(file, rows("a", epochs=5))
    append_records(file, [])
    assert file.read_bytes() == before
    append_records(file, rows("b", teacher_id="c"))
    append_records(file, rows("c"))  # only named, as b's teacher, until now
    assert keys_in(file) == Counter((trial, epoch) for trial in "abc" for epoch in range(3))
    assert finished_trials(file) == {"a", "b", "c"}


def test_another_studys_columns_are_added_to_all_and_no_value_changes(file):
    append_records(file, rows("a", width=8, share=1 / 3))
    os.chmod(file, 0o640)
    first = read_records(file).table
    append_records(file, [{**row, "depth": 2, KEYS[1]: 0.5} for row in rows("b")])
    both = read_records(file).table
    assert file.stat().st_mode & 0o777 == 0o640 and [*file.parent.iterdir()] == [file]
    assert file.read_text().splitlines()[0] == ",".join([*FIXED, "width", "share", "depth", *KEYS[:2]])
    old, new = both[both["trial_id"] == "a"], both[both["trial_id"] == "b"]
    assert old[first.columns].equals(first.astype(old[first.columns].dtypes))
    assert old[["depth", KEYS[1]]].isna().all(axis=None) and new[["width", "share"]].isna().all(axis=None)
    assert (new["depth"].tolist(), new[KEYS[1]].tolist()) == ([2] * 3, [0.5] * 3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", None),
        (b"hello", "no column trial_id"),
        (b"trial_id,x\n", "no column epoch"),
        (b"trial_id,epoch\na,1\nb\n", "row 2 has 1 values, not 2"),
        (b"trial_id,epoch\n\xff,1\n", "no file of records"),
        (b"\x89PNG\r\n\x1a\n\0", "no file of records"),
    ],
)
def test_what_is_no_file_of_records_is_refused_in_a_line_and_left_as_it_is(file, content, said):
    file.write_bytes(content)
    for use in (finished_trials, lambda file: append_records(file, rows("a"))):
        if said is None:
            use(file)
            continue
        with pytest.raises(SettingError, match=said) as refused:
            use(file)
        assert str(refused.value).startswith(f"--records {file}: ") and "\n" not in str(refused.value)
        assert file.read_bytes() == content


def test_a_place_that_cannot_be_is_refused_in_a_line(tmp_path):
    for file, said in ((tmp_path / "no" / "x.csv", "there is no folder"), (tmp_path, "Is a directory")):
        with pytest.raises(SettingError, match=said):
            finished_trials(file)
        with pytest.raises(SettingError, match="No such file|Is a directory"):
            append_records(file, rows("a"))


def test_a_write_that_fails_leaves_the_file_as_it_was(file, monkeypatch):
    append_records(file, rows("a"))
    before = file.read_bytes()
    write = os.write

    def full(handle, data):
        if len(data) > 40:
            return write(handle, data[:40])  # as a full disk does
        return write(handle, data)

    def broken(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "write", full)
        with pytest.raises(SettingError, match="no space left"):
            append_records(file, rows("b"))
    with monkeypatch.context() as patch:
        patch.setattr(module.os, "fsync", broken)
        for more in ({}, {"depth": 2}):  # appended, and written anew
            with pytest.raises(SettingError, match="No space left on device; mend that"):
                append_records(file, rows("b", **more))
            assert file.read_bytes() == before and [*file.parent.iterdir()] == [file]
    append_records(file, rows("b"))
    assert sum(keys_in(file).values()) == 6


def test_wherever_a_write_was_torn_the_trial_counts_for_nothing_and_can_come_again(file, capsys):
    append_records(file, rows("aaa"))
    known = file.stat().st_size
    append_records(file, rows("bbb"))
    whole = file.read_bytes()
    assert known < len(whole)
    for size in range(known + 1, len(whole)):
        file.write_bytes(whole[:size])
        ends = whole[:size].endswith(b"\n")  # between two lines: nobody can tell
        assert finished_trials(file) <= ({"aaa", "bbb"} if ends else {"aaa"})
        if not ends:
            append_records(file, rows("bbb"))
            assert "is taken out, with its trial" in capsys.readouterr().err
            append_records(file, rows("aaa"))
            assert keys_in(file) == Counter((trial, epoch) for trial in ("aaa", "bbb") for epoch in range(3))


def write_many(file, name, count):
    for i in range(count):
        more = {f"only_{name}_{i}": i} if i % 5 == 0 else {}  # a new column: the file is replaced
        append_records(file, rows(f"{name}{i}", epochs=2, **more))


def test_four_processes_that_append_at_once_lose_and_double_nothing(file):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(file, name, 25)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert keys_in(file) == Counter((f"{name}{i}", epoch) for name in "abcd" for i in range(25) for epoch in range(2))
    table = read_records(file).table
    assert table["only_c_20"].dropna().tolist() == [20, 20]


def test_a_file_that_ends_between_two_epochs_of_a_trial_has_not_that_trial(file, capsys):
    a, b = ([row | {"epochs": 2} for row in rows(trial)] for trial in "ab")
    append_records(file, [*a, *b])
    whole = file.read_text()
    file.write_text("".join(whole.splitlines(keepends=True)[:-1]))  # b to epoch 1 of 2
    assert finished_trials(file) == {"a"}
    append_records(file, b)
    assert "1 trials are without the row of their last epoch; they are taken out" in capsys.readouterr().err
    assert file.read_text() == whole
    append_records(file, [row | {"epochs": 20, "part": "frequency"} for row in rows("c")])  # rows that are classes
    assert finished_trials(file) == {"a", "b", "c"}


def test_a_byte_order_mark_doubles_no_column_and_semicolons_are_named(file):
    append_records(file, rows("a"))
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert finished_trials(file) == {"a"}
    append_records(file, rows("b", width=8))
    assert [name for name in file.read_text().splitlines()[0].split(",") if "trial_id" in name] == ["trial_id"]
    assert finished_trials(file) == {"a", "b"} == set(read_records(file).table["trial_id"])
    file.write_text(file.read_text().replace(",", ";"))
    with pytest.raises(SettingError, match="no file of records, its values are separated by ';' and not by commas"):
        finished_trials(file)


def test_a_trial_with_a_level_to_stop_at_is_whole_wherever_it_ended(file, capsys):
    """In a file that a study runs into and in its analysis alike; those without one are not."""
    levels = {"a": (0.9, 0.0), "b": (0.0, 0.1), "c": (0.0, 0.0), "d": ("", ""), "e": (0, None)}
    names, given = ("stop_accuracy", "stop_loss"), {}
    for trial, stops in levels.items():
        given[trial] = rows(trial, epochs=3, **dict(zip(names, stops, strict=True)))
    append_records(file, [row | {"epochs": 8} for each in given.values() for row in each])
    assert finished_trials(file) == {"a", "b"}
    records = read_records(file)
    assert records.last["trial_id"].tolist() == ["a", "b"] and records.left_out == {UNFINISHED: 3}
    append_records(file, rows("f", epochs=1))
    assert "3 trials are without the row of their last epoch" in capsys.readouterr().err
    assert {trial for trial, _ in keys_in(file)} == {"a", "b", "f"}


def test_any_text_of_a_setting_comes_back(file):
    append_records(file, rows("a", epochs=1, s="{[1]}", t="(" * 500))
    assert read_records(file).table[["s", "t"]].iloc[0].tolist() == ["{[1]}", "(" * 500]

"""Laws of the journal: what was written comes back, a trial goes on from it, and only one attempt writes."""

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pyarrow.fs import copy_files

from sweeps.service.keep import journal as journal_module
from sweeps.service.keep.journal import Journal, Superseded
from sweeps.service.keep.storage import delete_folder, list_folder
from tests.sweeps.journals import measurement, saving

WRITER = """
import sys, tempfile
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from sweeps.service.keep import journal as journal_module
from sweeps.service.keep.journal import Journal
journal = Journal(sys.argv[1], "trial")
token = journal.start({})
with tempfile.TemporaryDirectory() as folder:
    state = journal.resume(folder)
    epoch, total = map(int, (Path(state) / "sum").read_text().split()) if state else (0, 0)
print("ready", flush=True)
while True:
    epoch, total = epoch + 1, total + epoch + 1
    found = SimpleNamespace(step=epoch, metrics={"sum": total}, arrays={"big": np.full(200_000, total)})
    journal.write(token, found, lambda folder: (Path(folder) / "sum").write_text(f"{epoch} {total}"))
"""


def test_what_was_written_comes_back_and_all_but_the_newest_two_states_are_deleted(journal, tmp_path):
    records = journal.records()
    assert [record.epoch for record in records] == [0, 1, 5, 12000]
    for record in records:
        assert record.metrics["a"] == record.epoch / 3 and math.isnan(record.metrics["b"])
        with np.load(journal.fetch(record, "arrays.npz", str(tmp_path / "copy"))) as arrays:
            assert np.array_equal(arrays["x"], np.arange(record.epoch))
    assert len(list((tmp_path / "root").glob("trial/*/state"))) == 2
    assert (Path(journal.fetch(records[-1], "state", str(tmp_path / "copy"))) / "weights").read_text() == "after 12000"
    assert (journal.owner["attempt"], journal.owner["facts"]) == (1, {"host": "here"})


WRITTEN_BEFORE = {  # by a version whose measurements had an epoch and no step
    "epoch_0002/record.json": """{"epoch": 2, "time": 1764500000000, "metrics": {"a": 0.5}, "epochs": [2], "code":
        "c0de", "files": {"arrays.npz": "8739c76e681f900923b900c9df0ef75cf421d39cabb54650c4b9ad19b6a76d85",
        "state/weights": "ccf19c0309073cf13c01b386abc1a76beefef6a13b916c0963a13e7268e667b5"},
        "sha256": "b5710e0f42df8222a7ccdbe40d4b5cac0ada7740fe354d894c7fe4f6077c409e"}""",
    "end.json": """{"outcome": "complete", "failure": "", "traceback": "", "epoch": 2,
        "sha256": "624a463fdd597fd73b5f8a850046f6b9410480d1f4c274974e8e21afc83b22bf"}""",
    "epoch_0002/arrays.npz": "PK\x05\x06" + 18 * "\0",
    "epoch_0002/state/weights": "after 2",
}


def test_journals_of_former_versions_are_read_and_written_alike(tmp_path):
    for name, text in WRITTEN_BEFORE.items():
        (tmp_path / "trial" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "trial" / name).write_text(text)
    journal = Journal(str(tmp_path), "trial")
    assert journal.last(5) == journal.record(2) and journal.record(2).metrics == {"a": 0.5}
    assert (Path(journal.resume(str(tmp_path / "state"))) / "weights").read_text() == "after 2"
    new = Journal(str(tmp_path), "new")
    new.write(new.start({}), measurement(2), saving(2))
    new.end("complete")
    for name in ("epoch_0002/record.json", "end.json"):
        assert [*json.loads((tmp_path / "new" / name).read_text())] == [*json.loads(WRITTEN_BEFORE[name])]


@pytest.mark.parametrize("file", ["record.json", "arrays.npz", "state/weights"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_trial_goes_on_from_the_newest_state_before_anything_torn(journal, tmp_path, file, damage):
    torn = tmp_path / "root" / "trial" / "epoch_12000" / file
    if damage == "cut":
        torn.write_bytes(torn.read_bytes()[:-3])
    else:
        torn.unlink()
    state = journal.resume(str(tmp_path / "copy"))
    assert (Path(state) / "weights").read_text() == "after 5"
    assert [record.epoch for record in journal.records()] == [0, 1, 5]


@pytest.mark.parametrize("file", ["arrays.npz", "record.json"])
def test_nothing_is_resumed_where_an_early_measurement_is_torn(journal, tmp_path, file):
    (tmp_path / "root" / "trial" / "epoch_0001" / file).write_bytes(b"")
    assert journal.resume(str(tmp_path / "copy")) is None and journal.records() == []


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_so_many_of_the_newest_states_are_kept_as_are_to_be(tmp_path, monkeypatch, kept):
    monkeypatch.setattr(journal_module, "STATES_KEPT", kept)
    journal = Journal(str(tmp_path), "trial")
    token = journal.start({})
    for epoch in range(5):
        journal.write(token, measurement(epoch), saving(epoch))
        found = sorted(int(state.parent.name[6:]) for state in tmp_path.glob("trial/*/state"))
        assert found == [*range(5)][: epoch + 1][-kept:]
    (tmp_path / "trial" / "epoch_0004" / "state" / "weights").write_text("torn")
    state = Journal(str(tmp_path), "trial").resume(str(tmp_path / "copy"))
    assert (Path(state) / "weights").read_text() == "after 3" if kept > 1 else state is None


def test_a_measurement_that_is_gone_with_its_folder_is_missed(journal, tmp_path):
    shutil.rmtree(tmp_path / "root" / "trial" / "epoch_0001")
    assert journal.last(12000).epochs == [0, 1, 5, 12000]
    assert Journal(str(tmp_path / "root"), "trial").resume(str(tmp_path / "copy")) is None


def test_a_complete_trial_is_known_by_its_end_and_without_that_by_its_last_epoch(journal, tmp_path):
    assert journal.last(5).epoch == 5 and journal.last(20) is None
    journal.end("complete")  # at 12000, before the last that there could be
    assert journal.last(20000).epoch == 12000
    (tmp_path / "root" / "trial" / "epoch_12000" / "record.json").write_bytes(b"")
    assert journal.last(20000) is None  # and no older one


def test_an_attempt_that_another_has_followed_writes_nothing(tmp_path):
    journal = Journal(str(tmp_path), "trial")
    first = journal.start({})
    journal.write(first, measurement(1), saving(1))
    second = journal.start({})
    with pytest.raises(Superseded):
        journal.write(first, measurement(2), saving(2))
    with pytest.raises(Superseded):
        journal.end("complete", token=first)
    assert [record.epoch for record in journal.records()] == [1] and journal.ending is None
    journal.write(second, measurement(2), saving(2))
    journal.end("complete", token=second)
    assert journal.ending["outcome"] == "complete" and journal.owner["attempt"] == 2
    journal.start({})
    assert journal.ending is None


def test_an_attempt_that_is_followed_while_it_writes_leaves_no_record(tmp_path, monkeypatch):
    journal = Journal(str(tmp_path), "trial")
    token = journal.start({})
    with pytest.raises(Superseded):
        journal.write(token, measurement(1), lambda folder: journal.start({}) and None)
    assert list_folder(str(tmp_path / "trial")) == {"owner.json"}  # nothing was copied over the other's

    def overtaken(*arguments):
        journal.start({})
        copy_files(*arguments)

    monkeypatch.setattr(journal_module, "copy_files", overtaken)
    with pytest.raises(Superseded):
        journal.write(journal.start({}), measurement(2), saving(2))
    assert journal.records() == []


def test_a_write_that_fails_midway_leaves_what_was_there(journal, tmp_path):
    def full(folder):
        (Path(folder) / "weights").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        journal.write(journal.owner["token"], measurement(12001), full)
    assert [record.epoch for record in journal.records()] == [0, 1, 5, 12000]
    assert (Path(journal.resume(str(tmp_path / "copy"))) / "weights").read_text() == "after 12000"


def test_a_writer_killed_at_any_moment_goes_on_where_it_was(tmp_path):
    choose, epochs = random.Random(0), []
    for _ in range(4):
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], env=environment, stdout=subprocess.PIPE)
        writer.stdout.readline()
        while len(Journal(str(tmp_path), "trial").records()) <= max(epochs, default=0):
            time.sleep(0.01)
        time.sleep(choose.uniform(0, 0.2))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        epochs.append(len(Journal(str(tmp_path), "trial").records()))
    assert epochs == sorted(epochs) and epochs[-1] > epochs[0] > 0
    for number, record in enumerate(Journal(str(tmp_path), "trial").records(), start=1):
        assert (record.epoch, record.metrics["sum"]) == (number, number * (number + 1) // 2)


def test_a_folder_of_the_storage_is_listed_and_deleted_also_where_there_is_none(journal, tmp_path):
    place = str(tmp_path / "root")
    assert list_folder(place) == {"trial"} and list_folder(f"{place}/none") == set()
    journal.delete()
    journal.delete()
    assert list_folder(place) == set()
    delete_folder(place)
    delete_folder(place)
    assert not Path(place).exists()


def test_a_record_is_readable_by_people(journal, tmp_path):
    told = json.loads((tmp_path / "root" / "trial" / "epoch_0001" / "record.json").read_text())
    assert set(told) == {"epoch", "time", "metrics", "epochs", "code", "files", "sha256"} and set(told["files"]) == {
        "arrays.npz",
        "state/weights",
    }


def test_the_end_of_a_trial_that_failed_names_no_last_state(tmp_path):
    """Another sweep may have finished it: its students are not to be taught by what is left of this attempt."""
    journal = Journal(str(tmp_path), "trial")
    token = journal.start({})
    for epoch in range(3):
        journal.write(token, measurement(epoch), saving(epoch))
    journal.end("failed", failure="no space", token=token)
    assert journal.last(10) is None and journal.last(2).epoch == 2
    journal.end("complete", token=token)
    assert journal.last(10).epoch == 2

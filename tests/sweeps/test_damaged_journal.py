"""Laws of damaged journals: what is torn, swapped or foreign is as if it were not there, and is never fetched."""

import json
import math
import shutil
from pathlib import Path

import pytest

from sweeps.service.keep import journal as journal_module
from sweeps.service.keep.journal import Damaged, Journal
from sweeps.service.keep.storage import list_folder


@pytest.mark.parametrize("file", ["arrays.npz", "state/weights"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "zeroed", "gone", "of another epoch"])
def test_what_is_not_as_it_was_written_is_never_fetched(journal, tmp_path, file, damage):
    torn, record = tmp_path / "root" / "trial" / "epoch_12000" / file, journal.last(12000)
    content = torn.read_bytes()
    if damage == "gone":
        torn.unlink()
    else:
        other = (torn.parents[file.count("/") + 1] / "epoch_0005" / file).read_bytes()
        flipped = bytes([content[0] ^ 1]) + content[1:]
        damaged = {"cut": content[:-1], "flipped": flipped, "zeroed": bytes(len(content)), "of another epoch": other}
        torn.write_bytes(damaged[damage])
    part = file.partition("/")[0]
    assert not journal.holds(record, part)
    with pytest.raises(Damaged, match=f"epoch_12000/{file} is"):
        journal.fetch(record, part, str(tmp_path / "copy"))


JSON_FILES = ("epoch_0001/record.json", "end.json", "owner.json", "suggestion.json")


def read(journal, file):
    readers = {"end.json": "ending", "owner.json": "owner", "suggestion.json": "suggestion"}
    return getattr(journal, readers[file]) if file in readers else journal.record(1)


@pytest.fixture
def full(journal):
    """A journal with each kind of file, and what is in each."""
    journal.suggest({"number": 3, "settings": {"rate": 0.5, "name": "a"}, "params": {"rate": 0.5}})
    journal.end("complete", failure="none")
    return journal, {file: read(journal, file) for file in JSON_FILES}


@pytest.mark.parametrize("file", JSON_FILES)
def test_a_damaged_record_is_as_it_was_or_as_if_it_were_not_there(full, file):
    journal, written = full
    path = Path(journal.folder) / file
    content = path.read_bytes()
    flipped = [
        content[:i] + bytes([content[i] ^ 1 << bit]) + content[i + 1 :] for i in range(len(content)) for bit in (0, 4)
    ]
    cut = [content[:i] for i in range(len(content))]
    zeroed = [bytes(len(content)), content[:100] + bytes(len(content) - 100), bytes(64) + content[64:]]
    missed = 0
    for damaged in (*flipped, *cut, *zeroed, content + content, b"\xff" + content):
        path.write_bytes(damaged)
        found = read(journal, file)
        assert found in (written[file], None, {})
        missed += found == written[file]
    assert missed < len(content) / 2  # white space alone
    path.write_bytes(content)
    assert read(journal, file) == written[file]


def swapped(value):
    """Return a JSON object with the values of every two of its keys swapped, one at a time, or another put there."""
    for name in value:
        for other in value:
            if value[name] != value[other]:
                yield value | {name: value[other], other: value[name]}
        for odd in (None, 5, "x", [], {}, math.nan, True):
            yield value | {name: odd}
        yield {key: found for key, found in value.items() if key != name}


@pytest.mark.parametrize("file", JSON_FILES)
def test_odd_content_is_as_if_it_were_not_there(full, tmp_path, file):
    journal, written = full
    path = Path(journal.folder) / file
    content = path.read_text()
    odd = [
        "5",
        '"x"',
        "null",
        "true",
        "[]",
        "{}",
        "[[1]]",
        "[" * 100_000,
        "NaN",
        "9" * 5000,
        '{"sha256": null}',
        "\x00",
    ]
    for text in (*odd, *map(json.dumps, swapped(json.loads(content)))):
        path.write_text(text)
        assert read(journal, file) in (None, {}), text
    path.unlink()
    path.mkdir()
    assert read(journal, file) in (None, {})


def test_a_record_of_another_place_or_an_earlier_version_is_as_if_it_were_not_there(journal, tmp_path, monkeypatch):
    place = tmp_path / "root" / "trial"
    shutil.copy(place / "epoch_0001" / "record.json", place / "epoch_0005" / "record.json")
    shutil.copytree(place, tmp_path / "root" / "other")
    assert [record.epoch for record in journal.records()] == [0, 1, 12000]
    assert Journal(str(tmp_path / "root"), "other").records() == []
    told = json.loads((place / "epoch_0000" / "record.json").read_text())
    (place / "epoch_0000" / "record.json").write_text(json.dumps({k: v for k, v in told.items() if k != "sha256"}))
    assert journal.record(0) is None
    monkeypatch.setattr(journal_module, "FORMAT", 3)
    assert journal.records() == []


def test_whatever_else_lies_in_a_journal_is_passed_over_and_deleted_when_the_trial_goes_on(journal, tmp_path):
    place = tmp_path / "root" / "trial"
    for name in ("epoch_0001.tmp", "epoch_x", "epoch_", "epoch_00005", "epoch_\u0661\u0662\u0663\u0664", "epoch_-001"):
        shutil.copytree(place / "epoch_0001", place / name)
    (place / "epoch_0002").write_text("a file")
    (tmp_path / "root" / "a file").write_text("")
    assert Journal(str(tmp_path / "root"), "a file").records() == [] and list_folder(str(place / "epoch_0002")) == set()
    assert [record.epoch for record in journal.records()] == [0, 1, 5, 12000]
    assert (Path(journal.resume(str(tmp_path / "copy"))) / "weights").read_text() == "after 12000"
    assert list_folder(str(place)) == {"owner.json", *(f"epoch_{epoch:04d}" for epoch in (0, 1, 5, 12000))}


def test_a_record_names_no_file_outside_its_folder(journal, tmp_path):
    record = journal.record(1)
    journal._write_json("epoch_0001/record.json", vars(record) | {"files": {"state/../../../secret": "0" * 64}})
    assert journal.record(1) is None

"""Laws of the mirror where something is damaged or deleted, in a journal or in MLflow, while a sweep runs."""

import shutil
import tempfile
import time
from pathlib import Path

import pytest

from analysis.tables.records_file import read_records
from sweeps.service.keep.journal import Journal
from sweeps.service.run.mirror import Mirror
from tests.sweeps.test_mirror import finish, held, whole, write


def damage(journal, file):
    """Flip a bit of a file of the journal, or delete a folder."""
    place = Path(journal.folder) / file
    if place.is_dir():
        shutil.rmtree(place)
    else:
        content = bytearray(place.read_bytes())
        content[len(content) // 2] ^= 1
        place.write_bytes(content)


DAMAGES = ("epoch_0001/record.json", "epoch_0001", "epoch_0001/arrays.npz", "epoch_0003/record.json", "epoch_0003")
STATE = "epoch_0003/state/weights"


def slow(*values):
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


@pytest.mark.parametrize("file", [DAMAGES[0], STATE, *slow(*DAMAGES[1:], "epoch_0003/arrays.npz")])
def test_a_trial_of_which_not_all_is_whole_is_finished_only_when_it_has_gone_on(sweep, file):
    ledger, tracking, root = sweep
    config, other = ledger.plan.trials
    mirror = Mirror(tracking, ledger, root, tags={})
    damage(write(root, config, range(4)), file)
    write(root, other, range(4))
    for each in (config, other):
        mirror.end(each, "finished")
    assert mirror.settle(20) == ""
    assert held(tracking, other) == whole(range(4)) and held(tracking, config)[2] == "RUNNING"
    ((damaged, why),) = mirror.take_damaged()
    assert damaged is config and "is not w" in why or "is gone" in why
    assert mirror.take_damaged() == []
    write(root, config, range(4))
    mirror.end(config, "finished")
    assert mirror.close(20) == "" and held(tracking, config) == whole(range(4))
    state = tracking.fetch_state(tracking.run_ids[config.trial_id], tempfile.mkdtemp(dir=root))
    assert (Path(state) / "weights").read_text() == "after 3"


def test_where_the_end_alone_is_lost_a_trial_is_finished_when_it_has_its_last_epoch(sweep):
    ledger, tracking, root = sweep
    mirror = Mirror(tracking, ledger, root, tags={})
    for config, epochs in zip(ledger.plan.trials, (range(21), range(4)), strict=True):
        damage(write(root, config, epochs), "end.json")
        mirror.end(config, "finished")
    assert mirror.settle(20) == ""
    assert held(tracking, ledger.plan.trials[0]) == whole(range(21))
    assert [config for config, _ in mirror.take_damaged()] == [ledger.plan.trials[1]]


@pytest.mark.parametrize("file", [DAMAGES[0], *slow(*DAMAGES[1:3])])
def test_what_is_damaged_after_it_was_copied_is_not_needed_again(sweep, file, tmp_path):
    ledger, tracking, root = sweep
    mirror, trial = (
        Mirror(tracking, ledger, root, tags={}, records=str(tmp_path / "records.csv")),
        ledger.plan.trials[0],
    )
    epochs = range(trial.epochs + 1)
    journal = write(root, trial, epochs, lambda epoch: mirror.note(trial, epoch))
    assert mirror.settle(20) == ""
    damage(journal, file)
    mirror.end(trial, "finished")
    assert mirror.close(20) == "" and held(tracking, trial) == whole(epochs)
    table = read_records(tmp_path / "records.csv").table
    assert list(zip(table["epoch"], table["a"], strict=True)) == [(epoch, epoch / 3) for epoch in epochs]


@pytest.mark.parametrize("file", [DAMAGES[0], *slow(*DAMAGES[1:3])])
def test_of_a_trial_that_did_not_finish_all_that_is_whole_is_copied(sweep, file):
    ledger, tracking, root = sweep
    mirror = Mirror(tracking, ledger, root, tags={})
    damage(write(root, ledger.plan.trials[0], range(4)), file)
    mirror.end(ledger.plan.trials[0], "failed", failure="its process died")
    assert mirror.close(20) == ""
    history, files, _ = whole([0, 2, 3])
    assert held(tracking, ledger.plan.trials[0]) == (history, files, "FAILED")


def test_an_epoch_that_is_not_to_be_seen_yet_holds_nothing_up_and_is_copied_with_the_next(sweep):
    ledger, tracking, root = sweep
    config = ledger.plan.trials[0]
    mirror = Mirror(tracking, ledger, root, tags={})
    journal = write(root, config, range(2))
    hidden = Path(journal.folder) / "epoch_0001" / "record.json"
    content = hidden.read_bytes()
    hidden.unlink()
    for epoch in range(2):
        mirror.note(config, epoch)
    assert mirror.settle(5) == "" and held(tracking, config)[0] == [(0, 0.0)]
    hidden.write_bytes(content)
    write(root, config, range(3), lambda epoch: mirror.note(config, epoch))
    assert mirror.close(20) == "" and held(tracking, config)[0] == [(epoch, epoch / 3) for epoch in range(3)]


@pytest.mark.parametrize("deleted", ["parent and run", "experiment", *slow("parent", "run", "file")])
def test_what_is_deleted_in_mlflow_while_a_sweep_runs_is_there_again(sweep, deleted, tmp_path, empty_store, capsys):
    ledger, tracking, root = sweep
    first, second = ledger.plan.trials
    mirror, client = Mirror(tracking, ledger, root, tags={}), tracking.lock.claims.client
    finish(mirror, ledger, root, first)
    assert mirror.settle(20) == ""
    run_id, parent_id = tracking.run_ids[first.trial_id], tracking.parent_id
    if "run" in deleted:
        client.delete_run(run_id)
    if "parent" in deleted:
        client.delete_run(parent_id)
    if deleted == "experiment":  # and all that is in it, as where the data base is emptied
        client.delete_experiment(tracking.experiment_id)
        client._tracking_client.store._hard_delete_experiment(tracking.experiment_id)
    if deleted == "file":
        (tmp_path / "mlflow.db").rename(tmp_path / "before.db")
        empty_store(tmp_path)
    if deleted != "run":
        deadline = time.monotonic() + 20
        while tracking.parent_id == parent_id and time.monotonic() < deadline:
            time.sleep(0.05)  # it looks
    finish(mirror, ledger, root, second)
    assert mirror.close(20) == ""
    assert (tracking.run_ids[first.trial_id] == run_id) == (deleted == "parent")
    for config in ledger.plan.trials:
        assert held(tracking, config) == whole(range(6))
    tracking.end_sweep(ledger.plan, {}, "finished")
    (parent,) = tracking.search("tags.specbias.sweep_id LIKE '%'")
    children = tracking.search("tags.specbias.trial_id LIKE '%'")
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert [run.info.status for run in (parent, *children)] == ["FINISHED"] * 3
    assert capsys.readouterr().out.count("was deleted in MLflow") == (deleted != "run")


def test_a_finished_trial_that_neither_mlflow_nor_a_journal_has_any_more_is_not_taken_for_finished(sweep):
    ledger, tracking, root = sweep
    first, second = ledger.plan.trials
    mirror = Mirror(tracking, ledger, root, tags={})
    for config in (first, second):
        finish(mirror, ledger, root, config)
    assert mirror.settle(20) == ""
    for config in (first, second):
        tracking.client.delete_run(tracking.run_ids[config.trial_id])
    Journal(root, first.trial_id).delete()
    assert mirror.close(20) == ""
    assert ledger.ends[first.trial_id]["outcome"] == "gone" and ledger.ends[second.trial_id]["outcome"] == "finished"
    assert held(tracking, second) == whole(range(6))


def test_the_runs_of_a_deleted_parent_go_over_to_the_new_one_whatever_fails_meanwhile(sweep):
    ledger, tracking, root = sweep
    mirror, store = Mirror(tracking, ledger, root, tags={}), tracking.lock.claims.client
    for config in ledger.plan.trials:
        write(root, config, range(2))
        mirror.note(config, 1)
    assert mirror.settle(20) == ""
    store.delete_run(tracking.parent_id)
    former, tracking.client.refused = tracking.parent_id, "mlflow.parentRunId"  # what is to be written then
    mirror.note(ledger.plan.trials[0], 1)
    time.sleep(0.5)
    tracking.client = getattr(tracking.client, "client", tracking.client)
    for config in ledger.plan.trials:
        mirror.end(config, "finished")
    assert mirror.close(20) == ""
    for config in ledger.plan.trials:
        assert held(tracking, config) == whole(range(2))
        run = store.get_run(tracking.run_ids[config.trial_id])
        assert run.data.tags["mlflow.parentRunId"] == tracking.parent_id != former
    assert store.get_run(tracking.parent_id).data.params

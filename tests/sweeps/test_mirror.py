"""Laws of the mirror, with a real store whose calls fail: in the end MLflow holds each (trial, epoch) once."""

import shutil
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sweeps.service.keep.journal import Journal
from sweeps.service.run.mirror import Mirror


def write(root, config, epochs, then=lambda epoch: None):
    """Do what a trial does: go on from the newest whole state, measure the epochs that are missing, and end."""
    journal = Journal(root, config.trial_id)
    token = journal.start({"hardware.host": "here"})
    with tempfile.TemporaryDirectory() as folder:
        journal.resume(folder)
    for epoch in epochs:
        if epoch not in journal.measured:
            found = SimpleNamespace(step=epoch, metrics={"a": epoch / 3, "b": 1.0}, arrays={"x": np.arange(epoch)})
            journal.write(token, found, lambda folder, e=epoch: (Path(folder) / "weights").write_text(f"after {e}"))
            then(epoch)
    journal.end("complete", token=token)
    return journal


def held(tracking, config):
    """What MLflow holds of a trial: [(epoch, value)] of one metric, files, status."""
    client = tracking.lock.claims.client
    (run,) = client.search_runs([tracking.experiment_id], f"tags.specbias.trial_id = '{config.trial_id}'")
    history = [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, "a")]
    files = [file.path for file in client.list_artifacts(run.info.run_id, "measurements")]
    return sorted(history), sorted(files), run.info.status


def whole(epochs):
    files = [f"measurements/epoch_{epoch:04d}.npz" for epoch in epochs]
    return [(epoch, epoch / 3) for epoch in epochs], files, "FINISHED"


@pytest.mark.parametrize("trouble", ["none", "away", "deaf"])
def test_all_that_the_journals_hold_is_held_once_whatever_the_server_does(sweep, trouble):
    ledger, tracking, root = sweep
    mirror = Mirror(tracking, ledger, root, tags={"version.x": "1"})
    setattr(tracking.client, trouble, True)
    for config in ledger.plan.trials:
        write(root, config, range(6), lambda epoch, config=config: mirror.note(config, epoch))
        mirror.end(config, "finished")
    if trouble == "away":
        threading.Timer(1, setattr, (tracking.client, trouble, False)).start()
    assert mirror.close(20) == ""
    for config in ledger.plan.trials:
        assert held(tracking, config) == whole(range(6))
        run = tracking.lock.claims.client.get_run(tracking.run_ids[config.trial_id])
        assert run.data.tags["hardware.host"] == "here" and run.data.tags["specbias.attempts"] == "1"
        assert run.data.params["mixup"] == str(config.mixup)
        records = Journal(root, config.trial_id).records()  # kept until the sweep is over, with the last state alone
        assert [record.epoch for record in records] == [*range(6)]
        assert [path.parent.name for path in Path(root, config.trial_id).glob("*/state")] == ["epoch_0005"]


def test_what_was_never_noted_is_copied_at_the_end(sweep):
    ledger, tracking, root = sweep
    mirror = Mirror(tracking, ledger, root, tags={})
    write(root, ledger.plan.trials[0], range(4))
    mirror.note(ledger.plan.trials[0], 1)
    mirror.end(ledger.plan.trials[0], "finished")
    assert mirror.close(20) == ""
    assert held(tracking, ledger.plan.trials[0]) == whole(range(4))


def test_a_trial_that_goes_on_keeps_its_run_and_no_epoch_is_held_twice(sweep):
    ledger, tracking, root = sweep
    config = ledger.plan.trials[0]
    mirror = Mirror(tracking, ledger, root, tags={})
    write(root, config, range(3))
    mirror.end(config, "failed", failure="its process died", traceback="Traceback")
    assert mirror.close(20) == ""
    assert held(tracking, config)[2] == "FAILED"
    again = Mirror(tracking, ledger, root, tags={})
    for place in Path(root, config.trial_id).glob("epoch_*"):
        shutil.rmtree(place)
    write(root, config, range(5))  # those there are, made again, at another time
    again.note(config, 4)
    again.end(config, "finished")
    assert again.close(20) == ""
    assert held(tracking, config) == whole(range(5))
    tags = tracking.lock.claims.client.get_run(tracking.run_ids[config.trial_id]).data.tags
    assert "specbias.failure" not in tags and tags["specbias.attempts"] == "2"


def test_a_trial_that_cannot_be_copied_holds_up_no_other_and_is_named(sweep):
    ledger, tracking, root = sweep
    first, second = ledger.plan.trials
    tracking.client.refused = tracking.open_trial(first, "first", {})
    mirror = Mirror(tracking, ledger, root, tags={})
    for config in ledger.plan.trials:
        write(root, config, range(3))
        mirror.end(config, "finished")
    assert mirror.close(3) == "1 trials are not copied yet: ConnectionError: nobody answers"
    assert held(tracking, second) == whole(range(3))
    assert len(Journal(root, first.trial_id).records()) == 3  # it waits for another call


def finish(mirror, ledger, root, config):
    write(root, config, range(6))
    ledger.end(config, "finished")
    mirror.end(config, "finished")


def test_that_nothing_is_lost_is_said_where_the_journals_have_all_that_is_not_copied(sweep):
    ledger, tracking, root = sweep
    tracking.client.away = True
    mirror = Mirror(tracking, ledger, root, tags={})
    for config in ledger.plan.trials:
        finish(mirror, ledger, root, config)
        mirror.note(config, 3)
    assert mirror.close(0.5).startswith("2 trials are not copied yet") and mirror.is_all_kept()
    shutil.rmtree(Path(root, ledger.plan.trials[0].trial_id, "epoch_0003"))
    assert not mirror.is_all_kept()
    shutil.rmtree(root)
    assert not mirror.is_all_kept()


def test_where_no_more_threads_are_to_be_had_one_copies_all(sweep, monkeypatch):
    ledger, tracking, root = sweep
    mirror = Mirror(tracking, ledger, root, tags={})
    monkeypatch.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError("no new thread")))
    for config in ledger.plan.trials:
        write(root, config, range(3))
        mirror.end(config, "finished")
    assert mirror.close(20) == ""
    assert all(held(tracking, config) == whole(range(3)) for config in ledger.plan.trials)


def test_what_is_kept_can_be_asked_while_it_is_copied(sweep):
    ledger, tracking, root = sweep
    mirror = Mirror(tracking, ledger, root, tags={})
    for config in ledger.plan.trials:
        write(root, config, range(6))
    for _ in range(30):
        for config in ledger.plan.trials:
            mirror.note(config, 3)
        assert mirror.is_all_kept()
    assert mirror.settle(20) == ""

"""Laws of the mirror, with a real store whose calls fail: in the end MLflow holds each (trial, epoch) once."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from sweeps.cifar import STUDY
from sweeps.service import mirror as mirror_module
from sweeps.service.command_line import Options
from sweeps.service.journal import Journal
from sweeps.service.ledger import Ledger
from sweeps.service.mirror import Mirror
from sweeps.service.plan import make_plan
from sweeps.service.tracking import open_sweep


class Flaky:
    """A client of MLflow that fails while `away`, and where `deaf` does what is asked for the first time, and fails."""

    def __init__(self, client):
        self.client, self.away, self.deaf, self.refused, self.asked = client, False, False, "", set()

    def __getattr__(self, name):
        function = getattr(self.client, name)

        def call(*arguments, **named):
            if self.away or (self.refused and self.refused in map(str, arguments)):
                raise ConnectionError("nobody answers")
            found = function(*arguments, **named)
            if self.deaf and (kind := (name, *sorted(named))) not in self.asked:
                self.asked.add(kind)
                raise ConnectionError("the answer was lost")
            return found

        return call


@pytest.fixture
def sweep(tmp_path, monkeypatch, empty_store):
    """A sweep of two trials in a store of its own, and its journals' root."""
    monkeypatch.setattr(mirror_module, "BEAT", 0.1)  # the longest between two attempts
    plan = make_plan(STUDY, Options(quick=True, interventions="mixup"), gpus=0)
    tracking = open_sweep(plan, uri=empty_store(tmp_path))
    tracking.client = Flaky(tracking.client)
    return Ledger(plan, {}), tracking, str(tmp_path / "trials")


def write(root, config, epochs, then=lambda epoch: None):
    journal = Journal(root, config.trial_id)
    token = journal.start({"hardware.host": "here"})
    for epoch in epochs:
        found = SimpleNamespace(epoch=epoch, metrics={"a": epoch / 3, "b": 1.0}, arrays={"x": np.arange(epoch)})
        journal.write(token, found, lambda folder: None)
        then(epoch)


def held(tracking, config):
    """What MLflow holds of a trial: [(epoch, value)] of one metric, files, status."""
    client = tracking.client.client
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
        run = tracking.client.client.get_run(tracking.run_ids[config.trial_id])
        assert run.data.tags["hardware.host"] == "here" and run.data.tags["specbias.attempts"] == "1"
        assert run.data.params["mixup"] == str(config.mixup)
        assert Journal(root, config.trial_id).records() == []  # nothing is kept twice


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
    write(root, config, range(5))  # those there are, made again, at another time
    again.note(config, 4)
    again.end(config, "finished")
    assert again.close(20) == ""
    assert held(tracking, config) == whole(range(5))
    tags = tracking.client.client.get_run(tracking.run_ids[config.trial_id]).data.tags
    assert "specbias.failure" not in tags and tags["specbias.attempts"] == "2"


def test_a_trial_that_cannot_be_copied_holds_up_no_other_and_is_named(sweep):
    ledger, tracking, root = sweep
    first, second = ledger.plan.trials
    tracking.client.refused = tracking.open_trial(first, "first")
    mirror = Mirror(tracking, ledger, root, tags={})
    for config in ledger.plan.trials:
        write(root, config, range(3))
        mirror.end(config, "finished")
    assert mirror.close(3) == "1 trials are not copied yet: ConnectionError: nobody answers"
    assert held(tracking, second) == whole(range(3))
    assert len(Journal(root, first.trial_id).records()) == 3  # it waits for another call


def test_the_driver_gives_signs_of_life(sweep):
    ledger, tracking, root = sweep
    mirror = Mirror(tracking, ledger, root, tags={})
    threading.Event().wait(1)
    assert mirror.close(20) == ""
    assert "specbias.alive" in tracking.client.client.get_run(tracking.parent_id).data.tags

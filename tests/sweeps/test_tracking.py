"""A driver that is killed before any of its calls to MLflow: the next one puts right what it left, and finds it."""

from types import SimpleNamespace

import numpy as np
import pytest
from mlflow import MlflowClient

from specbias.settings import SettingError
from sweeps.cifar import STUDY
from sweeps.service import mirror as mirror_module
from sweeps.service import tracking as tracking_module
from sweeps.service.command_line import Options
from sweeps.service.driver import refuse_if_running
from sweeps.service.journal import Journal
from sweeps.service.ledger import Ledger
from sweeps.service.mirror import Mirror
from sweeps.service.plan import make_plan
from sweeps.service.tracking import open_sweep


class Mortal:
    """A client of MLflow that answers so many calls, and then none."""

    def __init__(self, client, calls):
        self.client, self.calls = client, calls

    def __getattr__(self, name):
        function = getattr(self.client, name)

        def call(*arguments, **named):
            if self.calls == 0:
                raise ConnectionAbortedError("killed")
            self.calls -= 1
            return function(*arguments, **named)

        return call


def drive(plan, uri, root):
    """Do to MLflow what a sweep of one trial does; True if it came to its end."""
    try:
        tracking = open_sweep(plan, uri=uri)
        ledger = Ledger(plan, dict.fromkeys(tracking.finished(plan), "reused"))
        mirror = Mirror(tracking, ledger, root, tags={})
        for config in ledger.waiting:
            journal = Journal(root, config.trial_id)
            token = journal.start({})
            for epoch in (0, 1):
                found = SimpleNamespace(epoch=epoch, metrics={"a": epoch / 3}, arrays={"x": np.arange(2)})
                journal.write(token, found, lambda folder: None)
            mirror.end(config, "finished")
        if mirror.close(0.2):
            return False
        tracking.end_sweep(plan, {}, "finished")
        return True
    except ConnectionAbortedError:
        return False


@pytest.mark.slow
def test_a_driver_killed_before_any_call_leaves_what_the_next_puts_right(tmp_path, empty_store, monkeypatch):
    monkeypatch.setattr(mirror_module, "BEAT", 0.05)
    plan = make_plan(STUDY, Options(quick=True, interventions="none"), gpus=0)
    for calls in range(100):
        folder = tmp_path / str(calls)
        folder.mkdir()
        uri, root = empty_store(folder), str(folder / "trials")
        with monkeypatch.context() as patch:
            patch.setattr(tracking_module, "open_store", lambda uri, n=calls: Mortal(MlflowClient(uri), n))
            unhurt = drive(plan, uri, root)
        assert drive(plan, uri, root)
        client = MlflowClient(uri)
        runs = client.search_runs([client.get_experiment_by_name(plan.experiment).experiment_id])
        assert [run.info.status for run in runs] == ["FINISHED"] * 2, calls
        assert [run.data.tags["specbias.outcome"] for run in runs] == ["finished"] * 2, calls
        (trial,) = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
        assert [metric.step for metric in client.get_metric_history(trial.info.run_id, "a")] == [0, 1], calls
        if unhurt:
            break
    assert 15 < calls < 99


def test_a_driver_elsewhere_counts_as_long_as_it_gives_signs_of_life():
    tags = {"specbias.driver": "elsewhere:1:2", "specbias.opened": "2026-01-01T00:00:00+00:00"}
    refuse_if_running(tags, "RUNNING")
    refuse_if_running({"specbias.driver": "elsewhere:1:2"}, "RUNNING")  # it did not get so far
    alive = tracking_module.datetime.now(tracking_module.timezone.utc).isoformat()
    refuse_if_running(tags | {"specbias.alive": alive}, "FINISHED")
    with pytest.raises(SettingError, match="this very sweep is running, in process 1 on elsewhere: wait for it"):
        refuse_if_running(tags | {"specbias.alive": alive}, "RUNNING")
